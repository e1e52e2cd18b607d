"""Back-channel logout: services are told of sessions that ended, when they can be told."""

import logging
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from idp import StoreUnavailable
from idp.infra.audit import SqlAuditLog
from idp.notifier import RESTS
from idp.oidc.backchannel_logout import DELAYS
from idp.oidc.backchannel_logout import NOTICE_LIFETIME
from idp.oidc.registration import parse
from idp.promise import PromiseState
from tests.instance import ISSUER
from tests.instance import SIGNED_OUT
from tests.instance import Clock
from tests.instance import Instance
from tests.instance import answer_of
from tests.instance import csrf_of
from tests.instance import form_action
from tests.logout_scene import LogoutScene
from tests.logout_scene import trusting
from tests.mailbox import Mailbox
from tests.mailbox import deliver
from tests.notified_service import NotifiedService
from tests.reset_steps import ask
from tests.reset_steps import open_choice
from tests.reset_steps import submit_new

EVENT = "http://schemas.openid.net/event/backchannel-logout"
DAY = timedelta(days=1)
EMAIL = "anne.lefevre@exemple.example"
DISCOVERY = "/.well-known/openid-configuration"


@pytest.fixture
def other_back(tmp_path: Path, back: NotifiedService) -> Iterator[NotifiedService]:
    service = NotifiedService(tmp_path, back.tls)
    yield service
    service.stop()


@pytest.fixture
def scene(make_instance: Callable[..., Instance], back: NotifiedService) -> LogoutScene:
    return LogoutScene(make_instance(**trusting(back)), back)


def test_k1_the_metadata_announces_the_back_channel_and_its_sid(scene: LogoutScene) -> None:
    metadata = scene.visitor.get(DISCOVERY).get_json()

    assert metadata["backchannel_logout_supported"] is True
    assert metadata["backchannel_logout_session_supported"] is True
    assert metadata["end_session_endpoint"] == f"{ISSUER}/logout"


def test_k2_a_service_registers_its_back_channel(scene: LogoutScene) -> None:
    client = parse(
        {
            "client_name": "Suite",
            "redirect_uris": ["https://suite.example/test/a/x/callback"],
            "post_logout_redirect_uris": ["https://suite.example/test/a/x/post_logout_redirect"],
            "scope": "openid",
            "backchannel_logout_uri": "https://suite.example/test/a/x/backchannel_logout",
            "backchannel_logout_session_required": True,
        }
    )

    assert client.backchannel_logout_uri == "https://suite.example/test/a/x/backchannel_logout"
    assert client.backchannel_logout_session_required


def test_k3_the_service_gets_a_form_with_the_logout_token_alone_over_tls_1_3(
    scene: LogoutScene,
) -> None:
    scene.sign_out()
    scene.work()

    ((method, path, kind, tls),) = scene.back.requests
    assert (method, path) == ("POST", "/backchannel_logout")
    assert kind == "application/x-www-form-urlencoded"
    assert tls == "TLSv1.3"
    ((form),) = scene.back.forms
    assert list(form) == ["logout_token"]
    assert len(form["logout_token"]) == 1


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_k4_the_logout_token_says_of_whom_and_which_session_as_the_id_token_did(
    make_instance: Callable[..., Instance], back: NotifiedService, alg: str
) -> None:
    instance = make_instance(**trusting(back, signing_algs=("ES256", "RS256")))
    scene = LogoutScene(instance, back)
    service = scene.add_service("by-alg", back, id_token_signed_response_alg=alg)
    tokens = scene.visitor.redeem(
        service, answer_of(scene.visitor.get("/authorize", service.request()))["code"]
    ).get_json()
    before = instance.clock()

    scene.visitor.get("/logout", {"id_token_hint": tokens["id_token"]})
    scene.work(after=timedelta(hours=1))

    id_token = scene.claims(tokens["id_token"])
    token = next(one for one in back.tokens if scene.claims(one)["aud"] == "by-alg")
    header, claims = scene.visitor.read_token(token)
    now = int((before + timedelta(hours=1)).timestamp())
    assert (header["typ"], header["alg"]) == ("logout+jwt", alg)
    assert claims.pop("jti")
    assert claims == {
        "iss": ISSUER,
        "aud": "by-alg",
        "sub": id_token["sub"],
        "sid": id_token["sid"],
        "iat": now,  # made when it leaves, not when it was promised
        "exp": now + 120,
        "events": {EVENT: {}},
    }


