"""Whatever people, services and thieves do, in whatever order: what was used up stays used up.

Hypothesis draws the order. After each step: no 5xx, no trace, and nothing comes back from the dead.
"""

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from datetime import timedelta
from typing import Any
from typing import ClassVar
from urllib.parse import parse_qs
from urllib.parse import urlsplit

from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import initialize
from hypothesis.stateful import multiple
from hypothesis.stateful import rule
from hypothesis.stateful import run_state_machine_as_test
from lxml import html as lxml_html
from werkzeug.test import TestResponse

from tests.functional.test_hostile_input import TRACES
from tests.instance import CALLBACK
from tests.instance import PASSWORD
from tests.instance import Instance
from tests.instance import Person
from tests.instance import Service
from tests.instance import Visitor

SCOPE = "openid profile dossier offline_access"
OFFLINE: dict[str, Any] = {
    "scope": frozenset(SCOPE.split()),
    "grant_types": ("authorization_code", "refresh_token"),
}
ORDERS = settings(
    max_examples=15,
    stateful_step_count=40,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@dataclass(eq=False)
class Issued:
    """A code or a token, and what the model knows of it."""

    value: str
    kind: str
    service: Service
    parent: "Issued | None" = None
    used: bool = False
    dead: bool = False
    descends: list["Issued"] = field(default_factory=list)

    @property
    def root(self) -> "Issued":
        """The code that all of it came of."""
        return self.parent.root if self.parent else self

    def kill(self) -> None:
        """It and all that came of it."""
        self.dead = True
        for one in self.descends:
            one.kill()


@dataclass(eq=False)
class Page:
    """A page of ours in a browser, and for which service it waits."""

    visitor: Visitor
    answer: TestResponse
    service: Service


class Orders(RuleBasedStateMachine):
    """Two browsers of one member, three services, and whoever holds what they were given."""

    instance: ClassVar[Instance]
    services: ClassVar[list[Service]]
    person: ClassVar[Person]
    runs: ClassVar[int] = 0

    pages = Bundle("pages")
    issued = Bundle("issued")
    browsers = st.integers(0, 1)
    of_services = st.integers(0, 2)

    def __init__(self) -> None:
        super().__init__()
        Orders.runs += 1
        self.instance.clock.advance(timedelta(days=2))  # the waits of the former run are over
        self.visitors = [
            self.instance.visitor(f"10.{Orders.runs // 250}.{Orders.runs % 250}.{n}")
            for n in (1, 2)
        ]
        self.everything: list[Issued] = []

    @initialize(target=issued)
    def begin(self) -> Any:
        """Every service has been used already."""
        codes = [self.arrive(n % 2, n) for n in range(3)]
        return multiple(*codes, *(token for code in codes for token in self._redeemed(code)))

    @rule(target=issued, browser=browsers, service=of_services)
    def arrive(self, browser: int, service: int) -> Any:
        """A browser goes the whole way, and brings a code to the service."""
        page = self.ask(browser, service, None, None)
        for _ in range(3):
            if page.answer.headers.get("Location", "").startswith(CALLBACK):
                break
            page = self.press(page, right=True, button=0)
        return self.receive(page)

    @rule(
        target=pages,
        browser=browsers,
        service=of_services,
        prompt=st.sampled_from([None, "login", "consent", "select_account", "create"]),
        response_mode=st.sampled_from([None, "form_post"]),
    )
    def ask(
        self, browser: int, service: int, prompt: str | None, response_mode: str | None
    ) -> Page:
        """A service sends a browser to sign in; it follows to the page that is shown."""
        visitor, asks = self.visitors[browser], self.services[service]
        asked = asks.request(scope=SCOPE, prompt=prompt, response_mode=response_mode)
        return self._follow(visitor, visitor.get("/authorize", asked), asks)

    @rule(target=pages, page=pages, right=st.booleans(), button=st.integers(0, 3))
    def press(self, page: Page, right: bool, button: int) -> Page:
        """Fill the form of a page, however old, and press one of its buttons."""
        forms = lxml_html.fromstring(page.answer.text).forms if page.answer.text else []
        ours = [form for form in forms if str(form.get("action")).startswith("/")]
        if not ours:
            return page
        fields = {name: value or "" for name, value in ours[0].form_values()}
        if "password" in ours[0].fields:
            fields |= {
                "qualite": self.person.qualite,
                "numero": self.person.numero,
                "password": PASSWORD if right else "pas le bon",
            }
        if buttons := ours[0].xpath(".//button[@type='submit'][@name]"):
            chosen = buttons[button % len(buttons)]
            if chosen.get("name") != "cancel" or button == 3:
                fields[chosen.get("name")] = chosen.get("value")
        sent = page.visitor.post(ours[0].get("action"), fields)
        return self._follow(page.visitor, sent, page.service)

    @rule(target=issued, page=pages)
    def receive(self, page: Page) -> Any:
        """The service reads the code that a browser brought, once or again."""
        told: dict[str, list[str]] = {}
        location = page.answer.headers.get("Location", "")
        if location.startswith(CALLBACK):
            told = parse_qs(urlsplit(location).query)
        elif f'action="{CALLBACK}"' in page.answer.text:
            (form,) = lxml_html.fromstring(page.answer.text).forms
            told = {name: [value or ""] for name, value in form.fields.items()}
        if "code" not in told:
            return multiple()
        known = [one for one in self.everything if one.value == told["code"][0]]
        return known[0] if known else self._issue(told["code"][0], "code", page.service)

    @rule(target=issued, one=issued)
    def redeem(self, one: Issued) -> Any:
        """A service sends what it was given to the token endpoint, for the first time or again."""
        return multiple(*self._redeemed(one))

    @rule(one=issued, service=of_services)
    def redeem_elsewhere(self, one: Issued, service: int) -> None:
        """Another service got hold of it."""
        asks = self.services[service]
        if asks is not one.service:
            assert not self._redeemed(one, asks)

    def _redeemed(self, one: Issued, by: Service | None = None) -> list[Issued]:
        asks = by or one.service
        if one.kind == "code":
            answer = self.visitors[0].redeem(asks, one.value)
        elif one.kind == "refresh_token":
            form = {"grant_type": "refresh_token", "refresh_token": one.value}
            if asks.secret is None:
                form["client_id"] = asks.client.client_id
            answer = self.visitors[0].post("/token", form, headers=asks.basic)
        else:
            return []
        self._looks_right(answer)
        told = answer.get_json()
        kinds = [kind for kind in ("access_token", "refresh_token") if kind in told]
        if answer.status_code != 200:
            assert not kinds
            if one.used and asks is one.service:
                one.root.kill()  # used twice: all that came of it has ended
            return []
        assert asks is one.service, "another service redeemed it"
        assert not one.dead, "it came back from the dead"
        assert not one.used, "it was redeemed twice"
        one.used = True
        given = [self._issue(told[kind], kind, asks, one) for kind in kinds]
        one.descends += given
        return given

    @rule(one=issued)
    def userinfo(self, one: Issued) -> None:
        """Somebody shows what they have to userinfo."""
        answer = self.visitors[1].userinfo(one.value)
        self._looks_right(answer)
        if answer.status_code == 200:
            assert one.kind == "access_token"
            assert not one.dead, "it came back from the dead"

    @rule(one=issued, service=of_services)
    def introspect(self, one: Issued, service: int) -> None:
        """A service asks what a token is."""
        asks = self.services[service]
        answer = self.visitors[1].post("/introspect", {"token": one.value}, headers=asks.basic)
        self._looks_right(answer)
        if answer.get_json().get("active"):
            assert asks is one.service
            assert not one.dead, "it came back from the dead"

    @rule(one=issued, service=of_services)
    def revoke(self, one: Issued, service: int) -> None:
        """A service gives a token back: only its own dies."""
        asks = self.services[service]
        form = {"token": one.value}
        if asks.secret is None:
            form["client_id"] = asks.client.client_id
        self._looks_right(self.visitors[0].post("/revoke", form, headers=asks.basic))
        if asks is one.service and one.kind == "access_token":
            one.kill()
        elif asks is one.service and one.kind == "refresh_token":
            one.root.kill()  # its whole family

    @rule(browser=browsers)
    def leave(self, browser: int) -> None:
        """The member signs out, and is asked anew afterwards."""
        visitor = self.visitors[browser]
        question = visitor.get("/logout")
        self._looks_right(question)
        if 'id="logout-confirm"' in question.text:
            form = lxml_html.fromstring(question.text).forms[0]
            self._looks_right(visitor.post(form.get("action"), dict(form.form_values())))
        asked = self.services[0].request(prompt="none")
        silent = visitor.get("/authorize", asked)
        assert "error=login_required" in silent.headers["Location"]

    @rule()
    def change_password(self) -> None:
        """The member has a new password: nothing that carried the former one lives on."""
        type(self).version += 1
        self.instance.change_account(self.person, credential_version=self.version)
        for one in self.everything:
            one.kill()

    @rule(browser=browsers)
    def restart(self, browser: int) -> None:
        """The browser is closed and opened again."""
        self.visitors[browser].restart()

    @rule(minutes=st.integers(1, 40))
    def wait(self, minutes: int) -> None:
        """Time passes."""
        self.instance.clock.advance(timedelta(minutes=minutes))

    version: ClassVar[int] = 1

    def _issue(
        self, value: str, kind: str, service: Service, parent: Issued | None = None
    ) -> Issued:
        one = Issued(value, kind, service, parent)
        self.everything.append(one)
        return one

    def _follow(self, visitor: Visitor, answer: TestResponse, service: Service) -> Page:
        for _ in range(6):
            self._looks_right(answer)
            location = answer.headers.get("Location", "")
            if not location.startswith(("/", str(self.instance.settings.issuer))):
                break
            answer = visitor.get(location)
        return Page(visitor, answer, service)

    def _looks_right(self, answer: TestResponse) -> None:
        assert answer.status_code < 500, answer.text[:400]
        assert not [trace for trace in TRACES if trace in answer.text]


def test_in_no_order_does_anything_come_back_from_the_dead(
    make_instance: Callable[..., Instance],
) -> None:
    instance = make_instance(signing_algs=("ES256",))
    Orders.instance = instance
    Orders.person = instance.add_person()
    Orders.services = [
        instance.add_service("cotisations", **OFFLINE),
        instance.add_service("banque", first_party=False, **OFFLINE),
        instance.add_service("application", token_endpoint_auth_method="none", **OFFLINE),
    ]

    run_state_machine_as_test(Orders, settings=ORDERS)
