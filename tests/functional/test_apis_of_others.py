"""A machine and an API written with libraries that nobody here wrote, over the wire."""

import json
import shutil
import subprocess
from pathlib import Path

from tests.functional.test_apis import API
from tests.functional.test_apis import MACHINE
from tests.functional.test_apis import add_api
from tests.instance import Service
from tests.running import ROOT
from tests.running import Running

PROGRAM = ROOT / "examples" / "api" / "machine.mjs"


def credentials(service: Service) -> dict[str, str]:
    return {"client_id": service.client.client_id, "client_secret": str(service.secret)}


def test_openid_client_asks_for_a_machine_and_an_api_verifies_introspects_and_sees_it_end(
    running: Running, tmp_path: Path
) -> None:
    api = add_api(running.instance, "api-node")
    machine = running.add_service("machine-node", **MACHINE)
    given = tmp_path / "given.json"
    given.write_text(
        json.dumps(
            {
                "issuer": running.issuer,
                "machine": credentials(machine),
                "api": credentials(api),
                "resource": API,
                "scope": "paiements:lire",
            }
        ),
        encoding="utf-8",
    )

    node = shutil.which("node")
    assert node, "node is not installed: apt-get install nodejs npm"
    ran = subprocess.run(
        [node, str(PROGRAM), str(given)], capture_output=True, text=True, timeout=60, check=False
    )

    assert ran.returncode == 0, ran.stderr
    seen = json.loads(ran.stdout)
    assert seen["scope"] == "paiements:lire"
    assert (seen["payload"]["sub"], seen["payload"]["aud"]) == ("machine-node", API)
    assert seen["before"].items() >= {"active": True, "scope": "paiements:lire"}.items()
    assert seen["after"] == {"active": False}
