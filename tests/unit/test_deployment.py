"""What the files for production promise, as far as it can be known without a container engine."""

import fnmatch
import json
import re
import subprocess
import time
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from demo.start import ALLOCATOR
from idp.cli import main
from idp.server import number
from idp.settings import Settings

ROOT = Path(__file__).parents[2]
WEB = ("web1", "web2")
SCHEDULED = ("rotate", "print", "purge", "verify", "head", "backup")
OURS = (*WEB, "worker", *SCHEDULED, "migrate", "idp")
UNITS = ROOT / "deploy" / "systemd"
WRITES = {
    "rotate": {"keys"},
    "print": {"spool"},
    "purge": {"spool"},
    "backup": {"backup"},
    "idp": {"keys", "secrets", "spool"},
}
"""What each may write, for itself alone; all others write nothing."""
PINNED = re.compile(r"[a-z0-9/-]+:(?!latest)[a-z0-9.-]*\d[a-z0-9.-]*")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def test_compose_has_the_parts_of_production(compose):
    assert set(compose["services"]) == {*OURS, "proxy", "sql", "redis", "mail"}


def test_every_service_that_serves_tells_its_health_or_is_ended_by_its_fault(compose):
    for name, service in compose["services"].items():
        healthcheck = service.get("healthcheck", {})

        assert healthcheck.get("test") or healthcheck.get("disable"), name


def test_a_rolling_restart_waits_for_a_node_that_can_serve(compose):
    for name in WEB:
        assert "/readyz" in " ".join(compose["services"][name]["healthcheck"]["test"])


def test_no_flood_of_lines_fills_the_disk(compose):
    for name, service in compose["services"].items():
        assert service["logging"] == {"driver": "local"}, name  # turned over by default


def test_containers_have_no_right_they_do_not_need(compose):
    for name in (*OURS, "proxy", "mail"):
        service = compose["services"][name]

        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not service.get("privileged")


