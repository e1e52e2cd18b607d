"""Front-channel logout: the sign-out page loads frames of the services that were visited."""

from collections.abc import Callable
from urllib.parse import parse_qsl
from urllib.parse import urlsplit

import pytest
from lxml import html as lxml_html  # type: ignore[import-untyped]
from werkzeug.test import TestResponse

from idp.oidc.metadata_reader import InvalidClientMetadata
from idp.oidc.registration import parse
from tests.instance import CALLBACK
from tests.instance import ISSUER
from tests.instance import SIGNED_OUT
from tests.instance import Instance
from tests.instance import Service
from tests.instance import answer_of
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import text_of

FRAME = "http://127.0.0.1:9001/frontchannel_logout"
SUITE = "https://suite.example/test/a/x"


class Scene:
    """A member signed in at a service with a front channel."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.person = instance.add_person()
        self.service = instance.add_service(
            frontchannel_logout_uri=FRAME, frontchannel_logout_session_required=True
        )
        self.visitor = instance.visitor()
        self.hint: str = self.visitor.tokens(self.person, self.service)["id_token"]

    def sid(self, id_token: str) -> str:
        sid: str = self.visitor.read_token(id_token)[1]["sid"]
        return sid

    def visit(self, client_id: str, **metadata: object) -> str:
        """Go on to another service; give its ID token."""
        service: Service = self.instance.add_service(client_id, **metadata)
        code = answer_of(self.visitor.get("/authorize", service.request()))["code"]
        token: str = self.visitor.redeem(service, code).get_json()["id_token"]
        return token

    def sign_out(self, **parameters: str) -> TestResponse:
        return self.visitor.get("/logout", {"id_token_hint": self.hint, **parameters})


@pytest.fixture
def scene(instance: Instance) -> Scene:
    return Scene(instance)


def frames(page: TestResponse) -> list[str]:
    found: list[str] = lxml_html.fromstring(page.text).xpath("//iframe/@src")
    return found


def policy(page: TestResponse, directive: str) -> list[str]:
    parts = [part.split() for part in page.headers["Content-Security-Policy"].split(";")]
    return next((words[1:] for words in parts if words and words[0] == directive), [])


def test_n1_the_metadata_announces_the_front_channel_and_its_sid(scene: Scene) -> None:
    metadata = scene.visitor.get("/.well-known/openid-configuration").get_json()

    assert metadata["frontchannel_logout_supported"] is True
    assert metadata["frontchannel_logout_session_supported"] is True


def test_n2_a_service_registers_its_front_channel_at_an_origin_of_its_redirect_uris() -> None:
    metadata = {
        "client_name": "Suite",
        "redirect_uris": [f"{SUITE}/callback"],
        "scope": "openid",
        "frontchannel_logout_uri": f"{SUITE}/frontchannel_logout",
        "frontchannel_logout_session_required": True,
    }

    client = parse(metadata)
    assert client.frontchannel_logout_uri == f"{SUITE}/frontchannel_logout"
    assert client.frontchannel_logout_session_required
    for elsewhere in ("https://suite.example:8443/f", "https://other.example/f"):
        with pytest.raises(InvalidClientMetadata, match="those of a redirect URI"):
            parse(metadata | {"frontchannel_logout_uri": elsewhere})


def test_n3_the_page_loads_the_frame_with_iss_and_sid_then_goes_on_with_the_state(
    scene: Scene,
) -> None:
    page = scene.sign_out(post_logout_redirect_uri=SIGNED_OUT, state="s&é")

    assert page.status_code == 200
    (frame,) = frames(page)
    address, _, query = frame.partition("?")
    assert address == FRAME
    assert parse_qsl(query) == [("iss", ISSUER), ("sid", scene.sid(scene.hint))]
    onward = f"{SIGNED_OUT}?state=s%26%C3%A9"
    document = lxml_html.fromstring(page.text)
    assert document.xpath("//meta[@http-equiv='refresh']/@content") == [f"0; url={onward}"]
    assert document.xpath("//a[@id='logging-out-continue']/@href") == [onward]
    assert "Déconnexion en cours" in text_of(page)
    silent = answer_of(scene.visitor.get("/authorize", scene.service.request(prompt="none")))
    assert silent["error"] == "login_required"


def test_n3_the_page_s_policy_allows_the_frames_of_visited_services_and_no_other(
    scene: Scene,
) -> None:
    scene.visit(
        "autre",
        redirect_uris=("https://autre.example/retour",),
        frontchannel_logout_uri="https://autre.example/sortie?de=caisse",
    )
    scene.instance.add_service(
        "jamais",
        redirect_uris=("https://jamais.example/retour",),
        frontchannel_logout_uri="https://jamais.example/sortie",
    )

    page = scene.sign_out(post_logout_redirect_uri=SIGNED_OUT)

    assert policy(page, "frame-src") == ["http://127.0.0.1:9001", "https://autre.example"]
    assert policy(page, "script-src") == ["'self'"]
    other = next(frame for frame in frames(page) if "autre" in frame)
    assert other.startswith("https://autre.example/sortie?de=caisse&iss=")
    assert len(frames(page)) == 2


def test_each_service_is_told_its_own_sid(scene: Scene) -> None:
    token = scene.visit("autre", frontchannel_logout_uri=f"{CALLBACK}/sortie")

    page = scene.sign_out()

    told = {dict(parse_qsl(urlsplit(frame).query))["sid"] for frame in frames(page)}
    assert told == {scene.sid(scene.hint), scene.sid(token)}
    assert len(told) == 2


def test_without_an_address_to_go_on_to_the_frames_are_in_the_page_that_says_it_is_done(
    scene: Scene,
) -> None:
    page = scene.visitor.get("/compte")

    done = scene.visitor.post(form_action(page), {"csrf": csrf_of(page)})

    assert "Votre session est terminée" in text_of(done)
    assert len(frames(done)) == 1
    assert policy(done, "frame-src") == ["http://127.0.0.1:9001"]
    assert "http-equiv" not in done.text


def test_a_second_sign_out_has_nobody_left_to_tell(scene: Scene) -> None:
    scene.sign_out()

    again = scene.sign_out(post_logout_redirect_uri=SIGNED_OUT)

    assert again.headers["Location"] == SIGNED_OUT


def test_a_service_without_a_front_channel_costs_no_page(
    make_instance: Callable[..., Instance],
) -> None:
    instance = make_instance(signing_algs=("ES256",))
    visitor = instance.visitor()
    tokens = visitor.tokens(instance.add_person(), instance.add_service())

    answer = visitor.get(
        "/logout", {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": SIGNED_OUT}
    )
    page = visitor.get("/deconnexion")

    assert answer.headers["Location"] == SIGNED_OUT
    assert policy(page, "frame-src") == []


def test_frames_injection_a_state_cannot_leave_the_page_s_attributes(scene: Scene) -> None:
    page = scene.sign_out(
        post_logout_redirect_uri=SIGNED_OUT, state='"><iframe src="https://evil.example"'
    )

    assert len(frames(page)) == 1
    assert "evil.example" not in "".join(frames(page))
