"""The token endpoint without HTTP: the order of its checks and what each refusal tells."""

import hashlib
import json
from base64 import b64encode
from base64 import urlsafe_b64decode
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import timedelta

import pytest
from authlib.oauth2.rfc6749.errors import InvalidGrantError
from hypothesis import given
from hypothesis import strategies as st

from idp import StoreUnavailable
from idp.audit import Actor
from idp.audit import Event
from idp.identity.account import Account
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.oidc.access_tokens import AccessTokens
from idp.oidc.access_tokens import InvalidAccessToken
from idp.oidc.authenticate import ClientAuthenticator
from idp.oidc.authorization import grant_id_of
from idp.oidc.consent import ConsentRule
from idp.oidc.grants import CODE_LIMIT
from idp.oidc.grants import AuthorizationCodeGrant
from idp.oidc.grants import RefreshTokenGrant
from idp.oidc.introspection import Introspection
from idp.oidc.keys import KeyRing
from idp.oidc.keys import read_key
from idp.oidc.params import Params
from idp.oidc.provider import Provider
from idp.oidc.provider import TokenRequest
from idp.oidc.refresh import RefreshTokens
from idp.oidc.revocation import Revocation
from idp.oidc.tokens import ACCESS_TOKEN_TYPE
from idp.oidc.tokens import ID_TOKEN_TYPE
from idp.oidc.tokens import Tokens
from idp.oidc.userinfo import Userinfo
from idp.session import Session
from tests.fake_consents import MemoryConsents
from tests.fake_refresh_families import MemoryRefreshFamilies
from tests.fake_service_grants import MemoryServiceGrants
from tests.fakes import DirectoryEntry
from tests.fakes import MemoryAccounts
from tests.fakes import MemoryAuditLog
from tests.fakes import MemoryClientFailures
from tests.fakes import MemoryClients
from tests.fakes import MemoryCodes
from tests.fakes import MemoryKeyRings
from tests.fakes import MemorySessions
from tests.fakes import assertions
from tests.fakes import authorization
from tests.fakes import client
from tests.fakes import signing_key
from tests.fakes import subject
from tests.instance import NOON
from tests.instance import Clock

ISSUER = "https://idp.example"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
CALLBACK = "https://cotisations.example/callback"
OTHER = client(client_id="retraite", redirect_uris=("https://retraite.example/cb",))
LEGACY = client(client_id="ancien", require_pkce=False)
HERE = "192.0.2.1"
CODE = "c" * 43


class Scene:
    """A provider over stores in memory, a live session, and a code that waits."""

    def __init__(self, *registered):
        self.clock = Clock()
        self.sessions = MemorySessions(idle=timedelta(minutes=30), now=self.clock)
        self.codes = MemoryCodes(self.sessions, tombstone=timedelta(hours=1), now=self.clock)
        self.service_grants = MemoryServiceGrants(now=self.clock)
        self.accounts = MemoryAccounts()
        self.audit = MemoryAuditLog()
        self.failures = MemoryClientFailures(limit=60, window=timedelta(minutes=10), now=self.clock)
        key = read_key(signing_key("ES256"), alg="ES256", signs_from=NOON - timedelta(days=1))
        self.tokens = Tokens(
            issuer=ISSUER,
            rings=MemoryKeyRings(KeyRing([key], longest_token=timedelta(minutes=10))),
            pairwise_salt=b"s" * 32,
            access_token_lifetime=timedelta(minutes=5),
            id_token_lifetime=timedelta(minutes=10),
            now=self.clock,
        )
        without_code = client(client_id="autre", grant_types=("refresh_token",))
        self.clients = MemoryClients(client(), OTHER, LEGACY, without_code, *registered)
        self.consent_rule = ConsentRule(MemoryConsents())
        self.access_tokens = AccessTokens(
            self.tokens,
            self.codes,
            self.service_grants,
            self.accounts,
            self.clients,
            self.consent_rule,
        )
        self.families = MemoryRefreshFamilies()
        self.refresh_tokens = RefreshTokens(
            self.families,
            self.codes,
            idle=timedelta(days=30),
            absolute=timedelta(days=180),
            access_token_lifetime=timedelta(minutes=5),
            now=self.clock,
        )
        self.provider = Provider(
            token_endpoint=f"{ISSUER}/token",
            authenticator=ClientAuthenticator(
                self.clients, self.failures, assertions(ISSUER, now=self.clock)
            ),
            codes=self.codes,
            service_grants=self.service_grants,
            subjects=self.accounts,
            consent_rule=self.consent_rule,
            tokens=self.tokens,
            refresh_tokens=self.refresh_tokens,
            revocation=Revocation(
                self.tokens, self.codes, self.service_grants, self.refresh_tokens
            ),
            introspection=Introspection(self.access_tokens, self.refresh_tokens, self.accounts),
            audit=self.audit,
        )
        self.userinfo = Userinfo(self.access_tokens)
        self.accounts.add(
            DirectoryEntry(
                Account("account", DossierStatus.ACTIVE, None, 3, None),
                Qualite.AFFILIE,
                NumeroDossier("1234567"),
                subject(),
            )
        )
        self.session = Session(
            "account", 3, ("pwd",), "urn:example:acr", NOON, NOON + timedelta(hours=8)
        )
        self.sessions.put("session", self.session)
        self.issue()

    def issue(self, code=CODE, **changes):
        given = authorization(**{"code_challenge": CHALLENGE, "nonce": "n", **changes})
        self.codes.put(code, given, lifetime=timedelta(seconds=60))

    def ask(self, name="cotisations", clear="the+secret", also=(), **changes):
        form = {
            "grant_type": "authorization_code",
            "code": CODE,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        } | changes
        pairs = [(key, value) for key, value in form.items() if value is not None]
        return self.provider.answer_token_request(
            [*pairs, *also],
            authorization=f"Basic {b64encode(f'{name}:{clear}'.encode()).decode()}",
            network=HERE,
            actor=Actor(network=HERE, request_id="r1"),
        )

    def refused(self, *args, **kwargs):
        answer = self.ask(*args, **kwargs)
        assert answer.status in (400, 401, 429)
        assert {"access_token", "id_token"}.isdisjoint(answer.body)
        return answer.body["error"]

    def granted(self, code=CODE):
        return self.codes.grant(grant_id_of(code)) is not None


