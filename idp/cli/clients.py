"""``idp clients``: the relying services, described by RFC 7591 metadata in JSON."""

import json
from collections.abc import Mapping
from typing import BinaryIO

import click

from idp.audit import Actor
from idp.audit import Event
from idp.cli import migrated_parts
from idp.infra.clients import UnknownClient
from idp.infra.clients import new_client_secret
from idp.infra.drawings import LARGEST
from idp.oidc.clients import Client
from idp.oidc.metadata_reader import InvalidClientMetadata
from idp.oidc.metadata_reader import decode
from idp.oidc.registration import parse
from idp.oidc.registration import to_metadata
from idp.parts import Parts
from idp.promise import PromiseState

ES256_ADVICE = (
    'Advice: without "id_token_signed_response_alg", id_tokens are signed with RS256, the default'
    " of OpenID Connect. ES256 is cheaper and shorter: register it if the service's library can."
)


@click.group()
def clients() -> None:
    """Relying services. A change is in force in every process within a second."""


@clients.command()
@click.argument("file", type=click.File("rb"))
@click.pass_obj
def add(operator: str, file: BinaryIO) -> None:
    """Register the service that FILE describes (- is stdin); show its secret, this once."""
    built = migrated_parts()
    metadata = decode(file.read())
    client = parse(metadata)
    _check_resources(built, client)
    secret = new_client_secret() if client.has_secrets else None
    with built.flask.app_context(), built.database.transaction():
        built.clients.add(client, secret)
        _audit(built, Event.CLIENT_ADDED, operator, client.client_id)
    print(f"registered {client.client_name!r}\nclient_id: {client.client_id}")
    if secret is not None:
        _show_secret(secret)
    elif client.is_public:
        print("It is public: it has no secret, and PKCE proves who redeems a code.")
    else:
        print("It has no secret: it signs with its own key (private_key_jwt).")
    if client.grant_types and "id_token_signed_response_alg" not in metadata:
        click.echo(ES256_ADVICE, err=True)


@clients.command("list")
def list_() -> None:
    """List the services, one line each."""
    registered = migrated_parts().clients.list()
    for client in registered:
        live = f"{len(client.secret_hashes)} secret(s)"
        if not client.has_secrets:
            live = "public" if client.is_public else "its own key"
        print(f"{client.client_id}  {client.client_name!r}  {live}, {_what_for(client)}")
    if not registered:
        print("no service yet; `idp clients add FILE.json` registers one")


@clients.command()
@click.argument("client_id")
def show(client_id: str) -> None:
    """Show a service's metadata as JSON that ``update`` takes back; beside it, how it fares."""
    built = migrated_parts()
    client = _registered(built, client_id)
    print(json.dumps(to_metadata(client), indent=2, ensure_ascii=False))
    click.echo(f"live secrets: {len(client.secret_hashes)}", err=True)
    if client.backchannel_logout_uri:
        with built.flask.app_context(), built.database.transaction():
            counts = built.logout_notices.counts(client_id)
        told = ", ".join(f"{counts[state]} {state}" for state in PromiseState if state in counts)
        click.echo(
            f"sign-out notices: {told or 'none yet'}; idp outbox list --service {client_id}",
            err=True,
        )


@clients.command()
@click.argument("client_id")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--change-subjects",
    is_flag=True,
    help="Accept that every member becomes somebody else to this service.",
)
@click.pass_obj
def update(operator: str, client_id: str, file: BinaryIO, change_subjects: bool) -> None:
    """Replace a service's metadata, whole, by FILE (- is stdin); its secrets stay."""
    built = migrated_parts()
    before = _registered(built, client_id)
    client = parse({"client_id": client_id} | decode(file.read()))
    if client.client_id != client_id:
        raise InvalidClientMetadata([f"client_id: the document is of {client.client_id}"])
    _check_resources(built, client)
    if not change_subjects:
        _check_same_subjects(before, client)
    secret = None
    with built.flask.app_context(), built.database.transaction():
        built.clients.replace(client)
        if client.has_secrets and not before.secret_hashes:
            secret = built.clients.add_secret(client_id)
        changed = _changed_members(before, client)
        detail = {"changed": ", ".join(changed)}
        _audit(built, Event.CLIENT_UPDATED, operator, client_id, detail)
    print(f"updated {client_id}: {', '.join(changed) or 'nothing changed'}")
    _tell_who_asks(built, set(before.resource_identifiers) - set(client.resource_identifiers))
    if secret is not None:
        _show_secret(secret)


