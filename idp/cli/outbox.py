"""``idp outbox``: what was promised by mail, by letter and to services, and a second chance.

A row tells no address and no name: it names its account by the identifier of the audit log.
"""

import json
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import click

from idp import IdpError
from idp.audit import Actor
from idp.audit import Event
from idp.cli import migrated_parts
from idp.identity.delivery import told_of
from idp.identity.outbox import Promise
from idp.identity.temporary_password import REQUEST_LIFETIME
from idp.oidc import backchannel_logout
from idp.oidc.backchannel_logout import NOTICE_LIFETIME
from idp.oidc.backchannel_logout import LogoutNotice
from idp.parts import Parts
from idp.promise import UNFINISHED
from idp.promise import PromiseState

Row = Promise | LogoutNotice


class NothingToRetry(IdpError):
    """The row is not there, not dead, or too old; the text says what can be."""

    code = "nothing_to_retry"


@click.group()
def outbox() -> None:
    """What was promised by mail, by letter, and to services that hear of sign-outs.

    Rows are sent by `idp worker` and `idp letters`.
    """


@outbox.command("list")
@click.option(
    "--state",
    type=click.Choice([str(state) for state in PromiseState]),
    help="Rows of this state alone (default: waiting, held and dead).",
)
@click.option("--service", metavar="CLIENT_ID", help="Sign-out notices of this service alone.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for a program.")
def list_(state: str | None, service: str | None, limit: int, as_json: bool) -> None:
    """List rows, the oldest first."""
    built = migrated_parts()
    states = (PromiseState(state),) if state else UNFINISHED
    with built.flask.app_context(), built.database.transaction():
        notices = built.logout_notices.rows(states=states, client_id=service or "", limit=limit + 1)
        rows: list[Row] = [*notices]
        if service is None:
            rows += built.outbox.rows(states=states, limit=limit + 1)
    rows.sort(key=lambda row: row.id)
    listed, more = rows[:limit], len(rows) > limit
    if as_json:
        print(json.dumps([_facts(row) for row in listed], indent=2))
    else:
        now = built.now()
        for row in listed:
            print(_line(row, now))
        if not listed:
            print(f"no row is {state or 'waiting, held or dead'}")
    if more:
        click.echo(f"there are more: these are the {limit} oldest (--limit)", err=True)


@outbox.command()
@click.argument("promise_id", metavar="ID", type=click.IntRange(min=1), required=False)
@click.option("--all", "every", is_flag=True, help="Every dead row that is not too old.")
@click.pass_obj
def retry(operator: str, promise_id: int | None, every: bool) -> None:
    """Let a dead row wait again: it is sent at once, with a secret or a token made anew."""
    if (promise_id is None) != every:
        raise click.UsageError("give one ID, or --all")
    built = migrated_parts()
    with built.flask.app_context(), built.database.transaction():
        revived = _revived(built, promise_id)
        for row in revived:
            _record(built, row, Actor(operator=operator))
    if promise_id is not None and not revived:
        raise NothingToRetry(
            f"row {promise_id}: only a dead one that was promised less than "
            f"{REQUEST_LIFETIME.days} days ago ({_hours(NOTICE_LIFETIME)} hours to a service) "
            "can be retried; see idp outbox list --state dead"
        )
    for row in revived:
        print(f"row {row.id} waits again: {_what(row)}")
    if not revived:
        print("no row is dead")


def _revived(built: Parts, row_id: int | None) -> list[Row]:
    if row_id is None:
        return [*built.outbox.retry_all(), *built.logout_notices.retry_all()]
    found: list[Row | None] = [built.outbox.retry(row_id), built.logout_notices.retry(row_id)]
    return [row for row in found if row is not None]


def _record(built: Parts, row: Row, actor: Actor) -> None:
    if isinstance(row, LogoutNotice):
        built.audit.record(
            Event.LOGOUT_RETRIED,
            account_id=row.account_id,
            client_id=row.client_id,
            actor=actor,
            detail=backchannel_logout.told_of(row),
        )
    else:
        built.audit.record(
            Event.MESSAGE_RETRIED, account_id=row.account_id, actor=actor, detail=told_of(row)
        )


def _what(row: Row) -> str:
    if isinstance(row, LogoutNotice):
        return f"logout to {row.client_id}"
    return f"{row.kind} by {row.channel}"


def _hours(span: timedelta) -> int:
    return span // timedelta(hours=1)


def _line(row: Row, now: datetime) -> str:
    told = [
        f"{row.id}  {row.state}  {_what(row)}",
        f"promised {_shown(row.created_at)}",
        f"account {row.account_id}" if row.account_id else "decoy",
    ]
    if row.tries:
        told.append(f"{row.tries} {'try' if row.tries == 1 else 'tries'}")
    if row.fault:
        told.append(row.fault)
    if row.lease_until is not None and row.lease_until > now:
        told.append(f"being sent, until {_shown(row.lease_until)}")
    elif row.state is PromiseState.WAITING and row.due_at > now:
        told.append(f"next try {_shown(row.due_at)}")
    if row.done_at is not None:
        told.append(f"ended {_shown(row.done_at)}")
    if isinstance(row, Promise) and row.batch:
        told.append(f"batch {row.batch}")
    return ", ".join(told)


def _facts(row: Row) -> dict[str, str | int | None]:
    facts: dict[str, str | int | None] = {
        "id": row.id,
        "state": row.state,
        "kind": "logout",
        "channel": "service",
        "account_id": row.account_id,
        "promised_at": row.created_at.isoformat(),
        "due_at": row.due_at.isoformat(),
        "tries": row.tries,
        "fault": row.fault,
        "ended_at": row.done_at.isoformat() if row.done_at else None,
    }
    if isinstance(row, LogoutNotice):
        return facts | {"client_id": row.client_id}
    return facts | {"kind": row.kind, "channel": row.channel, "batch": row.batch}


def _shown(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
