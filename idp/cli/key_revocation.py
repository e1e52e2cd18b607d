"""``idp keys revoke``: end a key that leaked, everywhere and for ever, and say what to do next."""

import re
from collections.abc import Iterator
from datetime import datetime

import click

from idp import IdpError
from idp import StoreUnavailable
from idp.audit import Event
from idp.cli import parts
from idp.cli.key_calendar import audit
from idp.cli.key_calendar import facts
from idp.cli.key_calendar import shown
from idp.identity.free_text import holds_what_no_log_may
from idp.oidc.clients import Client
from idp.oidc.keys import KeyRing
from idp.oidc.keys import NoSigningKey
from idp.oidc.keys import RevokedKey
from idp.oidc.keys import SigningKey
from idp.oidc.rotation import due
from idp.parts import Parts
from idp.wiring.protocol import build_key_compromise

_DASHED_KID = re.compile(r"-[A-Za-z0-9_-]{42}")


class UnknownKey(IdpError):
    """No key of the folder has this kid; the text says what to do."""

    code = "unknown_key"


class _OfKid(click.Command):
    """Takes a kid for a kid: one in 64 begins with a dash, as options do."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        dashed = [word for word in args if _DASHED_KID.fullmatch(word)]
        others = [word for word in args if word not in dashed]
        return super().parse_args(ctx, [*others, "--", *dashed] if dashed else others)


@click.command(cls=_OfKid)
@click.argument("kid")
@click.option("--reason", required=True, help="Why, for the audit log: no name, number or address.")
@click.option("--end-sessions", is_flag=True, help="Sign everybody out, too.")
@click.option("--keep-refresh", is_flag=True, help="Leave the refresh tokens of services alive.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def revoke(
    operator: str, kid: str, reason: str, end_sessions: bool, keep_refresh: bool, yes: bool
) -> None:
    """End the key KID: from now on it signs, is published and verifies nothing, on every host.

    The key that waits signs from now on; where none waits, one is drawn. Of a key that is revoked
    already, end what is left: a store may have been away.
    """
    built = parts()
    if not reason.isprintable() or holds_what_no_log_may(reason):
        message = "--reason: the audit log keeps no address and no number of 7 digits"
        raise click.ClickException(message)
    if not yes:
        click.confirm(f"Revoke {kid}? It cannot be undone.", abort=True)
    now = built.now()
    with built.key_files.turn():
        before, faults = built.key_files.usable()
        if left := before.revoked.get(kid):
            _again(built, before, left, sessions=end_sessions, refresh=not keep_refresh)
            return
        key = _wanted(before, kid)
        built.key_files.revoke(key, at=now, note=f"revoked by {operator}: {reason}")
        print(f"revoked {kid}: within a second it signs, is published and verifies nothing")
        audit(built, Event.KEY_REVOKED, operator, {**facts(key), "reason": reason})
        _go_on(built, key, operator, now)
    for fault in faults:
        click.echo(f"Warning: {fault}", err=True)
    has_signed = before.begins(key) <= now
    if has_signed:
        span = (key.alg, before.begins(key), before.signs_until(key) or now)
        _end(built, *span, sessions=end_sessions, refresh=not keep_refresh)
    for line in _letter(built, key, now, has_signed=has_signed):
        print(line)


def _wanted(ring: KeyRing, kid: str) -> SigningKey:
    for key in ring:
        if key.kid == kid:
            return key
    message = f"no key {kid} here; see `idp keys list`"
    raise UnknownKey(message)


def _again(built: Parts, ring: KeyRing, left: RevokedKey, *, sessions: bool, refresh: bool) -> None:
    print(f"{left.kid} was revoked {shown(left.revoked_at)}; what is left of it ends now")
    if since := ring.signed_since(left):
        span = (left.alg, since, left.revoked_at)
        _end(built, *span, sessions=sessions, refresh=refresh)


def _go_on(built: Parts, gone: SigningKey, operator: str, now: datetime) -> None:
    """Make sure that a key signs, and that another one waits."""
    files = built.key_files
    ring, _ = files.usable()
    try:
        signing = ring.signing_key(gone.alg, now=now)
    except NoSigningKey:
        files.add(gone.alg, now)
        ring, _ = files.usable()
        signing = ring.signing_key(gone.alg, now=now)
        audit(built, Event.KEY_ADDED, operator, facts(signing))
        print(f"drew {signing.kid}: {gone.alg}, signs now, though no service has seen it")
    else:
        since = shown(files.published_since(signing))
        print(f"{signing.kid} signs {gone.alg} now; it has been published since {since}")
    for wanted in due(ring, built.rotation_policy, now):
        if wanted.alg != gone.alg:
            continue
        path = files.add(wanted.alg, wanted.signs_from)
        ring, _ = files.usable()
        drawn = next(key for key in ring if files.path_of(key) == path)
        audit(built, Event.KEY_ADDED, operator, facts(drawn))
        print(f"drew {drawn.kid}: {drawn.alg}, signs from {shown(drawn.signs_from)}")


def _end(
    built: Parts, alg: str, since: datetime, until: datetime, *, sessions: bool, refresh: bool
) -> None:
    """End what hangs on a key that signed in that time; stores that are away cost this alone."""
    try:
        compromise = build_key_compromise(built)
        with built.flask.app_context():
            if refresh:
                clients = _served_by(alg, built)
                ended = compromise.end_refresh(clients, since=since, until=until)
                print(f"ended {ended} refresh tokens that services got in its time")
            if sessions:
                print(f"ended {compromise.end_sessions()} sessions: everybody signs in again")
    except StoreUnavailable as away:
        click.echo(
            f"Not ended: {away}. The key stays revoked; when the store is back, repeat this command"
            " for what is left",
            err=True,
        )


def _letter(built: Parts, key: SigningKey, now: datetime, *, has_signed: bool) -> Iterator[str]:
    """Write what services must be told, and who they are."""
    yield ""
    yield "Tell the services below:"
    yield f"    The signing key {key.kid} ({key.alg}) of {built.settings.issuer} is revoked since"
    yield f"    {shown(now)}. Fetch {built.settings.issuer}/jwks again now, or restart what keeps"
    yield f"    it: copies that follow our headers end {shown(now + built.settings.jwks_max_age)}."
    if has_signed:
        yield f"    Refuse every token with this kid. It signed since {shown(key.signs_from)}; look"
        yield "    for sign-ins that you cannot find here: anybody may have made them up."
    else:
        yield "    It had signed nothing yet: whatever bears this kid is forged."
    try:
        clients = _served_by(key.alg, built)
    except StoreUnavailable as away:
        yield f"(which services these are is not known now: {away}; see `idp clients list`)"
        return
    yield from (_line(client) for client in clients) if clients else ("(no service verifies it)",)


def _served_by(alg: str, built: Parts) -> list[Client]:
    return [client for client in built.clients.list() if client.verifies(alg)]


def _line(client: Client) -> str:
    contacts = ", ".join(client.contacts) or "no contact is registered"
    return f"- {client.client_id} {client.client_name!r}: {contacts}"