@pytest.fixture
def scene():
    return Scene()


def test_a_code_is_redeemed_for_two_tokens_that_nobody_may_store(scene):
    answer = scene.ask()

    assert answer.status == 200
    assert set(answer.body) == {"access_token", "token_type", "expires_in", "scope", "id_token"}
    assert (answer.body["token_type"], answer.body["expires_in"]) == ("Bearer", 300)
    assert answer.body["scope"] == "openid dossier"
    assert dict(answer.headers) == {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "Pragma": "no-cache",
    }
    id_token = scene.tokens.read(answer.body["id_token"], typ=ID_TOKEN_TYPE)
    assert (id_token["nonce"], id_token["qualite"]) == ("n", "affilie")


def test_authlib_trap_11_no_refresh_token_and_no_ten_days(scene):
    answer = scene.ask()

    access_token = scene.tokens.read(answer.body["access_token"], typ=ACCESS_TOKEN_TYPE)
    assert "refresh_token" not in answer.body
    assert access_token["exp"] - access_token["iat"] == 300


def test_authlib_trap_03_a_replay_is_refused_revokes_and_is_audited(scene):
    scene.ask()
    assert scene.granted()

    assert scene.refused() == "invalid_grant"

    assert not scene.granted()
    for _ in range(10):
        assert scene.refused() == "invalid_grant"
    (event,) = scene.audit.events  # a code that is sent again for ever fills no log
    assert (event.event, event.client_id) == (Event.CODE_REPLAYED, "cotisations")
    assert CODE not in repr(event)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grant_type": None}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": 'é"'}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, "unauthorized_client"),
        ({"code": None}, "invalid_request"),
        ({"code": "unknown"}, "invalid_grant"),
        ({"code": "c" * (CODE_LIMIT + 1)}, "invalid_grant"),
        ({"code": "\ud800"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"redirect_uri": CALLBACK + "/"}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_grant"),
        ({"code_verifier": VERIFIER[:-1]}, "invalid_grant"),
        ({"code_verifier": VERIFIER[:-1] + "l"}, "invalid_grant"),
        ({"code_verifier": "é" * 43}, "invalid_grant"),
        ({"code_verifier": CHALLENGE}, "invalid_grant"),
        ({"client_id": "retraite"}, "invalid_request"),
        ({"client_secret": "x"}, "invalid_request"),
    ],
)
def test_each_fault_has_its_error_and_gives_nothing(scene, changes, error):
    assert scene.refused(**changes) == error


def test_authlib_trap_06_a_wrong_verifier_spends_the_code(scene):
    assert scene.refused(code_verifier="x" * 43) == "invalid_grant"

    assert scene.refused() == "invalid_grant"


