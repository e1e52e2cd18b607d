"""Our side of FranceConnect against its simulator: whatever goes wrong there is told and refused.

The other side of the coin, an implementation that nobody here wrote, is in
``tests/functional/test_franceconnect_elsewhere.py``.
"""

import logging
import threading
import time
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from ipaddress import ip_network
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest

from demo.franceconnect.faults import EVERYWHERE
from demo.franceconnect.faults import FAULTS
from demo.franceconnect.faults import HEALTHY
from demo.franceconnect.faults import Endpoint
from demo.franceconnect.faults import Fault
from demo.franceconnect.faults import Instead
from demo.franceconnect.faults import Tampering
from idp.cli import doctor_franceconnect
from idp.identity.franceconnect_port import Arrived
from idp.identity.franceconnect_port import FranceConnectAway
from idp.identity.franceconnect_port import FranceConnectMistrusted
from idp.identity.franceconnect_port import FranceConnectSaidNo
from idp.identity.pivot import PivotIdentity
from idp.infra.circuit_breaker import FAILURES
from idp.infra.circuit_breaker import REST_SECONDS
from idp.infra.circuit_breaker import CircuitBreaker
from idp.infra.franceconnect import FranceConnectClient
from idp.infra.franceconnect_calls import SEATS
from idp.infra.franceconnect_calls import Exchange
from idp.infra.franceconnect_calls import FranceConnectCalls
from idp.infra.franceconnect_documents import KEPT_SECONDS
from idp.infra.franceconnect_documents import LOOK_EVERY_SECONDS
from idp.infra.franceconnect_documents import Published
from idp.infra.franceconnect_proof import OwnKey
from idp.infra.franceconnect_proof import read_client_secret
from idp.infra.franceconnect_proof import read_own_key
from idp.infra.private_files import ExposedFile
from idp.infra.secret_files import InvalidSecret
from idp.infra.service_calls import ServiceCalls
from idp.parts import Parts
from idp.settings import read_settings
from tests.franceconnect import FranceConnect
from tests.franceconnect import answer_in
from tests.franceconnect import claims_in
from tests.instance import ISSUER

PATIENCE = 2.0
SHORT = 0.3
"""Where nobody answers, and the test waits for the end of it."""

STATE, NONCE = "t" * 43, "u" * 43
CAMILLE = PivotIdentity("DURAND", "Camille Anne Louise", "female", "1987-04-23", "44109", "99100")


class Watch:
    """What is counted."""

    def __init__(self):
        self.told = []
        self.rests = []

    def franceconnect_asked(self, outcome, fault):
        self.told.append((outcome, fault))


class Ours:
    """A client, and the clocks that it reads."""

    def __init__(self, there, *, seconds=PATIENCE, ahead=timedelta(0), **how):
        self.there = there
        self.passed = 0.0
        self.watch = Watch()
        settings = there.settings
        client_id = settings["franceconnect_client_id"]

        def now():
            return datetime.now(UTC) + ahead

        if key := settings.get("franceconnect_private_key_file"):
            proof = OwnKey(client_id, read_own_key(key), now)
        else:
            proof = read_client_secret(settings["franceconnect_client_secret_file"])
        calls = ServiceCalls(private_networks=(ip_network("127.0.0.0/8"),), seconds=seconds)
        self.client = FranceConnectClient(
            **{
                "issuer": there.issuer,
                "client_id": client_id,
                "proof": proof,
                "scope": "openid identite_pivot",
                "acr": "eidas1",
                "redirect_uri": f"{ISSUER}/franceconnect/retour",
                "post_logout_redirect_uri": f"{ISSUER}/franceconnect/deconnexion",
                "calls": FranceConnectCalls(
                    calls,
                    seconds=seconds,
                    breaker=CircuitBreaker(
                        FranceConnectAway,
                        monotonic=self.monotonic,
                        changed=self.watch.rests.append,
                    ),
                ),
                "published": Published(there.issuer, monotonic=self.monotonic),
                "watch": self.watch,
                "now": now,
                **how,
            }
        )

    def monotonic(self):
        return time.monotonic() + self.passed

    def begin(self):
        return self.client.begin(state=STATE, nonce=NONCE)

    def code(self, person="camille-durand"):
        """Have somebody sign in there."""
        return answer_in(self.there.abroad().pick(self.begin(), person))["code"]

    def finish(self, code, nonce=NONCE, **more):
        return self.client.finish(code=code, nonce=nonce, **more)

    def arrive(self):
        return self.finish(self.code())


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    made = FranceConnect(tmp_path_factory.mktemp("franceconnect"))
    yield made
    made.stop()


