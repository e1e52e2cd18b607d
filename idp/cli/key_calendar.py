"""What ``idp keys`` shows of a key, and how its acts are audited."""

from collections.abc import Iterator
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime

import click
from sqlalchemy.exc import SQLAlchemyError

from idp import StoreUnavailable
from idp.audit import Actor
from idp.audit import Event
from idp.infra.key_files import KeyFiles
from idp.oidc.keys import KeyRing
from idp.oidc.keys import SigningKey
from idp.parts import Parts


def calendar(files: KeyFiles, ring: KeyRing, now: datetime) -> Iterator[str]:
    """Write what each key does now and when that changes."""
    for key in ring:
        ends, leaves = ring.signs_until(key), ring.published_until(key)
        yield f"{key.kid} {key.alg}: {_state(files, ring, key, now)}"
        yield f"    published {shown(files.published_since(key))} until {shown(leaves)}"
        yield f"    signs     {shown(key.signs_from)} until {shown(ends)}"


def _state(files: KeyFiles, ring: KeyRing, key: SigningKey, now: datetime) -> str:
    ends, leaves, kept = (
        ring.signs_until(key),
        ring.published_until(key),
        files.kept_until(key, ring),
    )
    if now < key.signs_from:
        return "announced: published, does not sign yet"
    if ends is None or now < ends:
        return "signs"
    if leaves is None or now < leaves:
        return "signs no more, published until its last token has expired"
    if kept is None or now < kept:
        return f"not published, kept until {shown(kept)} for sign-out hints"
    return "serves nothing any more: `idp keys prune` erases it"


def shown(instant: datetime | None) -> str:
    """Write an instant; None is one that nobody knows yet."""
    if instant is None:
        return "a successor comes"
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def facts(key: SigningKey) -> Mapping[str, str]:
    """What the audit log keeps of a key."""
    return {"kid": key.kid, "alg": key.alg, "signs_from": key.signs_from.isoformat()}


def audit(built: Parts, event: Event, operator: str, detail: Mapping[str, str]) -> None:
    """Record an act, or say that it could not be: key files need no database."""
    try:
        with built.flask.app_context(), built.database.transaction():
            built.audit.record(event, actor=Actor(operator=operator), detail=detail)
    except (StoreUnavailable, SQLAlchemyError) as error:
        # The store's own message may hold its address; its kind is enough here.
        click.echo(
            f"done, but not audited: SQL did not take the event ({type(error).__name__});"
            f" note it by hand: {event} {detail['kid']} by {operator}",
            err=True,
        )
