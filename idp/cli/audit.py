"""``idp audit``: why a request was refused, by the id that its answer shows; the log's proof."""

import json
import re
from dataclasses import asdict
from datetime import UTC

import click

from idp import IdpError
from idp.cli import parts
from idp.cli.audit_proof import export
from idp.cli.audit_proof import head
from idp.cli.audit_proof import verify
from idp.infra.refusals import KEPT_FOR
from idp.infra.refusals import MOST
from idp.oidc.refusals import Refusal
from idp.oidc.refusals import Standing

_ID = re.compile(r"[0-9a-f]{16}")
_STANDINGS = {
    Standing.PROVED: "which proved itself",
    Standing.NAMED: "as the request names itself: nothing is proved",
    Standing.ANSWERED: "as the request names itself; the request was good",
}


class UnknownRefusal(IdpError):
    """Nothing is kept under this id."""

    code = "unknown_refusal"


@click.group()
def audit() -> None:
    """What was refused to services, and the audit log: verify, export, head."""


for command in (verify, export, head):
    audit.add_command(command)


@audit.command()
@click.argument("refusal_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for a program.")
def why(refusal_id: str, as_json: bool) -> None:
    """Tell which check refused a request, what it expected and what came.

    ID is the incident of an error page or of an error_description, or X-Request-Id of the answer.
    """
    wanted = refusal_id.strip().lower()
    if not _ID.fullmatch(wanted):
        raise UnknownRefusal(
            f"{refusal_id!r} is no id: it has 16 digits and letters from a to f, as an error page,"
            " an error_description and the header X-Request-Id show it"
        )
    found = parts().refusals.find(wanted)
    if found is None:
        raise UnknownRefusal(
            f"nothing is kept under {wanted}: a refusal is kept for {KEPT_FOR.days} days, and of"
            f" each service the newest {MOST}, fewer of a network that has many; a request that"
            " was answered well leaves nothing. The log line with this request_id may still name"
            " the check"
        )
    if as_json:
        print(json.dumps({**asdict(found), "at": found.at.isoformat()}, indent=2))
        return
    for name, value in _told(found):
        print(f"{name:<10}{value}")


def _told(found: Refusal) -> list[tuple[str, str]]:
    client = found.client_id or "none: the request names no registered one"
    if found.client_id:
        client = f"{client}, {_STANDINGS[found.standing]}"
    answer = ": ".join(part for part in (found.error, found.description) if part)
    return [
        ("request", f"{found.request}, {found.at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"),
        ("service", client),
        ("network", found.network),
        ("answer", answer or "no error code"),
        ("check", found.check),
        ("expected", found.expected),
        ("found", found.found or "nothing"),
    ]