@pytest.fixture
def there(simulated):
    simulated.simulator.calls.clear()
    yield simulated
    simulated.simulator.behave()


@pytest.fixture
def ours(there):
    return Ours(there)


@pytest.fixture
def elsewhere(tmp_path):
    """Another registration, for one test."""
    made = []

    def make(**how):
        made.append(FranceConnect(tmp_path, **how))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def test_a_person_comes_back_as_the_register_knows_them(ours):
    arrived = ours.arrive()

    assert arrived.arrival.pivot == CAMILLE
    assert len(arrived.arrival.sub) == 66
    assert arrived.id_token.count(".") == 2
    assert ours.watch.told == [("begun", "none"), ("arrived", "none")]


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
@pytest.mark.parametrize("by_key", [False, True])
def test_with_each_proof_of_ours_and_each_algorithm_of_theirs(elsewhere, by_key, alg):
    ours = Ours(elsewhere(by_key=by_key, signed_response_alg=alg), seconds=2)

    assert isinstance(ours.arrive(), Arrived)


def test_authorize_is_asked_by_the_closed_list_and_nothing_of_pkce(ours, there):
    asked = urlsplit(ours.begin())

    assert f"{asked.scheme}://{asked.netloc}{asked.path}" == f"{there.issuer}/authorize"
    assert parse_qs(asked.query) == {
        "client_id": ["une-caisse-de-retraite"],
        "response_type": ["code"],
        "redirect_uri": [f"{ISSUER}/franceconnect/retour"],
        "scope": ["openid identite_pivot"],
        "acr_values": ["eidas1"],
        "state": [STATE],
        "nonce": [NONCE],
    }


def test_discovery_and_keys_are_asked_once_for_many_people(ours, there):
    ours.arrive()
    ours.arrive()

    asked = there.simulator.calls
    assert asked.count(Endpoint.DISCOVERY) == asked.count(Endpoint.JWKS) == 1
    ours.passed += KEPT_SECONDS
    ours.arrive()
    assert asked.count(Endpoint.DISCOVERY) == asked.count(Endpoint.JWKS) == 2


def test_a_sign_out_there_names_all_three(ours, there):
    arrived = ours.arrive()

    calls = len(there.simulator.calls)
    asked = urlsplit(ours.client.logout_url(id_token=arrived.id_token, state=STATE))
    assert len(there.simulator.calls) == calls  # who leaves waits for nobody

    assert f"{asked.scheme}://{asked.netloc}{asked.path}" == f"{there.issuer}/session/end"
    assert parse_qs(asked.query) == {
        "id_token_hint": [arrived.id_token],
        "state": [STATE],
        "post_logout_redirect_uri": [f"{ISSUER}/franceconnect/deconnexion"],
    }


@pytest.mark.parametrize("fault", ["discovery_down", "discovery_wrong_issuer"])
def test_no_address_of_a_sign_out_is_made_up(ours, there, fault):
    there.simulator.misbehave(fault)

    assert ours.client.logout_url(id_token="x", state=STATE) == ""


def test_mix_up_only_its_own_name_is_its_own(ours, there):
    assert ours.client.is_from(there.issuer)
    assert not any(map(ours.client.is_from, ("", f"{there.issuer}/", "https://mallory.example")))
    assert there.issuer.startswith(f"{ours.client.origin()}/")


