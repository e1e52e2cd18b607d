"""A service of others, a member, and what they do on the page that asks for consent."""

from typing import Any

from werkzeug.test import TestResponse

from tests.instance import Instance
from tests.instance import Person
from tests.instance import Service
from tests.instance import Visitor
from tests.instance import answer_of
from tests.instance import csrf_of
from tests.instance import form_action

SCOPE = "openid profile dossier"
OFFLINE = "openid profile dossier offline_access"
BACK = "https://agenda.example/retour"


class ThirdParty:
    """A member of the fund at a service of somebody else."""

    def __init__(self, instance: Instance, **metadata: Any) -> None:
        self.instance = instance
        self.person: Person = instance.add_person(birthdate="1978-03-14", email="anne@example.fr")
        self.service: Service = instance.add_service(
            "agenda",
            **{
                "client_name": "Mon agenda",
                "redirect_uris": (BACK,),
                "scope": frozenset({"openid", "profile", "email", "dossier", "offline_access"}),
                "grant_types": ("authorization_code", "refresh_token"),
                "first_party": False,
                **metadata,
            },
        )
        self.visitor: Visitor = instance.visitor()

    def sign_in(self, **changes: str | None) -> TestResponse:
        """Sign in and give what follows: the page that asks, when there is something to ask."""
        answer = self.visitor.sign_in(self.person, self.service, **changes)
        location = answer.headers.get("Location", "")
        return self.visitor.get(location) if location.startswith("/") else answer

    def ask(self, service: Service | None = None, **changes: str | None) -> TestResponse:
        """Send a request in the same browser; the page that it leads to, or the answer."""
        answer = self.visitor.get("/authorize", (service or self.service).request(**changes))
        location = answer.headers["Location"]
        ours = location.startswith(self.instance.settings.issuer)
        return self.visitor.get(location) if ours else answer

    def answer(self, page: TestResponse, choice: str = "accepter", **more: Any) -> TestResponse:
        """Press a button of the page."""
        form = {"csrf": csrf_of(page), "choix": choice}
        return self.visitor.post(form_action(page), form, **more)

    def consent(self, **changes: str | None) -> dict[str, str]:
        """Sign in, accept, and give what the service hears."""
        return answer_of(self.answer(self.sign_in(**changes)))

    def tokens(self, **changes: str | None) -> dict[str, Any]:
        """Sign in, accept, and give what the code is good for."""
        redeemed = self.visitor.redeem(self.service, self.consent(**changes)["code"])
        assert redeemed.status_code == 200, redeemed.text
        body: dict[str, Any] = redeemed.get_json()
        return body

    def refresh(self, token: str) -> TestResponse:
        """Present a refresh token."""
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return self.visitor.post("/token", form, headers=self.service.basic)

    def introspect(self, token: str) -> bool:
        """Tell what introspection says of a token."""
        answer = self.visitor.post("/introspect", {"token": token}, headers=self.service.basic)
        return bool(answer.get_json()["active"])

    def granted(self) -> frozenset[str]:
        """What the store holds."""
        with self.instance.app.app_context(), self.instance.parts.database.transaction():
            return self.instance.parts.consents.granted(
                self.person.account_id, self.service.client.client_id
            )


def asks_consent(page: TestResponse) -> bool:
    """Tell whether this is the page that asks."""
    return page.status_code == 200 and 'id="consent-accept"' in page.text
