"""``idp outbox``: what was promised by mail and letter, and a second chance for what is dead.

A row tells no address and no name: it names its account by the identifier of the audit log.
"""

import json
from datetime import UTC
from datetime import datetime

import click

from idp import IdpError
from idp.audit import Actor
from idp.audit import Event
from idp.cli import migrated_parts
from idp.identity.delivery import told_of
from idp.identity.outbox import Promise
from idp.identity.temporary_password import REQUEST_LIFETIME
from idp.infra.outbox import SqlOutbox
from idp.parts import Parts
from idp.promise import UNFINISHED
from idp.promise import PromiseState


class NothingToRetry(IdpError):
    """The row is not there, not dead, or too old; the text says what can be."""

    code = "nothing_to_retry"


@click.group()
def outbox() -> None:
    """What was promised by mail and letter. Rows are sent by `idp worker` and `idp letters`."""


@outbox.command("list")
@click.option(
    "--state",
    type=click.Choice([str(state) for state in PromiseState]),
    help="Rows of this state alone (default: waiting, held and dead).",
)
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for a program.")
def list_(state: str | None, limit: int, as_json: bool) -> None:
    """List rows, the oldest first."""
    built = migrated_parts()
    states = (PromiseState(state),) if state else UNFINISHED
    with built.flask.app_context(), built.database.transaction():
        rows = _desk(built).rows(states=states, limit=limit + 1)
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
    """Let a dead row wait again: it is sent at once, with a secret drawn anew."""
    if (promise_id is None) != every:
        raise click.UsageError("give one ID, or --all")
    built = migrated_parts()
    desk = _desk(built)
    with built.flask.app_context(), built.database.transaction():
        if promise_id is None:
            revived = desk.retry_all()
        else:
            found = desk.retry(promise_id)
            revived = [found] if found else []
        for row in revived:
            built.audit.record(
                Event.MESSAGE_RETRIED,
                account_id=row.account_id,
                actor=Actor(operator=operator),
                detail=told_of(row),
            )
    if promise_id is not None and not revived:
        raise NothingToRetry(
            f"row {promise_id}: only a dead one that was promised less than "
            f"{REQUEST_LIFETIME.days} days ago can be retried; see idp outbox list --state dead"
        )
    for row in revived:
        print(f"row {row.id} waits again: {row.kind} by {row.channel}")
    if not revived:
        print("no row is dead")


def _desk(built: Parts) -> SqlOutbox:
    return SqlOutbox(built.database, built.now)


def _line(row: Promise, now: datetime) -> str:
    told = [
        f"{row.id}  {row.state}  {row.kind} by {row.channel}",
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
    if row.batch:
        told.append(f"batch {row.batch}")
    return ", ".join(told)


def _facts(row: Promise) -> dict[str, str | int | None]:
    return {
        "id": row.id,
        "state": row.state,
        "kind": row.kind,
        "channel": row.channel,
        "account_id": row.account_id,
        "promised_at": row.created_at.isoformat(),
        "due_at": row.due_at.isoformat(),
        "tries": row.tries,
        "fault": row.fault,
        "batch": row.batch,
        "ended_at": row.done_at.isoformat() if row.done_at else None,
    }


def _shown(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