BEGUN = {
    "discovery_broken": FranceConnectAway("unreadable"),
    "discovery_down": FranceConnectAway("status"),
    "discovery_endpoint_elsewhere": FranceConnectMistrusted("discovery_endpoint"),
    "discovery_frozen": FranceConnectAway("timeout"),
    "discovery_huge": FranceConnectAway("answer"),
    "discovery_missing": FranceConnectAway("status"),
    "discovery_no_jwks_uri": FranceConnectMistrusted("discovery_endpoint"),
    "discovery_no_token_endpoint": FranceConnectMistrusted("discovery_endpoint"),
    "discovery_redirects": FranceConnectAway("status"),
    "discovery_wrong_issuer": FranceConnectMistrusted("discovery_issuer"),
    "down": FranceConnectAway("status"),
    "frozen": FranceConnectAway("timeout"),
    "trickling": FranceConnectAway("timeout"),
}
SIGNED = {
    "alg_none": "alg",
    "aud": "aud",
    "critical_header": "crit",
    "empty_sub": "sub",
    "expired": "exp",
    "hs256": "alg",
    "hs256_by_public_key": "alg",
    "iat_in_future": "iat",
    "iss": "iss",
    "no_aud": "aud",
    "no_exp": "exp",
    "no_iss": "iss",
    "no_sub": "sub",
    "several_aud": "aud",
    "signature": "signature",
    "sub_is_a_number": "sub",
    "unknown_kid": "signature",
}
FINISHED = {
    **{f"id_token_{name}": FranceConnectMistrusted(check) for name, check in SIGNED.items()},
    **{
        f"userinfo_{name}": FranceConnectMistrusted(f"userinfo_{check}")
        for name, check in SIGNED.items()
        if name != "no_exp"
    },
    "id_token_acr": FranceConnectMistrusted("acr"),
    "id_token_auth_time_in_future": FranceConnectMistrusted("auth_time"),
    "id_token_no_acr": FranceConnectMistrusted("acr"),
    "id_token_no_nonce": FranceConnectMistrusted("nonce"),
    "id_token_nonce": FranceConnectMistrusted("nonce"),
    "jwks_broken": FranceConnectAway("unreadable"),
    "jwks_down": FranceConnectAway("status"),
    "jwks_empty": FranceConnectMistrusted("signature"),
    "jwks_frozen": FranceConnectAway("timeout"),
    "jwks_huge": FranceConnectAway("answer"),
    "jwks_redirects": FranceConnectAway("status"),
    "token_cut": FranceConnectAway("unreadable"),
    "token_down": FranceConnectAway("status"),
    "token_frozen": FranceConnectAway("timeout"),
    "token_huge": FranceConnectAway("answer"),
    "token_invalid_client": FranceConnectSaidNo("invalid_client"),
    "token_invalid_grant": FranceConnectSaidNo("invalid_grant"),
    "token_is_a_list": FranceConnectAway("unreadable"),
    "token_no_access_token": FranceConnectMistrusted("access_token"),
    "token_no_id_token": FranceConnectMistrusted("id_token"),
    "token_not_json": FranceConnectAway("unreadable"),
    "token_redirects": FranceConnectAway("status"),
    "token_server_error": FranceConnectAway("status"),
    "token_trickling": FranceConnectAway("timeout"),
    "token_type": FranceConnectMistrusted("token_type"),
    "userinfo_401": FranceConnectSaidNo("invalid_token"),
    "userinfo_birthdate_is_a_list": FranceConnectMistrusted("userinfo_claims"),
    "userinfo_down": FranceConnectAway("status"),
    "userinfo_frozen": FranceConnectAway("timeout"),
    "userinfo_huge": FranceConnectAway("answer"),
    "userinfo_json": FranceConnectMistrusted("userinfo_type"),
    "userinfo_no_pivot": FranceConnectMistrusted("userinfo_claims"),
    "userinfo_other_sub": FranceConnectMistrusted("userinfo_sub"),
    "userinfo_redirects": FranceConnectAway("status"),
}
HARMLESS = {
    *("id_token_extra_claims", "id_token_no_auth_time", "id_token_old_auth_time"),
    *("slow", "userinfo_extra_claims", "userinfo_no_exp"),
}


