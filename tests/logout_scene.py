"""A member signed in at services that want to hear of sign-outs, and the worker that tells them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from idp.audit import Actor
from idp.identity.directory import COLUMNS
from idp.infra.directory import DirectoryImport
from idp.infra.directory_read import Line
from idp.notifier import Notifier
from idp.oidc.backchannel_logout import LogoutNotice
from idp.promise import PromiseState
from idp.wiring.members import numero_patterns
from idp.wiring.protocol import build_backchannel_logout
from idp.wiring.protocol import build_farewell
from tests.instance import Instance
from tests.instance import Service
from tests.notified_service import NotifiedService

LOOPBACK = "127.0.0.0/8, ::1/128"
EVERY_STATE = tuple(PromiseState)


def trusting(back: NotifiedService, **settings: object) -> dict[str, object]:
    """The settings of a provider that may call services of this machine."""
    return {
        "signing_algs": ("ES256",),
        "services_private_networks": LOOPBACK,
        "services_ca_file": back.ca_file,
        **settings,
    }


class LogoutScene:
    """One provider, one service with a back channel, one worker."""

    def __init__(self, instance: Instance, back: NotifiedService) -> None:
        self.instance = instance
        self.back = back
        self.person = instance.add_person()
        self.service = self.add_service("cotisations", back)
        self.visitor = instance.visitor()
        self.tokens: dict[str, Any] = self.visitor.tokens(self.person, self.service)
        self.notifier = Notifier(instance.parts, build_backchannel_logout(instance.parts))

    def add_service(self, client_id: str, back: NotifiedService, **metadata: Any) -> Service:
        """Register a service that wants to be told."""
        return self.instance.add_service(
            client_id,
            backchannel_logout_uri=back.uri,
            backchannel_logout_session_required=True,
            **metadata,
        )

    @property
    def hint(self) -> str:
        """The ID token of the first service."""
        token: str = self.tokens["id_token"]
        return token

    def claims(self, token: str) -> dict[str, Any]:
        """What an ID token or a logout token says, verified by the published keys."""
        return self.visitor.read_token(token)[1]

    def sign_out(self, **parameters: str) -> Any:
        """Sign out at the request of the first service."""
        return self.visitor.get("/logout", {"id_token_hint": self.hint, **parameters})

    def work(self, after: timedelta = timedelta()) -> None:
        """Let time pass, and the worker look once."""
        self.instance.clock.advance(after)
        self.notifier.deliver_all()

    def notices(self, *states: PromiseState, client_id: str = "") -> list[LogoutNotice]:
        """What stands in the outbox."""
        with self.transaction():
            return self.instance.parts.logout_notices.rows(
                states=states or EVERY_STATE, client_id=client_id, limit=1_000
            )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction of the provider's."""
        with self.instance.app.app_context(), self.instance.parts.database.transaction():
            yield

    def take_in(self, **changes: str) -> None:
        """Import the person's dossier with changes, as the operator's command does."""
        parts = self.instance.parts
        row = {
            "qualite": "affilie",
            "numero_dossier": self.person.numero,
            "family_name": "LEFÈVRE",
            "given_names": "Anne Marie",
            "birthdate": "1950-05-12",
            "situations": "cotisant",
            "status": "active",
            **changes,
        }
        faults: list[str] = []
        with self.instance.app.app_context():
            DirectoryImport(
                parts.database,
                build_farewell(parts),
                parts.audit,
                numero_patterns(parts),
                parts.now,
            ).run(
                [Line(2, [row.get(column, "") for column in COLUMNS])],
                on_fault=lambda line, fault: faults.append(f"{line}: {fault}"),
                actor=Actor(operator="jeanne"),
            )
        assert not faults
