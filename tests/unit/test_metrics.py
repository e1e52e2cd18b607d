"""What is counted, and that dashboard and alerts ask for numbers that there are."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from prometheus_client import CollectorRegistry

from idp.audit import Event
from idp.metrics import port
from idp.metrics import slots
from idp.metrics import standing
from idp.metrics.counts import Counts
from tests.running import eventually

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
DASHBOARD = ROOT / "deploy/grafana/idp.json"
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def names() -> set[str]:
    """Every name that may stand on a page."""
    counted = Counts(list).registry().collect()
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    told = {family.name + suffix for family in counted for suffix in suffixes[family.type]}
    source = Path(standing.__file__).read_text()
    return told | set(re.findall(r'_gauge\(\s*"(idp_\w+)"', source))


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in RULES)
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))


def counted(counts: Counts, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for family in counts.registry().collect()
        for sample in family.samples
        if sample.name == name
    }


def test_dashboard_and_alerts_ask_for_numbers_that_there_are_and_for_all_of_them() -> None:
    asked = {name for one in expressions() for name in re.findall(r"\bidp_\w+", one)}

    assert asked - names() == set()
    kinds = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in names()}
    assert kinds - {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in asked} == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_how_bad_it_is_and_which_page_to_open(rule) -> None:
    assert rule["labels"]["severity"] in {"page", "warn"}
    assert rule["annotations"]["summary"]
    assert (ROOT / rule["annotations"]["runbook"]).is_file()
    assert rule["alert"] in (ROOT / "docs/operate/metrics.md").read_text()


def test_every_number_is_explained_to_operators() -> None:
    page = (ROOT / "docs/operate/metrics.md").read_text()

    told = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in names()}
    assert [name for name in sorted(told) if f"`{name}" not in page] == []


def test_an_event_tells_of_the_sign_in_and_of_the_reset_that_it_belongs_to() -> None:
    counts = Counts(list)

    counts.audited(Event.TEMPORARY_OPENED, {"channel": "letter"}, "")
    counts.audited(Event.TEMPORARY_LOCKED, {"cause": "wrong_temporary"}, "")
    counts.audited(Event.MESSAGE_DEAD, {"kind": "address_code", "channel": "mail"}, "")

    assert counted(counts, "idp_sign_ins_total") == {
        ("must_choose_password", "none"): 1,
        ("refused", "wrong_temporary"): 1,
    }
    assert counted(counts, "idp_resets_total") == {("opened", "letter"): 1, ("locked", "none"): 1}
    assert counted(counts, "idp_messages_total") == {("address_code", "mail", "dead"): 1}


def test_what_a_stranger_invents_is_no_label() -> None:
    counts = Counts(lambda: ["mesures"])

    for client_id in ("mesures", "x" * 9, "1234567"):
        counts.refused("oidc.token", "invalid_client", "client_id", client_id)
        counts.audited(Event.LOGOUT_DEAD, {"kind": client_id, "channel": client_id}, client_id)
    counts.answered("unknown", "1234567", 404, 0.1)

    registered = {("mesures", "invalid_client"): 1, ("other", "invalid_client"): 2}
    assert counted(counts, "idp_client_refusals_total") == registered
    assert counted(counts, "idp_logout_notices_total") == {
        ("mesures", "dead"): 1,
        ("other", "dead"): 2,
    }
    assert counted(counts, "idp_requests_total") == {("unknown", "other", "404"): 1}


def test_a_new_worker_takes_the_slot_of_a_dead_one_and_never_that_of_a_living(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(slots.FOLDER, str(tmp_path))
    server = SimpleNamespace(WORKERS={})

    def born(pid: int) -> int:
        worker = SimpleNamespace()
        slots.pre_fork(server, worker)
        server.WORKERS[pid] = worker
        slot: int = worker.metrics_slot
        return slot

    assert [born(11), born(12), born(13)] == [0, 1, 2]
    for name in ("counter_1.db", "gauge_livesum_1.db", "gauge_livesum_2.db"):
        (tmp_path / name).touch()
    slots.child_exit(server, server.WORKERS.pop(12))
    assert {path.name for path in tmp_path.iterdir()} == {"counter_1.db", "gauge_livesum_2.db"}
    assert [born(14), born(15)] == [1, 3]


def serve() -> int:
    """Serve numbers; give the port."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        number: int = found.getsockname()[1]
    port.serve(f"127.0.0.1:{number}", lambda: [CollectorRegistry()])
    return number


def ask(number: int) -> bytes:
    """What a caller is told; nothing where it is hung up on."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", number), timeout=5) as caller:
        caller.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        return caller.makefile("rb").readline()
    return b""


def test_callers_who_say_nothing_hold_no_more_than_so_many_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(port, "MOST_CALLERS", 3)
    monkeypatch.setattr(port._Handler, "timeout", 60.0)
    served = serve()
    eventually(lambda: b" 200 " in ask(served))
    before = threading.active_count()

    with ExitStack() as held:
        for _ in range(6):
            held.enter_context(socket.create_connection(("127.0.0.1", served), timeout=5))
        eventually(lambda: ask(served) == b"")
        # A caller's place is given back a moment before its thread has ended.
        eventually(lambda: threading.active_count() <= before + 3)

    eventually(lambda: b" 200 " in ask(served))


def test_an_address_that_is_not_of_this_machine_is_told_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port, "TRY_AGAIN_SECONDS", 0.01)

    port.serve("192.0.2.1:9464", list)

    eventually(lambda: "192.0.2.1:9464 cannot be bound" in caplog.text)
    time.sleep(0.05)
    assert caplog.text.count("cannot be bound") == 1