def test_every_fault_of_the_simulator_is_told_of_here_or_is_of_the_callback():
    told = {*BEGUN, *FINISHED, *HARMLESS}

    assert {name for name in FAULTS if not name.startswith("callback_")} == told


@pytest.mark.parametrize("fault", sorted(BEGUN))
def test_nobody_is_sent_where_discovery_is_not_its_own(there, fault):
    ours = Ours(there, seconds=patience_with(fault))
    there.simulator.misbehave(fault)

    assert_refused(BEGUN[fault], ours.begin)


@pytest.mark.parametrize("fault", sorted(FINISHED))
def test_nobody_arrives_by_an_answer_that_is_late_broken_or_forged(there, fault, caplog):
    ours = Ours(there, seconds=patience_with(fault))
    code = ours.code()
    there.simulator.misbehave(fault)

    assert_refused(FINISHED[fault], lambda: ours.finish(code))

    assert_nothing_of_a_person_in(caplog, code)


@pytest.mark.parametrize("fault", sorted(HARMLESS))
def test_what_is_merely_more_or_slower_is_no_reason_to_refuse(there, fault):
    ours = Ours(there)
    there.simulator.misbehave(fault)

    assert ours.arrive().arrival.pivot == CAMILLE


def test_replay_a_code_is_good_once(ours):
    code = ours.code()
    ours.finish(code)

    assert_refused(FranceConnectSaidNo("invalid_grant"), lambda: ours.finish(code))


def test_injection_a_code_of_another_sign_in_brings_another_nonce(ours):
    code = ours.code()

    assert_refused(FranceConnectMistrusted("nonce"), lambda: ours.finish(code, "m" * 43))


@pytest.mark.parametrize("code", ["", "c" * 3000])
def test_what_can_be_no_code_is_not_even_sent(ours, there, code):
    assert_refused(FranceConnectSaidNo("invalid_grant"), lambda: ours.finish(code))

    assert there.simulator.calls == []


ID_TOKENS = {
    "another client is named in azp": ({"azp": "somebody-else"}, "azp"),
    "an access token of another": ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "at_hash"),
    "no number": ({"exp": "tomorrow"}, "exp"),
    "no instant": ({"exp": float("nan")}, "exp"),
    "issued an hour ago": ({"iat": timedelta(hours=-1)}, "iat"),
    "never issued": ({"iat": ...}, "iat"),
    "a sub that is too long": ({"sub": "s" * 256}, "sub"),
    "a sub of other characters": ({"sub": "é"}, "sub"),
    "a sub of two lines": ({"sub": "a\nb"}, "sub"),
    "a higher level than was asked for": ({"acr": "eidas2"}, "acr"),
    "levels": ({"acr": ["eidas1"]}, "acr"),
    "identified at no instant": ({"auth_time": "now"}, "auth_time"),
    "two nonces": ({"nonce": [NONCE]}, "nonce"),
    "audiences, ours first": ({"aud": ["une-caisse-de-retraite", "somebody-else"]}, "aud"),
}


@pytest.mark.parametrize("what", ID_TOKENS)
def test_an_id_token_that_says_anything_else_is_refused(ours, there, what):
    claims, check = ID_TOKENS[what]
    there.simulator.misbehave(Fault(id_token=Tampering(claims)))

    assert_refused(FranceConnectMistrusted(check), ours.arrive)