def test_k5_the_browser_goes_back_with_its_state_and_nobody_is_signed_in_any_more(
    scene: LogoutScene,
) -> None:
    answer = scene.sign_out(post_logout_redirect_uri=SIGNED_OUT, state="s")

    assert answer.headers["Location"] == f"{SIGNED_OUT}?state=s"
    refusal = answer_of(scene.visitor.get("/authorize", scene.service.request(prompt="none")))
    assert refusal["error"] == "login_required"


def test_each_service_is_told_of_its_own_sid_and_a_service_that_was_not_visited_of_nothing(
    scene: LogoutScene, other_back: NotifiedService
) -> None:
    other = scene.add_service("autre", other_back, redirect_uris=("https://autre.example/retour",))
    scene.add_service("jamais", scene.back)
    scene.instance.add_service("sans")
    scene.visitor.get("/authorize", other.request())

    scene.sign_out()
    scene.work()

    told = [scene.claims(token) for token in (*scene.back.tokens, *other_back.tokens)]
    assert {claims["aud"] for claims in told} == {"cotisations", "autre"}
    assert len({claims["sid"] for claims in told}) == len({claims["sub"] for claims in told}) == 2
    assert len(scene.notices(PromiseState.DONE)) == 2


def test_a_service_that_is_down_for_a_while_hears_of_it_when_it_is_back_and_nobody_noticed(
    scene: LogoutScene,
) -> None:
    scene.back.stop()

    answer = scene.sign_out(post_logout_redirect_uri=SIGNED_OUT, state="s")
    scene.work()
    (waiting,) = scene.notices()
    scene.work(after=timedelta(minutes=3))
    scene.back.start()
    scene.work(after=timedelta(minutes=3))

    assert answer.headers["Location"] == f"{SIGNED_OUT}?state=s"
    assert (waiting.state, waiting.fault) == (PromiseState.WAITING, "service_unreachable")
    (token,) = scene.back.tokens
    assert scene.claims(token)["sid"] == scene.claims(scene.hint)["sid"]
    (done,) = scene.notices()
    assert (done.state, done.tries) == (PromiseState.DONE, 3)
    told = [event for event, *_ in scene.instance.audit() if event.startswith("logout.")]
    assert told == ["logout.failed", "logout.sent"]


def test_the_page_does_not_wait_for_a_service_that_is_slow(scene: LogoutScene) -> None:
    scene.back.seconds = 4.0
    worker = threading.Thread(target=scene.notifier.run, daemon=True)
    worker.start()

    began = time.monotonic()
    answer = scene.sign_out(post_logout_redirect_uri=SIGNED_OUT)
    took = time.monotonic() - began

    scene.notifier.stop()
    worker.join(20)
    assert answer.headers["Location"] == SIGNED_OUT
    assert took < 1.0


def test_a_slow_service_keeps_no_other_waiting(
    scene: LogoutScene, other_back: NotifiedService
) -> None:
    scene.back.seconds = 3.0
    other = scene.add_service("autre", other_back)
    for _ in range(3):
        visitor = scene.instance.visitor()
        visitor.tokens(scene.person, scene.service)
        visitor.get("/authorize", other.request())
        page = visitor.get("/compte")
        visitor.post(form_action(page), {"csrf": csrf_of(page)})
    worker = threading.Thread(target=scene.notifier.run, daemon=True)

    began = time.monotonic()
    worker.start()
    while len(other_back.forms) < 3 and time.monotonic() < began + 10:
        time.sleep(0.01)
    took = time.monotonic() - began

    scene.notifier.stop()
    worker.join(20)
    assert len(other_back.forms) == 3
    assert took < 2.5
    assert len(scene.back.forms) == 1


def test_a_service_that_answers_nobody_is_left_alone_for_longer_and_longer(
    scene: LogoutScene,
) -> None:
    scene.back.status = 503
    people = [scene.instance.add_person(numero=f"200000{n}") for n in range(5)]
    for person in people:
        visitor = scene.instance.visitor()
        tokens = visitor.tokens(person, scene.service)
        visitor.get("/logout", {"id_token_hint": tokens["id_token"]})

    counts = []
    for span in (timedelta(), *RESTS[:4]):
        scene.work(after=span)
        counts.append(len(scene.back.forms))
    scene.back.status = 204
    scene.work(after=DELAYS[-1])

    assert counts == [1, 2, 3, 4, 5]
    assert {notice.state for notice in scene.notices()} == {PromiseState.DONE}
    assert len(scene.notices()) == 5


