"""``idp keys``: rotate the signing keys, see what each one does, end one that leaked.

Key files need no database: where SQL is away, the act is done all the same and only its audit event
is missing, which is said on stderr.
"""

import re
from contextlib import nullcontext
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import click

from idp import IdpError
from idp.audit import Event
from idp.cli import parts
from idp.cli.key_calendar import audit
from idp.cli.key_calendar import calendar
from idp.cli.key_calendar import facts
from idp.cli.key_calendar import shown
from idp.cli.key_drill import drill
from idp.cli.key_revocation import revoke
from idp.cli.key_rewrap import rewrap
from idp.infra.key_names import BrokenKeyFile
from idp.oidc.clients import SIGNING_ALGS
from idp.oidc.keys import KeyRing
from idp.oidc.keys import NoSigningKey
from idp.oidc.rotation import due
from idp.oidc.rotation import next_due_at
from idp.parts import Parts

_SPAN = re.compile(r"\+([0-9]{1,5})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class WrongSignFrom(IdpError):
    """A key cannot begin to sign at that instant; the text says why and what to give."""

    code = "wrong_sign_from"


@click.group()
def keys() -> None:
    """Signing keys. A key is a file; its state is its time, and nothing needs a restart."""


keys.add_command(drill)
keys.add_command(revoke)
keys.add_command(rewrap)


@keys.command()
@click.option("--alg", type=click.Choice(SIGNING_ALGS), required=True)
@click.option(
    "--sign-from",
    metavar="+24h|now|INSTANT",
    help="When it begins to sign (default: +24h, or now for the first key of its algorithm).",
)
@click.pass_obj
def add(operator: str, alg: str, sign_from: str | None) -> None:
    """Draw a key. It is published at once and signs later, so that services see it first."""
    built = parts()
    now = built.now()
    ring = built.key_files.ring()
    first = not _signs(ring, alg, now)
    instant = _instant(sign_from or ("now" if first else "+24h"), now)
    _check_announced(instant, now, built.rotation_policy.least_announced, first=first)
    _check_near(instant, now, built.rotation_policy.lifetime)
    with built.key_files.turn():  # or a change of the passphrase would forget what opens it
        path = built.key_files.add(alg, instant)
    key = next(key for key in built.key_files.ring() if built.key_files.path_of(key) == path)
    print(f"{path}\nkid {key.kid}, published now, signs from {shown(key.signs_from)}")
    audit(built, Event.KEY_ADDED, operator, facts(key))


@keys.command("list")
def list_() -> None:
    """List every key with its times and what it does now, then each file that is none; exit 1."""
    built = parts()
    now = built.now()
    files = built.key_files
    ring, faults = files.usable()
    if not len(ring) and not faults:
        print(f"{files.folder} holds no key yet; run `idp keys rotate`")
    for line in calendar(files, ring, now):
        print(line)
    if faults:
        raise BrokenKeyFile("\n".join(faults))


@keys.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be done, and the calendar.")
@click.pass_obj
def rotate(operator: str, dry_run: bool) -> None:
    """Draw the keys that are due and erase those that serve no more; a timer may run it daily."""
    built = parts()
    files, policy, now = built.key_files, built.rotation_policy, built.now()
    with nullcontext(files.ring()) if dry_run else files.alone() as ring:
        wanted = due(ring, policy, now)
        for key in wanted:
            if dry_run:
                print(f"would draw a key: {key.alg}, published now, signs {shown(key.signs_from)}")
                continue
            path = files.add(key.alg, key.signs_from)
            drawn = next(one for one in files.ring() if files.path_of(one) == path)
            print(f"drew {drawn.kid}: {drawn.alg}, signs from {shown(drawn.signs_from)}")
            audit(built, Event.KEY_ADDED, operator, facts(drawn))
        erased = len(ring) > 0 and _prune(built, operator, now, dry_run=dry_run)
        ring = files.ring()
        if not wanted and not erased:
            print(f"nothing is due before {shown(next_due_at(ring, policy, now))}")
        for line in calendar(files, ring, now):
            print(line)


@keys.command()
@click.option("--dry-run", is_flag=True, help="Only say which files would be erased.")
@click.pass_obj
def prune(operator: str, dry_run: bool) -> None:
    """Erase the files of keys that serve nothing any more, sign-out hints included."""
    built = parts()
    if not _prune(built, operator, built.now(), dry_run=dry_run):
        print("nothing to erase: every key still signs, is published or may come back as a hint")


def _prune(built: Parts, operator: str, now: datetime, *, dry_run: bool) -> bool:
    """Erase what serves nothing any more, and say so; False when there is nothing."""
    files = built.key_files
    by_path = {files.path_of(key): key for key in files.ring()}
    spent = files.prunable(now) if dry_run else files.prune(now)
    for path in spent:
        print(f"{'would erase' if dry_run else 'erased'} {path}")
        if path in by_path and not dry_run:
            audit(built, Event.KEY_REMOVED, operator, facts(by_path[path]))
    return bool(spent)


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


def _check_announced(instant: datetime, now: datetime, least: timedelta, *, first: bool) -> None:
    if not first and instant - now < least:
        message = (
            f"services keep our key list for up to {least}: a key that signs at {shown(instant)}"
            f" would sign tokens they cannot verify yet. Give +24h, or at least"
            f" {shown(now + least)}; for a key that has leaked, `idp keys revoke`"
        )
        raise WrongSignFrom(message)


def _check_near(instant: datetime, now: datetime, lifetime: timedelta) -> None:
    """Refuse what no rotation would ever ask: until then it would draw nothing, and say nothing."""
    if instant - now > lifetime:
        message = (
            f"until {shown(instant)} the key of today would go on signing, longer than"
            f" IDP_KEY_LIFETIME. Give an instant before {shown(now + lifetime)}"
        )
        raise WrongSignFrom(message)
