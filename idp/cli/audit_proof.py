"""``idp audit verify``, ``export`` and ``head``: the proof that the log is what was written."""

import json
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from datetime import UTC
from datetime import date
from datetime import datetime
from typing import IO

import click

from idp import IdpError
from idp.audit import Actor
from idp.audit import Event
from idp.audit_chain import canonical
from idp.audit_chain import written
from idp.audit_export import Wanted
from idp.audit_export import facts_of
from idp.audit_sealing import BadSignature
from idp.audit_sealing import Head
from idp.audit_sealing import HeadFacts
from idp.audit_walk import Verdict
from idp.audit_walk import Walk
from idp.cli import migrated_parts
from idp.oidc.audit_heads import SignedHeads
from idp.parts import Parts

_INSTANT = click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"])


class NoHead(IdpError):
    """There is no such head; the text says which, and when there will be one."""

    code = "no_head"


@click.command()
@click.option(
    "--since",
    type=click.DateTime(formats=["%Y-%m-%d"]),
    metavar="DAY",
    help="Begin behind the head of this day, and take what is before it for granted.",
)
@click.option(
    "--kept",
    type=click.File("r"),
    metavar="FILE",
    help="Heads kept elsewhere, as `idp audit head --json` printed them: the log must hold them.",
)
@click.option(
    "--trust",
    multiple=True,
    metavar="KID",
    help="A key that was ours and was erased before another head followed. Repeat.",
)
@click.option(
    "--record", is_flag=True, help="Write down that nothing was wrong; alerts look at it."
)
@click.pass_context
def verify(
    ctx: click.Context,
    since: datetime | None,
    kept: IO[str] | None,
    trust: tuple[str, ...],
    record: bool,
) -> None:
    """Find a row that was changed, removed or inserted; exit 1 when anything is wrong."""
    built = migrated_parts()
    keys = SignedHeads(built.settings.issuer, built.key_files, built.now, trusted=trust)
    with _moment(built):
        begin = None if since is None else _facts_at(built, keys, since.date())
        verdict = Walk(
            built.audit_seals,
            keys,
            now=built.now(),
            since=begin,
            kept=[] if kept is None else _read_kept(kept, keys),
        ).run()
    for line in told(verdict):
        print(line)
    if verdict.faults:
        ctx.exit(1)
    if record:
        with built.flask.app_context(), built.database.transaction():
            built.audit.record(Event.AUDIT_VERIFIED, actor=Actor(operator=ctx.obj))


@click.command()
@click.option("--from", "begin", type=_INSTANT, help="Events of this UTC day or instant, or later.")
@click.option("--to", "end", type=_INSTANT, help="Events before this UTC day or instant.")
@click.option("--account", "account_id", metavar="ID", help="Events of this account alone.")
@click.pass_obj
def export(
    operator: str, begin: datetime | None, end: datetime | None, account_id: str | None
) -> None:
    """Write events as JSON lines, with the seals and heads that prove them; audited."""
    from idp.audit_export import export as lines

    built = migrated_parts()
    wanted = Wanted(_utc(begin), _utc(end), account_id)
    asked = {
        name: written(instant)
        for name, instant in (("from", wanted.begin), ("to", wanted.end))
        if instant is not None
    }
    with built.flask.app_context(), built.database.transaction():
        built.audit.record(
            Event.AUDIT_EXPORTED,
            account_id=None if account_id is None else account_id[:22],
            actor=Actor(operator=operator),
            detail=asked,
        )
    with _moment(built):
        for line in lines(built.audit_seals, wanted):
            print(canonical(line).decode())


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON line, for `verify --kept`.")
def head(as_json: bool) -> None:
    """Print the newest signed head: kept elsewhere, it proves the log up to its day."""
    built = migrated_parts()
    with _moment(built):
        newest = built.audit_seals.newest_head()
    if newest is None:
        message = "no head was signed yet: the worker signs one after midnight (UTC)"
        raise NoHead(message)
    facts = built.audit_heads.read(newest).facts
    if as_json:
        print(canonical(facts_of(newest)).decode())
        return
    print(f"head {facts.number}: the audit log up to seal {facts.seal}, of {facts.day}")
    print(f"seal hash  {facts.seal_hash}")
    print(f"head hash  {newest.hash}")
    print(f"signed by  {newest.public_jwk.get('kid')}")


def told(verdict: Verdict) -> Iterator[str]:
    """A verdict in plain words."""
    for kind, what in verdict.faults.items():
        yield f"{kind}: {what}"
    if verdict.forgotten:
        yield f"the rows of seals up to {verdict.forgotten} are gone by age"
    if verdict.unsealed:
        yield f"rows not sealed yet, of which nothing can be said: {verdict.unsealed}"
    looked = f"{verdict.rows} rows, {verdict.seals} seals, {verdict.heads} heads"
    if verdict.faults:
        yield f"looked at {looked}: above is the first fault of each kind"
    else:
        yield f"looked at {looked}: nothing was changed, removed or inserted"


@contextmanager
def _moment(built: Parts) -> Iterator[None]:
    with built.flask.app_context(), built.database.transaction(unhurried=True):
        built.audit_seals.hold_still()
        yield


def _facts_at(built: Parts, keys: SignedHeads, day: date) -> HeadFacts:
    found = [head for head in built.audit_seals.heads() if head.day == day]
    if not found:
        message = f"no head was signed of {day}"
        raise NoHead(message)
    return keys.read(found[-1]).facts


def _read_kept(file: IO[str], keys: SignedHeads) -> Sequence[HeadFacts]:
    kept = []
    for number, line in enumerate(file, 1):
        try:
            facts = json.loads(line)
            read = Head(
                number=int(facts["head"]),
                day=date.fromisoformat(facts["day"]),
                seal=int(facts["seal"]),
                jws=str(facts["jws"]),
                public_jwk=dict(facts["public_jwk"]),
            )
            kept.append(keys.read(read).facts)
        except (ValueError, TypeError, KeyError):
            message = f"--kept, line {number}: not what `idp audit head --json` prints"
            raise NoHead(message) from None
        except BadSignature as error:
            message = f"--kept, line {number}: {error}"
            raise NoHead(message) from None
    return kept


def _utc(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.replace(tzinfo=UTC)