def test_a_service_that_answers_400_is_asked_again_by_an_operator_alone(
    scene: LogoutScene,
) -> None:
    scene.back.status = 400
    scene.sign_out()
    scene.work()
    scene.work(after=timedelta(hours=2))
    (dead,) = scene.notices()

    scene.back.status = 200
    with scene.transaction():
        revived = scene.instance.parts.logout_notices.retry(dead.id)
    scene.work()

    assert (dead.state, dead.fault) == (PromiseState.DEAD, "answer_400")
    assert revived is not None
    assert len(scene.back.forms) == 2
    assert len({scene.claims(token)["jti"] for token in scene.back.tokens}) == 2
    assert [notice.state for notice in scene.notices()] == [PromiseState.DONE]
    told = [(event, account) for event, account, _ in scene.instance.audit()]
    assert ("logout.dead", scene.person.account_id) in told


@pytest.mark.parametrize("status", [302, 404, 429, 500])
def test_any_other_answer_is_no_answer_and_a_redirect_leads_nowhere(
    scene: LogoutScene, other_back: NotifiedService, status: int
) -> None:
    scene.back.status = status
    scene.back.headers = {"Location": other_back.uri}

    scene.sign_out()
    scene.work()

    (waiting,) = scene.notices()
    assert (waiting.state, waiting.fault) == (PromiseState.WAITING, f"answer_{status}")
    assert other_back.forms == []


def test_after_three_days_it_is_given_up(scene: LogoutScene) -> None:
    scene.back.stop()
    scene.sign_out()

    for _ in range(80):
        scene.work(after=timedelta(hours=1))

    (dead,) = scene.notices()
    assert (dead.state, dead.fault) == (PromiseState.DEAD, "service_unreachable")
    assert NOTICE_LIFETIME - DAY < timedelta(hours=dead.tries) < NOTICE_LIFETIME + DAY
    with scene.transaction():
        assert scene.instance.parts.logout_notices.retry_all() == []


def test_a_notice_that_waited_for_three_days_is_not_sent(scene: LogoutScene) -> None:
    scene.sign_out()

    scene.work(after=NOTICE_LIFETIME)

    assert scene.back.forms == []
    assert [(notice.state, notice.fault) for notice in scene.notices()] == [
        (PromiseState.DEAD, "too_old")
    ]


def test_a_service_that_does_not_want_it_any_more_or_is_gone_is_told_nothing(
    scene: LogoutScene,
) -> None:
    scene.sign_out()
    scene.instance.remove_service(scene.service)
    time.sleep(1.1)  # a process looks once a second

    scene.work()

    assert scene.back.forms == []
    assert [(notice.state, notice.fault) for notice in scene.notices()] == [
        (PromiseState.DROPPED, "no_address")
    ]


def test_ssrf_an_address_inside_our_networks_is_not_called_unless_a_setting_says_so(
    make_instance: Callable[..., Instance], back: NotifiedService
) -> None:
    scene = LogoutScene(make_instance(**trusting(back, services_private_networks="")), back)

    scene.sign_out()
    scene.work()

    assert back.requests == []
    assert [notice.fault for notice in scene.notices()] == ["service_not_public"]


def test_a_certificate_that_nobody_trusts_gets_no_token(
    make_instance: Callable[..., Instance], back: NotifiedService
) -> None:
    scene = LogoutScene(make_instance(**trusting(back, services_ca_file=None)), back)

    scene.sign_out()
    scene.work()

    assert back.requests == []
    assert [notice.fault for notice in scene.notices()] == ["service_certificate"]