@clients.command()
@click.argument("client_id")
@click.argument("file", type=click.File("rb"), required=False)
@click.option("--remove", "forget", is_flag=True, help="Show none any more.")
@click.pass_obj
def logo(operator: str, client_id: str, file: BinaryIO | None, forget: bool) -> None:
    """Show FILE, a PNG or an SVG of 32 kB at most, beside the service's name on its sign-in page.

    A copy of what is drawn is kept, and served by us alone.
    """
    built = migrated_parts()
    _registered(built, client_id)
    if (file is None) != forget:
        message = "expected a FILE, or --remove"
        raise click.UsageError(message)
    if file is not None:
        built.logos.put(client_id, file.read(LARGEST + 1))
    else:
        built.logos.remove(client_id)
    with built.flask.app_context(), built.database.transaction():
        _audit(built, Event.CLIENT_UPDATED, operator, client_id, {"changed": "logo"})
    print(f"{client_id}: {'no logo any more' if forget else 'its logo is shown from now on'}")


@clients.command()
@click.argument("client_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(operator: str, client_id: str, yes: bool) -> None:
    """Remove a service: within a second nobody can sign in to it any more."""
    built = migrated_parts()
    client = _registered(built, client_id)
    if not yes:
        click.confirm(f"Remove {client.client_name!r} ({client_id})?", abort=True)
    with built.flask.app_context(), built.database.transaction():
        built.clients.remove(client_id)
        _audit(built, Event.CLIENT_REMOVED, operator, client_id)
    print(f"removed {client_id}")
    _tell_who_asks(built, set(client.resource_identifiers))


@clients.command("new-secret")
@click.argument("client_id")
@click.pass_obj
def new_secret(operator: str, client_id: str) -> None:
    """Draw another secret and show it, this once. The former one stays good beside it.

    Two secrets live at most: give the new one to the service, and run this again when it uses it.
    After a leak, run this twice at once: both former secrets are dead.
    """
    built = migrated_parts()
    with built.flask.app_context(), built.database.transaction():
        secret = built.clients.add_secret(client_id)
        _audit(built, Event.CLIENT_SECRET_ADDED, operator, client_id)
    print(f"client_id: {client_id}")
    _show_secret(secret)


def _registered(built: Parts, client_id: str) -> Client:
    for client in built.clients.list():
        if client.client_id == client_id:
            return client
    raise UnknownClient(client_id)


def _what_for(client: Client) -> str:
    """Say in a few words what a service does here."""
    if not client.grant_types:
        return "looks at tokens only"
    subjects = f"{client.subject_type} subjects"
    by_itself = "asks for itself" if client.check_grant_type("client_credentials") else ""
    kinds = [subjects if client.signs_members_in else "", by_itself]
    return ", ".join([client.id_token_signed_response_alg, *(kind for kind in kinds if kind)])


def _check_resources(built: Parts, client: Client) -> None:
    """Make sure that each name is of one API, and that each API asked for is there."""
    issuer = built.settings.issuer
    others = [one for one in built.clients.list() if one.client_id != client.client_id]
    named = {name: one.client_id for one in others for name in one.resource_identifiers}
    faults = [
        f"resource_identifiers: {name} is the name of {named.get(name, 'this provider')} already"
        for name in client.resource_identifiers
        if name in named or name == issuer
    ]
    known = {issuer, *named, *client.resource_identifiers}
    faults += [
        f"allowed_resources: {name} is no registered API: first register the service that has it"
        ' among its resource_identifiers ("grant_types": [] where it only looks at tokens)'
        for name in client.allowed_resources
        if name not in known
    ]
    if faults:
        raise InvalidClientMetadata(faults)


def _tell_who_asks(built: Parts, gone: set[str]) -> None:
    """Name the services that may still ask for tokens of an API that is there no more."""
    for one in built.clients.list():
        if left := sorted(gone.intersection(one.allowed_resources)):
            click.echo(f"{one.client_id} may still ask for {', '.join(left)}", err=True)


def _check_same_subjects(before: Client, after: Client) -> None:
    def depends_on(client: Client) -> str:
        return client.sector if client.subject_type == "pairwise" else "public"

    if before.signs_members_in and depends_on(before) != depends_on(after):
        message = (
            "subject_type, redirect_uris: with this change every `sub` of the service becomes"
            f" another ({depends_on(before)} to {depends_on(after)}), and it would know none of its"
            " members again; if that is meant, add --change-subjects"
        )
        raise InvalidClientMetadata([message])


def _changed_members(before: Client, after: Client) -> list[str]:
    old, new = to_metadata(before), to_metadata(after)
    return [name for name in {**old, **new} if old.get(name) != new.get(name)]


def _show_secret(secret: str) -> None:
    print(
        f"client_secret: {secret}\n"
        "This secret is shown this once and kept as a hash only: hand it to the service now."
    )


def _audit(
    built: Parts,
    event: Event,
    operator: str,
    client_id: str,
    detail: Mapping[str, str | int] | None = None,
) -> None:
    built.audit.record(event, client_id=client_id, actor=Actor(operator=operator), detail=detail)