@pytest.mark.parametrize(
    ("said", "is_recent"),
    [
        (timedelta(minutes=-15), True),
        (timedelta(minutes=-16), False),
        (timedelta(hours=-8), False),
        (..., False),
    ],
)
def test_a_step_up_by_somebody_who_was_identified_long_ago_is_none(ours, there, said, is_recent):
    """Attack: whoever finds the browser open goes on with the session that is left over there."""
    there.simulator.misbehave(Fault(id_token=Tampering({"auth_time": said})))
    code, recent = ours.code(), timedelta(minutes=15)

    if is_recent:
        assert ours.finish(code, max_age=recent).arrival.pivot == CAMILLE
    else:
        assert_refused(
            FranceConnectMistrusted("auth_time"), lambda: ours.finish(code, max_age=recent)
        )


@pytest.mark.parametrize(
    "claims",
    [
        {"given_name": "A" * 513},
        {"family_name": "A\u0000B"},
        {"birthplace": "\ud800"},
        {"birthplace": 75112},
        {"gender": None},
    ],
)
def test_a_civil_status_that_cannot_be_one_is_refused(ours, there, claims):
    there.simulator.misbehave(Fault(userinfo=Tampering(claims)))

    assert_refused(FranceConnectMistrusted("userinfo_claims"), ours.arrive)


@pytest.mark.parametrize(
    ("claims", "birth"),
    [
        ({"birthdate": "1992-00-00"}, ("1992-00-00", "44109", "99100")),
        ({"birthplace": "", "birthcountry": "99350"}, ("1987-04-23", "", "99350")),
        ({"birthplace": ..., "birthcountry": ...}, ("1987-04-23", "", "")),
        ({"birthplace": "2A004"}, ("1987-04-23", "2A004", "99100")),
    ],
)
def test_partial_dates_and_births_abroad_are_kept_as_they_are_written(ours, there, claims, birth):
    there.simulator.misbehave(Fault(userinfo=Tampering(claims)))

    pivot = ours.arrive().arrival.pivot

    assert (pivot.birthdate, pivot.birthplace, pivot.birthcountry) == birth


JWTS = {
    "no JWT": ("x", "jwt"),
    "an encrypted one": ("a.b.c.d.e", "jwt"),
    "a header that is no JSON": ("YQ.YQ.YQ", "jwt"),
    "a header that is a list": ("W10.YQ.YQ", "jwt"),
    "a header of other characters": ("é.YQ.YQ", "jwt"),
    "one that is too long": ("a." + "b" * 17_000 + ".c", "jwt"),
    "no text": (7, "id_token"),
    "a kid that is no text": ("eyJhbGciOiJFUzI1NiIsImtpZCI6N30.YQ.YQ", "kid"),
    "nested deep": ("Ww" * 4000 + ".YQ.YQ", "jwt"),
}


@pytest.mark.parametrize("what", JWTS)
def test_what_is_no_signed_jwt_is_refused(ours, there, what):
    text, check = JWTS[what]
    there.simulator.misbehave(Fault(token={"id_token": text}))

    assert_refused(FranceConnectMistrusted(check), ours.arrive)


@pytest.mark.parametrize("token", [7, "", "two words", "a\r\nX-Injected: 1", "é", "a" * 9000])
def test_header_injection_an_access_token_is_one_word(ours, there, token):
    there.simulator.misbehave(Fault(token={"access_token": token}))

    assert_refused(FranceConnectMistrusted("access_token"), ours.arrive)
    assert Endpoint.USERINFO not in there.simulator.calls


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"\xff", b'{"error": ["x"]}', b'{"error": "<script>"}', b"[" * 60_000]
)
def test_a_refusal_in_words_of_nobody_is_not_repeated(ours, there, body):
    code = ours.code()
    there.simulator.misbehave(Fault(instead={Endpoint.TOKEN: Instead(400, body)}))

    assert_refused(FranceConnectSaidNo("other"), lambda: ours.finish(code))


