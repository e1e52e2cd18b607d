"""Bring a data folder to the state that the servers need; without effect on one that has it."""

import hashlib
from pathlib import Path

from demo.configuration import DemoClient
from demo.configuration import DemoConfiguration
from idp import IdpError
from idp.audit import Actor
from idp.audit import Event
from idp.identity.dossier import NumeroPatterns
from idp.infra import migrations
from idp.infra.clients import new_client_secret
from idp.infra.directory import DirectoryImport
from idp.infra.directory_read import read
from idp.infra.key_passphrase import generate_missing_passphrase
from idp.infra.migrations.upgrade import upgrade
from idp.infra.secret_files import generate_missing_secrets
from idp.oidc.clients import Client
from idp.oidc.registration import parse
from idp.oidc.registration import to_metadata
from idp.oidc.rotation import due
from idp.parts import Parts
from idp.settings import read_settings

DEFAULT_CLIENT_ID = "demo-cotisations"
DOSSIERS = Path(__file__).with_name("dossiers.csv")
SERVICES = {"cotisations": "Mes cotisations", "attestations": "Mes attestations"}
OPERATOR = Actor(operator="bin/start")


class PeopleRefused(IdpError):
    """The invented people do not pass the import; the text says which row and why."""

    code = "people_refused"


def prepare(*, demo_origin: str, demo_file: Path) -> None:
    """Draw what is missing, bring the schema up to date, add the people and the two services."""
    settings = read_settings()
    parts = Parts(settings)
    generate_missing_secrets(settings.secrets_path)
    generate_missing_passphrase(settings.keys_passphrase_path)
    _draw_keys_due(parts)
    imported = demo_file.with_name("dossiers.imported")
    if migrations.pending(settings.sql_url):
        upgrade(settings.sql_url)
        imported.unlink(missing_ok=True)  # the database may be a new one
    with parts.flask.app_context():
        _import_people(parts, imported)
        known = DemoConfiguration.read(demo_file)
        clients = {
            name: _registered(parts, name, demo_origin, known.clients.get(name) if known else None)
            for name in SERVICES
        }
    DemoConfiguration(settings.issuer, demo_origin, clients).write(demo_file)


def _draw_keys_due(parts: Parts) -> None:
    """Do what ``idp keys rotate`` does, daily or at each start."""
    files = parts.key_files
    with files.alone() as ring:
        for key in due(ring, parts.rotation_policy, parts.now()):
            files.add(key.alg, key.signs_from)


def _import_people(parts: Parts, stamp: Path) -> None:
    digest = hashlib.sha256(DOSSIERS.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    faults: list[str] = []
    directory = DirectoryImport(
        parts.database, parts.sessions, parts.audit, NumeroPatterns(), parts.now
    )
    directory.run(
        read(DOSSIERS),
        on_fault=lambda line, fault: faults.append(f"line {line}: {fault}"),
        actor=OPERATOR,
    )
    if faults:
        message = f"{DOSSIERS.name} was refused: " + "; ".join(faults)
        raise PeopleRefused(message)
    stamp.write_text(digest)


def _client(name: str, origin: str) -> Client:
    return parse(
        {
            "client_id": f"demo-{name}",
            "client_name": SERVICES[name],
            "redirect_uris": [f"{origin}/{name}/retour"],
            "post_logout_redirect_uris": [f"{origin}/{name}/au-revoir"],
            "initiate_login_uri": f"{origin}/{name}/connexion",
            "backchannel_logout_uri": f"{origin}/{name}/fin-de-session",
            "backchannel_logout_session_required": True,
            "scope": "openid profile email dossier",
            "id_token_signed_response_alg": "ES256",
        }
    )


def _registered(parts: Parts, name: str, origin: str, known: DemoClient | None) -> DemoClient:
    """Register one service, or bring its registration up to date; its secret stays."""
    client = _client(name, origin)
    with parts.database.transaction():
        found = {other.client_id: other for other in parts.clients.list()}.get(client.client_id)
        if found is None:
            secret = new_client_secret()
            parts.clients.add(client, secret)
            parts.audit.record(Event.CLIENT_ADDED, client_id=client.client_id, actor=OPERATOR)
            return DemoClient(client.client_id, secret)
        if to_metadata(found) != to_metadata(client):
            parts.clients.replace(client)
            parts.audit.record(Event.CLIENT_UPDATED, client_id=client.client_id, actor=OPERATOR)
        if known is not None and found.has_secret(known.client_secret):
            return known
        secret = parts.clients.add_secret(client.client_id)
        parts.audit.record(Event.CLIENT_SECRET_ADDED, client_id=client.client_id, actor=OPERATOR)
        return DemoClient(client.client_id, secret)
