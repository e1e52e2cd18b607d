"""People of the demo's directory, who sign in through the simulator of FranceConnect."""

from werkzeug.test import TestResponse

from tests.franceconnect import Abroad
from tests.franceconnect import FranceConnect
from tests.franceconnect import add_member
from tests.instance import PASSWORD
from tests.instance import Instance
from tests.instance import Person
from tests.instance import Service
from tests.instance import Visitor
from tests.mailbox import Mailbox
from tests.mailbox import deliver
from tests.reset_steps import ask

CAMILLE, MONIQUE, MONIQUE_SURVIVOR = "1204816", "1305927", "305927814"


class Scene:
    """A provider with FranceConnect, and the people that a test names."""

    def __init__(self, instance: Instance, franceconnect: FranceConnect) -> None:
        self.instance = instance
        self.franceconnect = franceconnect
        self.service: Service = instance.add_service()

    def settle(self, numero: str, password: str | None = PASSWORD) -> Person:
        """Put somebody of the demo's directory into this one."""
        return add_member(self.instance, numero, password)

    def visitor(self, network: str = "192.0.2.10") -> "Traveller":
        """A browser that has been nowhere."""
        return Traveller(self, network)


class Traveller(Visitor):
    """A browser that goes to FranceConnect and comes back."""

    def __init__(self, scene: Scene, network: str) -> None:
        super().__init__(scene.instance.app, network)
        self._scene = scene
        self.abroad: Abroad = scene.franceconnect.abroad()

    def leave(self, **changes: str | None) -> str:
        """Ask for the service, take the button; give the address of FranceConnect."""
        asked = self.get("/authorize", self._scene.service.request(**changes))
        address = asked.headers["Location"].replace("/connexion?", "/franceconnect?")
        return self.get(address).headers["Location"]

    def come_as(self, person: str, **changes: str | None) -> TestResponse:
        """Go there, be somebody, and give the answer to the callback."""
        return self.get(self.abroad.pick(self.leave(**changes), person))

    def come_with(self, error: str, **changes: str | None) -> TestResponse:
        """Go there, meet an error, and give the answer to the callback."""
        return self.get(self.abroad.fail(self.leave(**changes), error))

    def redeemed(self, answer: TestResponse) -> dict[str, object]:
        """Redeem the code in an answer; give the claims of the ID token."""
        code = answer.headers["Location"].partition("code=")[2].partition("&")[0]
        told = self.redeem(self._scene.service, code)
        assert told.status_code == 200, told.text
        return self.read_token(told.get_json()["id_token"])[1]


def mailed_secret(scene: Scene, mailbox: Mailbox) -> str:
    """Ask for a temporary password of Camille's by mail, and read it there."""
    ask(scene.instance.visitor(), CAMILLE)
    deliver(scene.instance)
    return mailbox.newest_secret()