@pytest.mark.parametrize(
    "endpoint", ["https://127.0.0.1/token?x=1", "//127.0.0.1/token", "token", 7, "x" * 600, ""]
)
def test_ssrf_an_endpoint_is_where_the_issuer_is(ours, there, endpoint):
    there.simulator.misbehave(Fault(discovery={"token_endpoint": endpoint}))

    assert_refused(FranceConnectMistrusted("discovery_endpoint"), ours.begin)


class TestProof:
    @pytest.mark.parametrize("content", ["", "\n", "two words", "é", "a\x00b"])
    def test_a_file_without_a_secret_is_named_and_not_quoted(self, tmp_path, content):
        file = private(tmp_path, content)

        with pytest.raises(InvalidSecret, match="holds no secret") as refusal:
            read_client_secret(file)
        assert str(file) in str(refusal.value)

    @pytest.mark.parametrize("content", ["", "a secret", "-----BEGIN PRIVATE KEY-----"])
    def test_so_is_a_file_without_a_key_that_signs(self, tmp_path, content):
        with pytest.raises(InvalidSecret, match="holds no key that signs"):
            read_own_key(private(tmp_path, content))

    def test_neither_is_read_where_others_can_touch_it_or_where_it_is_not(self, tmp_path):
        file = private(tmp_path, "secret")
        file.chmod(0o640)

        for read in (read_client_secret, read_own_key):
            with pytest.raises(ExposedFile):
                read(file)
            with pytest.raises(InvalidSecret, match="No such file"):
                read(tmp_path / "nobody")

    def test_an_assertion_is_for_one_exchange_and_a_minute(self, elsewhere):
        key = read_own_key(elsewhere(by_key=True).settings["franceconnect_private_key_file"])
        proof = OwnKey("a-fund", key, lambda: datetime(2026, 1, 1, tzinfo=UTC))
        endpoint = "https://franceconnect.example/token"

        one, other = (claims_in(proof.fields(endpoint)["client_assertion"]) for _ in range(2))

        assert one.pop("jti") != other.pop("jti")
        issued_at = 1_767_225_600
        assert (
            one
            == other
            == {
                "iss": "a-fund",
                "sub": "a-fund",
                "aud": endpoint,
                "iat": issued_at,
                "exp": issued_at + 60,
            }
        )


class TestDoctor:
    @pytest.mark.parametrize(
        ("fault", "line"),
        [
            (None, "ok    franceconnect   {} answers, with "),
            ("down", "warn  franceconnect   {} does not answer (status): the other block works;"),
            ("discovery_wrong_issuer", "FAIL  franceconnect   {} answers as another"),
            ("jwks_empty", "FAIL  franceconnect   {} publishes no ES256 or RS256 key"),
        ],
    )
    def test_it_says_how_franceconnect_answers(self, there, fault, line):
        there.simulator.misbehave(fault or HEALTHY)
        built = Parts(read_settings(issuer=ISSUER, **there.settings))

        (finding,) = doctor_franceconnect.franceconnect(built)

        assert str(finding).startswith(line.format(there.issuer))