def test_the_stores_begin_with_few_rights_and_cannot_take_the_whole_machine(compose):
    for name in ("sql", "redis"):
        service = compose["services"][name]

        assert service["cap_drop"] == ["ALL"]
        assert set(service["cap_add"]) == {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["mem_limit"]
        assert service["pids_limit"] <= 256


def test_each_container_writes_what_is_its_own_to_write_and_nothing_else(compose):
    for name in OURS:
        volumes = compose["services"][name]["volumes"]
        written = {volume.split(":")[0] for volume in volumes if not volume.endswith(":ro")}

        assert written == WRITES.get(name, set()), name
    assert not any("spool" in str(compose["services"][name]["volumes"]) for name in WEB)


def command_of(service):
    """What a container or a unit of ours runs, as words; without the wrapper that waits."""
    words = service.split() if isinstance(service, str) else list(service)
    if words[0].endswith("/daily"):
        words = words[1:]
        while words[0].startswith("--"):
            words = words[1:]
        words = words[1:]
    return [Path(words[0]).name, *words[1:]]


def is_understood(words):
    """Tell whether ``idp`` has this command with these options."""
    context = click.Context(main, info_name="idp")
    rest = main.make_parser(context).parse_args(args=list(words))[1]
    command = main
    while isinstance(command, click.Group):
        command = command.get_command(context, rest[0])
        if command is None:
            return False
        context = click.Context(command, parent=context)
        rest = command.make_parser(context).parse_args(args=rest[1:])[1]
    return True


def test_what_is_scheduled_is_the_same_in_containers_and_in_units(compose):
    for name in SCHEDULED:
        in_container = command_of(compose["services"][name]["command"])
        in_unit = command_of(read_unit(f"idp-{name}.service")["ExecStart"][0])

        assert in_container == in_unit
        assert in_container[0] == "idp"
        assert is_understood(in_container[1:]), name
        hour = compose["services"][name]["command"][-len(in_container) - 1]
        assert f" {hour} Europe/Paris" in read_unit(f"idp-{name}.timer")["OnCalendar"][0]
    assert command_of(compose["services"]["worker"]["command"]) == ["idp", "worker"]
    assert command_of(compose["services"]["migrate"]["command"]) == ["idp", "migrate"]
    assert not is_understood(["keys", "rotat"])


def test_every_setting_that_is_given_exists(compose, dockerfile):
    known = {f"IDP_{name.upper()}" for name in Settings.model_fields}
    manual = (ROOT / "docs/settings.md").read_text()
    known |= set(re.findall(r"^\| `(IDP_[A-Z_]+)` ", manual, re.MULTILINE))
    given = [name for one in OURS for name in compose["services"][one]["environment"]]
    given += re.findall(r"\b(IDP_[A-Z_]+)=", dockerfile)
    for unit in UNITS.rglob("*.*"):
        if unit.is_file():
            given += re.findall(r"\b(IDP_[A-Z_]+)=", unit.read_text())

    assert len(given) > 30
    assert {name for name in given if name.startswith("IDP_")} <= known


def read_unit(name):
    """The lines of a unit, by their name."""
    found: dict[str, list[str]] = {}
    for line in (UNITS / name).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def test_units_run_programs_of_the_image_as_nobody_special():
    hardening = read_unit("idp-.service.d/10-hardening.conf")
    services = sorted(path.name for path in UNITS.glob("*.service"))

    assert services == sorted(
        ["idp-web@.service", "idp-worker.service", *(f"idp-{one}.service" for one in SCHEDULED)]
    )
    assert all(name.startswith("idp-") for name in services)  # or the hardening is not theirs
    for strict in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices"):
        assert hardening[strict] == ["yes"]
    assert hardening["ProtectSystem"] == ["strict"]
    assert hardening["CapabilityBoundingSet"] == [""]
    for name in services:
        [command] = read_unit(name)["ExecStart"]
        assert command.startswith(("/opt/idp/bin/idp ", "/opt/idp/bin/gunicorn "))
        if command.startswith("/opt/idp/bin/idp "):
            assert is_understood(command.split()[1:]), name
        writable = read_unit(name).get("ReadWritePaths", [])
        own = WRITES.get(name.removeprefix("idp-").removesuffix(".service"), set())
        assert writable == [f"/var/lib/idp/{folder}" for folder in own]
    for timer in UNITS.glob("*.timer"):
        assert timer.with_suffix(".service").is_file()
        assert read_unit(timer.name)["Persistent"] == ["true"]


def test_a_node_has_time_to_drain_and_to_end_before_it_is_killed(compose, dockerfile):
    grace = number("IDP_GRACEFUL_SECONDS", {})
    drain = int(re.search(r"IDP_DRAIN_SECONDS=(\d+)", dockerfile)[1])
    web = read_unit("idp-web@.service")

    for name in WEB:
        assert int(compose["services"][name]["stop_grace_period"].rstrip("s")) > grace + drain
    assert int(web["TimeoutStopSec"][0]) > grace + drain
    assert f"IDP_DRAIN_SECONDS={drain}" in web["Environment"]
    # The proxy looks twice, a second or so apart, before it sends nobody more.
    assert drain > 2 * 1 + 1


def test_the_proxy_is_told_all_that_its_file_asks_for(compose):
    asked = set(re.findall(r'"\$([A-Z_0-9]+)"', (ROOT / "deploy/haproxy.cfg").read_text()))
    proxy = compose["services"]["proxy"]

    assert asked == set(proxy["environment"])
    assert {proxy["environment"][f"IDP_WEB_{n}"] for n in (1, 2)} == {f"{w}:8000" for w in WEB}
    assert proxy["networks"] == ["front"]


def test_what_is_daily_runs_at_its_hour_goes_on_after_a_failure_and_ends_when_told(tmp_path):
    said = tmp_path / "said"
    soon = datetime.now() + timedelta(seconds=3)  # noqa: DTZ005 - the clock of this machine
    command = ["sh", "-c", "echo ran >>$0; exit 3", str(said)]
    daily = [ROOT / "deploy" / "daily", "--now", f"{soon:%H:%M:%S}", *command]

    with subprocess.Popen(daily, stderr=subprocess.PIPE, text=True) as waiting:
        end = time.monotonic() + 15
        while not (said.exists() and said.read_text().count("ran") == 2):
            assert time.monotonic() < end, "it did not run at its hour"
            time.sleep(0.05)
        still_there = waiting.poll() is None
        waiting.terminate()
        told = [json.loads(line) for line in waiting.communicate(timeout=5)[1].splitlines()]

    assert still_there
    assert waiting.returncode == 0
    assert {line["level"] for line in told} == {"ERROR"}
    assert told[0]["message"].startswith("exit status 3 of: sh -c")


@pytest.mark.parametrize("words", [(), ("03:00",), ("later", "true"), ("--daily", "03:00")])
def test_a_wrong_hour_is_told_at_once(words):
    told = subprocess.run(
        [ROOT / "deploy" / "daily", *words], capture_output=True, text=True, check=False
    )

    assert told.returncode == 2
    assert told.stderr.startswith("usage: daily")


def test_no_secret_travels_in_an_environment(compose):
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            telling = re.search(r"PASSWORD|SECRET|_URL|TOKEN|KEY", name)
            assert not telling or str(value).startswith("/run/secrets/"), name


def test_the_proxy_is_published_and_no_store_at_all(compose):
    for name, service in compose["services"].items():
        if name == "proxy":
            continue
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        if name in {"sql", "redis"}:
            assert "ports" not in service
            assert service["networks"] == ["stores"]
    assert compose["networks"]["stores"]["internal"] is True


def test_images_have_a_version(compose, dockerfile):
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", dockerfile, re.MULTILINE))
    images = [s["image"] for s in compose["services"].values() if "build" not in s]
    images += re.findall(r"^FROM (\S+)|--from=(\S+:\S+)", dockerfile, re.MULTILINE)
    named = {"".join(image) for image in images} - stages

    assert len(named) == 6
    for image in named:
        assert PINNED.fullmatch(image), image


def test_everything_named_is_declared(compose):
    for service in compose["services"].values():
        assert set(service.get("secrets", [])) <= set(compose["secrets"])
        assert set(service.get("networks", [])) <= set(compose["networks"])
        assert {one["source"] for one in service.get("configs", [])} <= set(compose["configs"])
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        named = {volume.partition(":")[0] for volume in service.get("volumes", [])}
        assert named <= set(compose["volumes"])


def test_the_secrets_that_compose_mounts_are_made_by_one_command_and_never_again(compose, tmp_path):
    script = tmp_path / "make-secrets"
    script.write_bytes((ROOT / "deploy" / "make-secrets").read_bytes())

    subprocess.run(["/bin/bash", script], check=True, capture_output=True)
    again = subprocess.run(["/bin/bash", script], check=False, capture_output=True)

    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert {Path(s["file"]).name for s in compose["secrets"].values()} == set(made)
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    assert made["postgres_password"] in made["idp.env"]
    assert made["redis.conf"].split()[1] in made["idp.env"]
    assert len(made["postgres_password"]) == 43
    assert again.returncode == 1
    assert {p.name: p.read_text() for p in (tmp_path / "secrets").iterdir()} == made


def test_the_image_runs_as_nobody_special_and_tells_its_health(dockerfile):
    last_stage = dockerfile.rpartition("\nFROM ")[2]

    assert last_stage.startswith("run\n")
    assert re.search(r"^USER 10001:10001$", last_stage, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK .*/healthz", last_stage, re.MULTILINE)
    assert "apt-get" not in last_stage


def test_image_start_and_manual_agree_on_what_becomes_of_a_hashs_memory(dockerfile):
    tunables = ALLOCATOR["GLIBC_TUNABLES"]

    assert f"\nENV GLIBC_TUNABLES={tunables}\n" in dockerfile.rpartition("\nFROM ")[2]
    assert f"`{tunables}`" in (ROOT / "docs/settings.md").read_text()


def test_everything_that_the_image_is_made_of_is_there_and_reaches_the_builder(dockerfile):
    ignored, sent = [], []
    for line in (ROOT / ".dockerignore").read_text().split("\n"):
        if line and not line.startswith("#"):
            (sent if line.startswith("!") else ignored).append(line.lstrip("!"))
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE)
        for source in line.split()[:-1]
    ]

    assert ignored[0] == "*"
    assert "**/*.pem" in ignored
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, f"{pattern}*") for pattern in sent), source


def test_no_file_of_production_names_a_registry_or_an_index():
    for name in ("Dockerfile", "docker-compose.yml", "deploy/gunicorn.conf.py", "deploy/daily"):
        text = (ROOT / name).read_text()

        assert not re.search(r"index-url|docker\.io|ghcr\.io|quay\.io|pypi|npmjs", text), name