def test_a_verifier_where_the_request_had_no_challenge_is_a_downgrade(scene):
    scene.issue("downgraded", client_id="ancien", code_challenge="")

    assert scene.refused("ancien", code="downgraded") == "invalid_grant"


def test_a_client_registered_without_pkce_redeems_without_a_verifier(scene):
    scene.issue("plain", client_id="ancien", code_challenge="")

    assert scene.ask("ancien", code="plain", code_verifier=None).status == 200


def test_a_stolen_code_that_another_client_sends_is_unknown_and_neither_spent_nor_revoked(scene):
    theft = {"redirect_uri": OTHER.redirect_uris[0]}
    unknown = {"error": "invalid_grant", "error_description": "The code is unknown or expired."}
    assert scene.ask("retraite", **theft).body == unknown

    assert scene.ask().status == 200
    assert scene.ask("retraite", **theft).body == unknown

    assert scene.granted()
    assert scene.audit.events == []


def test_a_client_that_is_not_registered_for_the_grant_is_told_so(scene):
    assert scene.refused("autre") == "unauthorized_client"


def test_a_parameter_sent_twice_or_a_hundred_and_one_are_refused_unread(scene):
    assert scene.refused(also=[("code", CODE)]) == "invalid_request"
    assert scene.refused(also=[(f"x{n}", "1") for n in range(97)]) == "invalid_request"
    assert scene.ask(also=[(f"x{n}", "1") for n in range(96)]).status == 200


def test_who_is_nobody_learns_nothing_of_what_is_served_and_is_audited(scene):
    for grant_type in ("authorization_code", "password"):
        assert scene.refused(clear="wrong", grant_type=grant_type) == "invalid_client"

    told = [(event.event, event.client_id, event.detail) for event in scene.audit.events]
    cause = {"cause": "client_secret: none of those that live"}
    assert told == [(Event.CLIENT_REFUSED, "cotisations", cause)] * 2
    assert scene.ask().status == 200


def test_what_a_stranger_sends_as_client_name_never_reaches_the_audit_log(scene):
    assert scene.refused("1234567 my dossier") == "invalid_client"

    (event,) = scene.audit.events
    assert (event.event, event.client_id) == (Event.CLIENT_REFUSED, None)
    assert event.detail == {"cause": "client_id: not registered"}


def test_after_sixty_wrong_secrets_the_network_is_told_how_long_to_wait(scene):
    for _ in range(60):
        scene.refused(clear="wrong")

    answer = scene.ask()

    assert (answer.status, answer.body["error"]) == (429, "temporarily_unavailable")
    assert dict(answer.headers)["Retry-After"] == "600"


@pytest.mark.parametrize(
    "changes",
    [
        {"dossier_status": DossierStatus.CLOSED},
        {"dossier_status": DossierStatus.DECEASED},
        {"credential_version": 4},
    ],
)
def test_a_code_dies_with_the_sign_in_behind_it(scene, changes):
    scene.accounts.change("account", **changes)

    assert scene.refused() == "invalid_grant"


def test_a_code_of_an_account_that_is_gone_is_refused(scene):
    scene.accounts.entries.clear()

    assert scene.refused() == "invalid_grant"


@pytest.mark.parametrize("store", ["codes", "accounts", "failures"])
def test_a_store_that_is_away_is_no_refusal(scene, store):
    getattr(scene, store).away = True

    with pytest.raises(StoreUnavailable):
        scene.ask()


@pytest.mark.parametrize("grant", [AuthorizationCodeGrant, RefreshTokenGrant])
def test_a_grant_that_nobody_validated_mints_nothing(scene, grant):
    request = TokenRequest(
        f"{ISSUER}/token", Params.of([]), authorization="", network=HERE, actor=Actor()
    )

    with pytest.raises(InvalidGrantError):
        grant(request, scene.provider).create_token_response()


def test_authlibs_signals_reach_nobody(scene):
    assert scene.provider.send_signal("after_authenticate_client", client=client()) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["grant_type", "code", "redirect_uri", "code_verifier", "client_id"])
            | st.text(max_size=4),
            st.text(st.characters(), max_size=20)
            | st.sampled_from(["authorization_code", CALLBACK, VERIFIER, "cotisations", '"']),
        ),
        max_size=6,
    )
)
def test_authlib_trap_05_whatever_is_sent_the_answer_is_an_error_in_json(pairs):
    answer = Scene().provider.answer_token_request(
        pairs,
        authorization=f"Basic {b64encode(b'cotisations:the+secret').decode()}",
        network=HERE,
        actor=Actor(),
    )

    assert answer.status == 400
    told = json.loads(json.dumps(answer.body))
    assert set(told) <= {"error", "error_description"}
    assert all(" " <= c <= "~" and c not in '"\\' for c in told.get("error_description", ""))


