"""``idp keys``: announce a signing key, see what each one does, erase those that serve no more.

Key files need no database: where SQL is away, the act is done all the same and only its audit event
is missing, which is said on stderr.
"""

import re
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import click
from sqlalchemy.exc import SQLAlchemyError

from idp import IdpError
from idp import StoreUnavailable
from idp.audit import Actor
from idp.audit import Event
from idp.cli import parts
from idp.infra.key_files import BrokenKeyFile
from idp.infra.key_files import KeyFiles
from idp.oidc.clients import SIGNING_ALGS
from idp.oidc.keys import KeyRing
from idp.oidc.keys import NoSigningKey
from idp.oidc.keys import SigningKey
from idp.parts import Parts

ANNOUNCED = timedelta(hours=24)
_SPAN = re.compile(r"\+([0-9]{1,5})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class WrongSignFrom(IdpError):
    """A key cannot begin to sign at that instant; the text says why and what to give."""

    code = "wrong_sign_from"


@click.group()
def keys() -> None:
    """Signing keys. A key is a file; its state is its time, and nothing needs a restart."""


@keys.command()
@click.option("--alg", type=click.Choice(SIGNING_ALGS), required=True)
@click.option(
    "--sign-from",
    metavar="+24h|now|INSTANT",
    help="When it begins to sign (default: +24h, or now for the first key of its algorithm).",
)
@click.option(
    "--emergency",
    is_flag=True,
    help="Let it sign before services can have seen it: for a key that has leaked.",
)
@click.pass_obj
def add(operator: str, alg: str, sign_from: str | None, emergency: bool) -> None:
    """Draw a key. It is published at once and signs later, so that services see it first."""
    built = parts()
    now = built.now()
    ring = built.key_files.ring()
    first = not _signs(ring, alg, now)
    instant = _instant(sign_from or ("now" if first else "+24h"), now)
    _check_announced(instant, now, built.settings.jwks_max_age, first=first or emergency)
    path = built.key_files.add(alg, instant)
    key = next(key for key in built.key_files.ring() if built.key_files.path_of(key) == path)
    print(f"{path}\nkid {key.kid}, published now, signs from {_shown(key.signs_from)}")
    if emergency:
        print(
            "Now erase the file of the key that leaked: services trust it as long as it is there."
        )
    _audit(built, Event.KEY_ADDED, operator, _facts(key))


@keys.command("list")
def list_() -> None:
    """List every key with its times and what it does now, then each file that is none; exit 1."""
    built = parts()
    now = built.now()
    files = built.key_files
    ring, faults = files.usable()
    if not len(ring) and not faults:
        print(f"{files.folder} holds no key yet; run `idp keys add --alg ES256`")
    for key in ring:
        ends, leaves = ring.signs_until(key), ring.published_until(key)
        print(f"{key.kid} {key.alg}: {_state(files, ring, key, now)}")
        print(f"    published {_shown(files.published_since(key))} until {_shown(leaves)}")
        print(f"    signs     {_shown(key.signs_from)} until {_shown(ends)}")
    if faults:
        raise BrokenKeyFile("\n".join(faults))


@keys.command()
@click.option("--dry-run", is_flag=True, help="Only say which files would be erased.")
@click.pass_obj
def prune(operator: str, dry_run: bool) -> None:
    """Erase the files of keys that serve nothing any more, sign-out hints included."""
    built = parts()
    now = built.now()
    by_path = {built.key_files.path_of(key): key for key in built.key_files.ring()}
    spent = built.key_files.prunable(now) if dry_run else built.key_files.prune(now)
    for path in spent:
        print(f"{'would erase' if dry_run else 'erased'} {path}")
        if path in by_path and not dry_run:
            _audit(built, Event.KEY_REMOVED, operator, _facts(by_path[path]))
    if not spent:
        print("nothing to erase: every key still signs, is published or may come back as a hint")


def _signs(ring: KeyRing, alg: str, now: datetime) -> bool:
    try:
        ring.signing_key(alg, now=now)
    except NoSigningKey:
        return False
    return True


def _instant(typed: str, now: datetime) -> datetime:
    if typed == "now":
        return now
    span = _SPAN.fullmatch(typed)
    if span:
        return now + timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        instant = datetime.fromisoformat(typed)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        message = (
            f"--sign-from {typed!r}: expected now, +24h (s, m, h, d), or an instant with its zone"
            " as 2026-12-01T00:00Z"
        )
        raise WrongSignFrom(message)
    if instant < now:
        message = f"--sign-from {typed}: it has passed, and no key signs in the past"
        raise WrongSignFrom(message)
    return instant.astimezone(UTC)


def _check_announced(instant: datetime, now: datetime, cached: timedelta, *, first: bool) -> None:
    if not first and instant - now < cached:
        message = (
            f"services keep our key list for {cached}: a key that signs at {_shown(instant)} would"
            f" sign tokens they cannot verify yet. Give +24h, or at least {_shown(now + cached)};"
            " for a key that has leaked, --emergency"
        )
        raise WrongSignFrom(message)


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
        return f"not published, kept until {_shown(kept)} for sign-out hints"
    return "serves nothing any more: `idp keys prune` erases it"


def _shown(instant: datetime | None) -> str:
    if instant is None:
        return "a successor comes"
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _facts(key: SigningKey) -> Mapping[str, str]:
    return {"kid": key.kid, "alg": key.alg, "signs_from": key.signs_from.isoformat()}


def _audit(built: Parts, event: Event, operator: str, detail: Mapping[str, str]) -> None:
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
