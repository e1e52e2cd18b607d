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
    """Write what each key does now and when that changes; then those that were revoked."""
    for key in ring:
        yield f"{key.kid} {key.alg}: {_state(ring, key, now)}"
        yield f"    published {shown(files.published_since(key))}"
        yield f"    signs     {shown(ring.begins(key))}"
        yield f"    retires   {shown(ring.signs_until(key), _SUCCESSOR)}"
        yield f"    unlisted  {shown(ring.published_until(key), _TOKEN)}"
        yield f"    removed   {shown(ring.kept_until(key), _HINT)}"
    for left in ring.revoked.values():
        yield f"{left.kid} {left.alg}: revoked {shown(left.revoked_at)}, for ever"


_SUCCESSOR = "when a successor begins to sign"
_TOKEN = "when the last token it signed has expired"  # noqa: S105 - words
_HINT = "when no sign-out hint can come back any more"


def _state(ring: KeyRing, key: SigningKey, now: datetime) -> str:
    ends, leaves, kept = ring.signs_until(key), ring.published_until(key), ring.kept_until(key)
    if now < ring.begins(key):
        return "announced: published, does not sign yet"
    if ends is None or now < ends:
        return "signs"
    if leaves is None or now < leaves:
        return "signs no more, published until its last token has expired"
    if kept is None or now < kept:
        return "not published, kept for sign-out hints"
    return "serves nothing any more: `idp keys prune` erases it"


def shown(instant: datetime | None, unknown: str = "") -> str:
    """Write an instant; ``unknown`` is said of one that nobody knows yet."""
    if instant is None:
        return unknown
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def facts(key: SigningKey) -> Mapping[str, str]:
    """What the audit log keeps of a key."""
    return {"kid": key.kid, "alg": key.alg, "signs_from": key.signs_from.isoformat()}


def audit(built: Parts, event: Event, operator: str, detail: Mapping[str, str | int]) -> None:
    """Record an act, or say that it could not be: key files need no database."""
    try:
        with built.flask.app_context(), built.database.transaction():
            built.audit.record(event, actor=Actor(operator=operator), detail=detail)
    except (StoreUnavailable, SQLAlchemyError) as error:
        # The store's own message may hold its address; its kind is enough here.
        click.echo(
            f"done, but not audited: SQL did not take the event ({type(error).__name__});"
            f" note it by hand: {event} {detail.get('kid', '')} by {operator}",
            err=True,
        )
