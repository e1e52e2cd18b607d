"""What the files for production promise, as far as it can be known without a container engine."""

import fnmatch
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.start import ALLOCATOR

ROOT = Path(__file__).parents[2]
OURS = ("web", "worker", "migrate", "idp")
PINNED = re.compile(r"[a-z0-9/-]+:(?!latest)[a-z0-9.-]*\d[a-z0-9.-]*")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def test_compose_has_the_parts_of_production(compose):
    assert set(compose["services"]) == {*OURS, "sql", "redis", "mail"}


def test_every_service_that_serves_tells_its_health_or_is_ended_by_its_fault(compose):
    for name, service in compose["services"].items():
        healthcheck = service.get("healthcheck", {})

        # web has the one of the image.
        assert healthcheck.get("test") or healthcheck.get("disable") or name == "web", name


def test_containers_of_ours_have_no_right_they_do_not_need(compose):
    for name in OURS:
        service = compose["services"][name]

        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not service.get("privileged")


def test_keys_and_secrets_are_written_by_the_operators_command_alone(compose):
    for name in ("web", "worker", "migrate"):
        assert all(volume.endswith(":ro") for volume in compose["services"][name]["volumes"])
    assert not any(volume.endswith(":ro") for volume in compose["services"]["idp"]["volumes"])


def test_no_secret_travels_in_an_environment(compose):
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            telling = re.search(r"PASSWORD|SECRET|_URL|TOKEN|KEY", name)
            assert not telling or str(value).startswith("/run/secrets/"), name


def test_only_loopback_addresses_are_published_and_no_store_at_all(compose):
    for name, service in compose["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        if name in {"sql", "redis"}:
            assert "ports" not in service
            assert service["networks"] == ["stores"]
    assert compose["networks"]["stores"]["internal"] is True


def test_images_have_a_version(compose, dockerfile):
    images = [s["image"] for s in compose["services"].values() if "build" not in s]
    images += re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)

    assert len(images) == 6
    for image in images:
        assert PINNED.fullmatch(image), image


def test_everything_named_is_declared(compose):
    for service in compose["services"].values():
        assert set(service.get("secrets", [])) <= set(compose["secrets"])
        assert set(service.get("networks", [])) <= set(compose["networks"])
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
    for name in ("Dockerfile", "docker-compose.yml", "deploy/gunicorn.conf.py"):
        text = (ROOT / name).read_text()

        assert not re.search(r"index-url|docker\.io|ghcr\.io|quay\.io|pypi|npmjs", text), name