def test_no_log_holds_a_logout_token_or_a_sid(
    scene: LogoutScene, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        scene.back.status = 503
        scene.sign_out()
        scene.work()
        scene.back.status = 200
        scene.work(after=timedelta(minutes=1))

    assert scene.back.tokens
    for told in (*scene.back.tokens, scene.claims(scene.hint)["sid"]):
        assert told not in caplog.text
        assert told not in str(scene.instance.audit())


class TestEveryEnd:
    """Whatever ends a session, its services hear of it."""

    def hears_of(self, scene: LogoutScene) -> bool:
        scene.work()
        sids = [scene.claims(token)["sid"] for token in scene.back.tokens]
        return scene.claims(scene.hint)["sid"] in sids

    def test_the_way_out_of_the_account_page(self, scene: LogoutScene) -> None:
        page = scene.visitor.get("/compte")

        scene.visitor.post(form_action(page), {"csrf": csrf_of(page)})

        assert self.hears_of(scene)

    @pytest.mark.parametrize(
        "change",
        [
            {"status": "closed"},
            {"status": "deceased"},
            {"qualite": "ayant_droit", "situations": "reversion"},
        ],
        ids=["closed", "deceased", "moved"],
    )
    def test_an_import_that_closes_the_dossier_or_moves_it(
        self, scene: LogoutScene, change: dict[str, str]
    ) -> None:
        scene.take_in()
        scene.take_in(**change)

        assert self.hears_of(scene)
        assert len(scene.back.forms) == 1

    def test_a_new_password_whose_sessions_are_told_of_on_every_device(
        self, make_instance: Callable[..., Instance], back: NotifiedService, mailbox: Mailbox
    ) -> None:
        scene = LogoutScene(make_instance(**trusting(back, **mailbox.settings)), back)
        scene.instance.change_dossier(scene.person, email=EMAIL)
        elsewhere = scene.instance.visitor()
        elsewhere.tokens(scene.person, scene.service)
        another = scene.instance.visitor()
        ask(another, scene.person.numero)
        deliver(scene.instance)
        page = open_choice(another, scene.person, mailbox.newest_secret())

        submit_new(another, page)

        assert self.hears_of(scene)
        assert len(scene.back.forms) == 2

    def test_somebody_else_who_signs_in_in_the_same_browser(self, scene: LogoutScene) -> None:
        another = scene.instance.add_person(numero="7654321")

        scene.visitor.sign_in(another, scene.service, prompt="login")

        assert self.hears_of(scene)

    def test_the_same_person_who_signs_in_again_is_not_signed_out_until_they_sign_out(
        self, scene: LogoutScene
    ) -> None:
        scene.visitor.sign_in(scene.person, scene.service, prompt="login")
        scene.work()
        meanwhile = list(scene.back.forms)

        page = scene.visitor.get("/compte")
        scene.visitor.post(form_action(page), {"csrf": csrf_of(page)})

        assert meanwhile == []
        assert self.hears_of(scene)
        assert len(scene.back.forms) == 2

    def test_a_sign_out_after_the_session_went_idle(self, scene: LogoutScene, clock: Clock) -> None:
        key = scene.instance.parts.redis.client.keys("session:*")[0]
        scene.instance.parts.redis.client.delete(key)

        answer = scene.sign_out(post_logout_redirect_uri=SIGNED_OUT)

        assert answer.headers["Location"] == SIGNED_OUT
        assert self.hears_of(scene)

    def test_a_sign_out_that_sql_could_not_note_and_that_is_tried_again(
        self, scene: LogoutScene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_: object, **__: object) -> None:
            raise StoreUnavailable("SQL: gone")

        with monkeypatch.context() as patched:
            patched.setattr(SqlAuditLog, "record", away)
            failed = scene.sign_out()
        lost = scene.notices()
        scene.sign_out()

        assert failed.status_code == 503
        assert lost == []
        assert self.hears_of(scene)

    def test_two_sign_outs_at_once_are_told_once(self, scene: LogoutScene) -> None:
        cookie = scene.visitor.http.get_cookie("__Host-session", domain="localhost")
        assert cookie is not None
        twin = scene.instance.visitor()
        twin.http.set_cookie("__Host-session", cookie.value, domain="localhost", secure=True)

        scene.sign_out()
        twin.get("/logout", {"id_token_hint": scene.hint})

        assert self.hears_of(scene)
        assert len(scene.notices()) == 1


def test_what_a_service_holds_with_offline_access_outlives_the_sign_out(
    make_instance: Callable[..., Instance], back: NotifiedService
) -> None:
    scene = LogoutScene(make_instance(**trusting(back)), back)
    offline = scene.add_service(
        "offline",
        back,
        scope=frozenset({"openid", "offline_access"}),
        grant_types=("authorization_code", "refresh_token"),
    )
    tokens = scene.visitor.tokens(
        scene.person, offline, scope="openid offline_access", prompt="login"
    )

    scene.visitor.get("/logout", {"id_token_hint": tokens["id_token"]})
    refreshed = scene.visitor.post(
        "/token",
        {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]},
        headers=offline.basic,
    )

    assert refreshed.status_code == 200
    scene.work()
    assert "offline" in {scene.claims(token)["aud"] for token in back.tokens}