class TestUserinfo:
    @pytest.fixture
    def token(self, scene):
        return scene.ask().body["access_token"]

    def refused(self, scene, token):
        with pytest.raises(InvalidAccessToken) as refusal:
            scene.userinfo.tell(token)
        return str(refusal.value)

    def test_a_token_opens_the_claims_of_its_scope_under_its_own_sub(self, scene, token):
        claims = scene.userinfo.tell(token).claims

        assert claims.pop("sub") == scene.tokens.read(token, typ=ACCESS_TOKEN_TYPE)["sub"]
        assert claims == {
            "qualite": "affilie",
            "numero_dossier": "1234567",
            "situations": ["cotisant"],
        }

    def test_it_tells_what_the_directory_says_now(self, scene, token):
        entry = scene.accounts.entries["account"]
        entry.subject = replace(entry.subject, situations=("retraite_personnelle",))

        assert scene.userinfo.tell(token).claims["situations"] == ["retraite_personnelle"]

    def test_a_token_is_good_up_to_its_last_second(self, scene, token):
        scene.clock.advance(timedelta(seconds=299))
        assert scene.userinfo.tell(token).claims
        scene.clock.advance(timedelta(seconds=1))
        assert self.refused(scene, token) == "expired"

    def test_authlib_trap_13_an_id_token_opens_nothing(self, scene):
        assert self.refused(scene, scene.ask().body["id_token"]) == "typ is not at+jwt"

    def test_a_token_whose_code_was_replayed_is_dead(self, scene, token):
        scene.ask()

        assert self.refused(scene, token) == "revoked, or its session has ended"

    def test_a_removed_client_that_kept_its_token_reads_nobody(self, scene, token):
        userinfo = Userinfo(replace(scene.access_tokens, clients=MemoryClients(OTHER)))

        with pytest.raises(InvalidAccessToken, match="its client is gone"):
            userinfo.tell(token)

    def test_a_token_dies_with_its_session(self, scene, token):
        scene.sessions.end("session")

        assert self.refused(scene, token) == "revoked, or its session has ended"

    @pytest.mark.parametrize(
        "changes", [{"dossier_status": DossierStatus.CLOSED}, {"credential_version": 4}]
    )
    def test_a_token_dies_with_password_and_dossier(self, scene, token, changes):
        scene.accounts.change("account", **changes)

        assert self.refused(scene, token) == "its sign-in has ended"

    def test_a_token_dies_with_the_account(self, scene, token):
        scene.accounts.entries.clear()

        assert self.refused(scene, token) == "its sign-in has ended"

    @pytest.mark.parametrize(
        ("claims", "why"),
        [
            ({"aud": "somebody else"}, "for another audience"),
            ({"aud": ["somebody else"]}, "for another audience"),
            ({"aud": []}, "for nobody"),
            ({"aud": [7]}, "for nobody"),
            ({"aud": None}, "for nobody"),
            ({"sub": "cotisations"}, "revoked"),
            ({"exp": "soon"}, "expired"),
            ({"exp": None}, "expired"),
            ({"jti": 7}, "claims"),
            ({"sub": None}, "claims"),
            ({"scope": ["openid"]}, "claims"),
        ],
    )
    def test_a_token_that_we_would_not_write_opens_nothing(self, scene, token, claims, why):
        # Signed by us all the same: what another endpoint might mint one day.
        class Signing(Tokens):
            def _sign(self, typ, written, registered):
                return super()._sign(typ, {**written, **claims}, registered)

        names = ("issuer", "rings", "pairwise_salt", "access_token_lifetime", "id_token_lifetime")
        signing = Signing(**{n: getattr(scene.tokens, n) for n in names}, now=scene.clock)
        grant_id = scene.tokens.read(token, typ=ACCESS_TOKEN_TYPE)["jti"].partition(".")[0]
        made = signing.access_token(authorization(), subject(), client(), grant_id)

        assert self.refused(scene, made.jwt) == why


def test_a_token_tells_no_more_of_its_grant_than_its_name(scene):
    token = scene.ask().body["access_token"]
    body = token.split(".")[1]

    assert CODE.encode() not in urlsafe_b64decode(body + "=" * (-len(body) % 4))
