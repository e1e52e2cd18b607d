"""Redis away while somebody is at FranceConnect: told at each step, and no code is used in vain."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.valkey import FORGETFUL
from demo.valkey import ValkeyServer
from tests.franceconnect import FranceConnect
from tests.franceconnect_journey import CAMILLE
from tests.franceconnect_journey import MONIQUE
from tests.franceconnect_journey import MONIQUE_SURVIVOR
from tests.franceconnect_journey import Scene
from tests.instance import CALLBACK
from tests.instance import Clock
from tests.instance import Instance
from tests.instance import text_of


@pytest.fixture
def valkey(servers_folder: Path) -> Iterator[ValkeyServer]:
    folder = servers_folder / "valkey-franceconnect"
    folder.mkdir(mode=0o700, exist_ok=True)
    server = ValkeyServer(folder, durability={**FORGETFUL, "appendonly": "yes"})
    server.start()
    server.wait()
    yield server
    server.stop()


@pytest.fixture
def scene(
    tmp_path: Path,
    sqlite_url: str,
    valkey: ValkeyServer,
    clock: Clock,
    franceconnect: FranceConnect,
) -> Scene:
    folder = tmp_path / "data"
    folder.mkdir()
    instance = Instance(
        folder,
        sql_url=sqlite_url,
        redis_url=valkey.url,
        clock=clock,
        signing_algs=("ES256",),
        **franceconnect.settings,
    )
    return Scene(instance, franceconnect)


def test_redis_away_at_each_step_says_so_and_a_callback_can_be_loaded_again(scene, valkey):
    for numero in (CAMILLE, MONIQUE, MONIQUE_SURVIVOR):
        scene.settle(numero)
    visitor, chooser = scene.visitor(), scene.visitor()
    chosen = chooser.come_as("monique-garnier").headers["Location"]
    callback = visitor.abroad.pick(visitor.leave())

    valkey.stop()
    told = [visitor.get("/franceconnect"), visitor.get(callback), chooser.get(chosen)]
    calls = scene.franceconnect.simulator.calls.count("token")
    valkey.start()
    valkey.wait()
    again = visitor.get(callback)

    for answer in told:
        assert answer.status_code == 503
        assert "indisponible" in text_of(answer)
    # The try was not taken: the code was sent nowhere, and is good as long as it lives.
    assert calls == 1
    assert again.headers["Location"].startswith(f"{CALLBACK}?code=")
    assert chooser.get(chosen).status_code == 200