class TestKeys:
    def test_a_crowd_has_discovery_and_keys_fetched_once(self, there, at_once):
        ours = Ours(there)
        there.simulator.misbehave(Fault(seconds={Endpoint.DISCOVERY: 0.1}))
        assert len(set(at_once(ours.begin, SEATS))) == 1
        assert there.simulator.calls.count(Endpoint.DISCOVERY) == 1

        ours.arrive()
        there.simulator.keys.rotate()
        there.simulator.misbehave(Fault(seconds={Endpoint.JWKS: 0.1}))
        fresh = [ours.code() for _ in range(SEATS)]
        arrived = at_once(lambda: ours.finish(fresh.pop()), SEATS)

        assert {type(one) for one in arrived} == {Arrived}
        assert there.simulator.calls.count(Endpoint.JWKS) == 2

    def test_while_one_thread_fetches_anew_the_others_go_on_with_what_there_is(self, ours, there):
        ours.arrive()
        ours.passed += KEPT_SECONDS
        there.simulator.misbehave("discovery_frozen")
        renewing = threading.Thread(target=ours.begin)
        renewing.start()
        wait_for(lambda: there.simulator.calls[-1] == Endpoint.DISCOVERY)

        assert ours.begin().startswith(there.issuer)
        assert renewing.is_alive()
        there.simulator.behave()
        renewing.join()

    @pytest.mark.parametrize("body", [b"{}", b'{"keys": 7}'])
    def test_what_is_no_set_of_keys_is_no_answer(self, ours, there, body):
        code = ours.code()
        there.simulator.misbehave(Fault(instead={Endpoint.JWKS: Instead(200, body)}))

        assert_refused(FranceConnectAway("unreadable"), lambda: ours.finish(code))

    def test_a_new_key_is_fetched_while_somebody_waits(self, ours, there):
        ours.arrive()
        there.simulator.keys.rotate()

        assert isinstance(ours.arrive(), Arrived)
        assert there.simulator.calls.count(Endpoint.JWKS) == 2

    def test_flood_forged_tokens_have_the_keys_fetched_once_in_a_while(self, ours, there):
        ours.arrive()
        there.simulator.misbehave("id_token_unknown_kid")
        for _ in range(3):
            assert_refused(FranceConnectMistrusted("signature"), ours.arrive)
        assert there.simulator.calls.count(Endpoint.JWKS) == 2

        ours.passed += LOOK_EVERY_SECONDS
        assert_refused(FranceConnectMistrusted("signature"), ours.arrive)
        assert there.simulator.calls.count(Endpoint.JWKS) == 3

    def test_theft_a_key_that_is_published_no_more_ends_with_the_hour(self, ours, there):
        ours.arrive()
        stolen = there.simulator.keys.current("ES256")
        there.simulator.keys.rotate(publish_old=False)
        there.simulator.misbehave(Fault(id_token=Tampering(header={"kid": stolen.kid})))
        ours.passed += KEPT_SECONDS

        assert_refused(FranceConnectMistrusted("signature"), ours.arrive)


class TestClocks:
    @pytest.mark.parametrize("ahead", [-25, 25, 80])
    def test_clocks_may_differ_a_little(self, there, ahead):
        assert Ours(there, ahead=timedelta(seconds=ahead)).arrive()

    @pytest.mark.parametrize(("ahead", "check"), [(-60, "iat"), (120, "exp")])
    def test_and_not_much(self, there, ahead, check):
        ours = Ours(there, ahead=timedelta(seconds=ahead))

        assert_refused(FranceConnectMistrusted(check), ours.arrive)


