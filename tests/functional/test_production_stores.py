"""The Redis of docker-compose.yml, with the options that stand there."""

import time
from pathlib import Path

import redis
import yaml

from demo.children import Child
from idp.infra.redis_health import store_faults
from tests.real_stores import find_program

ROOT = Path(__file__).parents[2]


def test_the_redis_of_compose_asks_for_its_password_and_loses_no_promise(servers_folder):
    folder = servers_folder / "compose"
    folder.mkdir()
    conf = folder / "redis.conf"
    conf.write_text("requirepass soleil\n")
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    program, _conf, *options = compose["services"]["redis"]["command"]
    options = [option.replace("${REDIS_MAXMEMORY:-512mb}", "512mb") for option in options]
    socket = folder / "redis.sock"
    server = Child(
        "Redis",
        [str(find_program(program, "redis-server")), str(conf), *options,
         "--port", "0", "--unixsocket", str(socket), "--dir", str(folder)],
        log=folder / "log",
    )  # fmt: skip
    try:
        end = time.monotonic() + 10
        while not socket.exists():
            assert time.monotonic() < end, server.said()
            time.sleep(0.02)
        with redis.Redis(unix_socket_path=str(socket), password="soleil") as client:
            faults = store_faults(client)
            most_memory = client.config_get("maxmemory")["maxmemory"]
    finally:
        server.end()

    assert faults == []
    assert int(most_memory) == 512 * 1024 * 1024