class TestBreaker:
    def test_who_is_away_several_times_in_a_row_is_left_alone(self, ours, there):
        codes = [ours.code() for _ in range(FAILURES + 1)]
        there.simulator.misbehave("token_down")
        for code in codes[:FAILURES]:
            assert not ours.client.is_away()
            assert_refused(FranceConnectAway("status"), lambda code=code: ours.finish(code))
        asked = len(there.simulator.calls)

        assert ours.client.is_away()
        assert_refused(FranceConnectAway("breaker"), lambda: ours.finish(codes[-1]))
        assert_refused(FranceConnectAway("breaker"), ours.begin)
        assert len(there.simulator.calls) == asked
        assert ours.watch.rests == [True]
        assert ours.watch.told[-1] == ("away", "breaker")

    def test_an_answer_between_failures_begins_the_count_anew(self, ours, there):
        for _ in range(FAILURES):
            for _ in range(FAILURES - 1):
                self.fail(ours, there)
            ours.arrive()

        assert not ours.client.is_away()

    @pytest.mark.parametrize("fault", ["id_token_signature", "token_invalid_client"])
    def test_mistrust_is_no_absence(self, ours, there, fault):
        there.simulator.misbehave(fault)
        for _ in range(FAILURES + 1):
            code = ours.code()
            assert_refused(FINISHED[fault], lambda code=code: ours.finish(code))

        assert not ours.client.is_away()

    def test_after_a_rest_the_next_person_finds_out_before_they_are_sent(self, ours, there):
        self.open(ours, there)
        ours.passed += REST_SECONDS
        assert not ours.client.is_away()
        there.simulator.misbehave("down")

        assert_refused(FranceConnectAway("status"), ours.begin)
        assert ours.client.is_away()
        there.simulator.behave()
        assert_refused(FranceConnectAway("breaker"), ours.begin)
        ours.passed += REST_SECONDS
        assert ours.arrive()
        assert ours.watch.rests == [True, False]
        assert not ours.client.is_away()

    def test_one_thread_tries_and_the_others_are_told_at_once(self, ours, there):
        self.open(ours, there)
        ours.passed += REST_SECONDS
        there.simulator.misbehave("frozen")
        trying = threading.Thread(target=ours.begin)
        trying.start()
        wait_for(ours.client.is_away)

        assert_refused(FranceConnectAway("breaker"), ours.begin)
        assert trying.is_alive()
        there.simulator.behave()
        trying.join()
        assert not ours.client.is_away()

    def open(self, ours, there):
        for _ in range(FAILURES):
            self.fail(ours, there)
        assert ours.client.is_away()

    def fail(self, ours, there):
        code = ours.code()
        there.simulator.misbehave("token_down")
        assert_refused(FranceConnectAway("status"), lambda: ours.finish(code))
        there.simulator.behave()


class TestBulkhead:
    def test_few_threads_wait_for_it_and_the_others_are_told_at_once(self, there):
        ours = Ours(there)
        codes = [ours.code() for _ in range(SEATS + 1)]
        asked = len(there.simulator.calls)

        there.simulator.misbehave(Fault(frozen=EVERYWHERE))
        waiting = [threading.Thread(target=ours.finish, args=[code]) for code in codes[:SEATS]]
        for one in waiting:
            one.start()
        wait_for(lambda: len(there.simulator.calls) == asked + SEATS)

        assert_refused(FranceConnectAway("busy"), lambda: ours.finish(codes[-1]))
        assert all(one.is_alive() for one in waiting)
        there.simulator.behave()
        for one in waiting:
            one.join()

    def test_slow_to_death_an_exchange_has_its_seconds_however_many_calls_it_makes(self, there):
        ours = Ours(there, seconds=0.4)
        code = ours.code()
        there.simulator.misbehave(Fault(seconds=dict.fromkeys(Endpoint, 0.35)))

        # Each of the three would be in time.
        assert_refused(FranceConnectAway("timeout"), lambda: ours.finish(code))

    def test_when_no_time_is_left_nobody_is_asked_any_more(self, there):
        calls = ServiceCalls(private_networks=(ip_network("127.0.0.0/8"),))
        exchange = Exchange(calls, seconds=5, end=10, monotonic=lambda: 10)

        assert_refused(FranceConnectAway("timeout"), lambda: exchange.get(f"{there.issuer}/jwks"))
        assert there.simulator.calls == []


def assert_refused(expected, act):
    """Expect one error, by its kind and word."""
    with pytest.raises(type(expected)) as refusal:
        act()
    assert str(refusal.value) == str(expected)


def assert_nothing_of_a_person_in(caplog, code):
    ours = [record for record in caplog.records if record.name == "idp"]  # and not werkzeug
    told = "\n".join(logging.Formatter().format(record) for record in ours)
    assert "FranceConnect" in told
    for secret in (code, "DURAND", "Camille", NONCE, "eyJ", "127.0.0.1"):
        assert secret not in told


def private(folder, content):
    file = folder / "file"
    file.touch(0o600)
    file.write_text(content)
    return file


def patience_with(fault):
    return SHORT if {"frozen", "trickling"} & set(fault.split("_")) else PATIENCE


def wait_for(condition):
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
