"""Refresh tokens without HTTP: rotation, reuse, grace, and what every end of a family ends."""

import json
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.audit import Actor
from idp.audit import Event
from idp.identity.dossier import DossierStatus
from idp.oidc.access_tokens import InvalidAccessToken
from idp.oidc.authorization import grant_id_of
from idp.oidc.authorization import registered_still
from idp.oidc.params import PARAMETER_LIMIT
from idp.oidc.tokens import ACCESS_TOKEN_TYPE
from idp.oidc.tokens import ID_TOKEN_TYPE
from idp.oidc.userinfo import InsufficientScope
from tests.fakes import authorization
from tests.fakes import client
from tests.unit.oidc.test_provider import HERE
from tests.unit.oidc.test_provider import OTHER
from tests.unit.oidc.test_provider import Scene

SCOPE = ("openid", "dossier", "offline_access")
GRANTS = ("authorization_code", "refresh_token")
OFFLINE = client(scope=frozenset(SCOPE), grant_types=GRANTS)
PATIENT = client(client_id="patient", scope=frozenset(SCOPE), grant_types=GRANTS, refresh_grace=30)
OTHER_OFFLINE = replace(OTHER, scope=frozenset(SCOPE), grant_types=GRANTS)
PUBLIC = client(
    client_id="application",
    token_endpoint_auth_method="none",
    scope=frozenset(SCOPE),
    grant_types=GRANTS,
    secret_hashes=(),
)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
UNUSABLE = {
    "error": "invalid_grant",
    "error_description": "The refresh token is unknown, expired, revoked, or was used before.",
}


class OfflineScene(Scene):
    """A member's sign-in that went on at one of these services."""

    def __init__(self, name="cotisations"):
        super().__init__(OFFLINE, PATIENT, OTHER_OFFLINE, PUBLIC)
        self.name = name
        self.issue("offline", client_id=name, scope=SCOPE)
        self.first = self.ask(name, code="offline")
        assert self.first.status == 200
        self.token = self.first.body["refresh_token"]

    def refresh(self, token=None, name=None, **changes):
        form = {"grant_type": "refresh_token", "refresh_token": token or self.token}
        return self.ask(
            name or self.name, code=None, redirect_uri=None, code_verifier=None, **form | changes
        )

    def unproved(self, answer, token, name):
        return answer(
            [("token", token), ("client_id", name)], authorization="", network=HERE, actor=Actor()
        )

    def basic(self, answer, token, name=None, also=()):
        credentials = b64encode(f"{name or self.name}:the+secret".encode()).decode()
        pairs = [("token", token)] if token is not None else []
        return answer(
            [*pairs, *also], authorization=f"Basic {credentials}", network=HERE, actor=Actor()
        )

    def revoke(self, token, name=None, also=()):
        return self.basic(self.provider.answer_revocation, token, name, also)

    def introspect(self, token, name=None, also=()):
        return self.basic(self.provider.answer_introspection, token, name, also)

    def works(self, access_token):
        try:
            self.userinfo.tell(access_token)
        except InvalidAccessToken:
            return False
        return True


@pytest.fixture
def scene():
    return OfflineScene()


@pytest.fixture
def patient():
    return OfflineScene("patient")


def events(scene):
    return [event.event for event in scene.audit.events]


def test_b38_a_refresh_gives_new_tokens_of_the_same_sign_in_without_its_nonce(scene):
    scene.clock.advance(timedelta(hours=9))

    answer = scene.refresh()

    assert answer.status == 200
    assert ("Cache-Control", "no-store") in answer.headers
    assert answer.body["refresh_token"] != scene.token
    assert answer.body["scope"] == "openid dossier offline_access"
    first = scene.tokens.read(scene.first.body["id_token"], typ=ID_TOKEN_TYPE)
    second = scene.tokens.read(answer.body["id_token"], typ=ID_TOKEN_TYPE)
    kept = ("iss", "sub", "aud", "auth_time", "acr", "amr", "sid", "qualite")
    assert {name: first[name] for name in kept} == {name: second[name] for name in kept}
    assert first["nonce"] == "n"
    assert "nonce" not in second
    assert second["iat"] - first["iat"] == 9 * 3600
    assert answer.body["expires_in"] == 300
    assert scene.works(answer.body["access_token"])


def test_without_offline_access_there_is_no_refresh_token(scene):
    scene.issue("online")

    assert "refresh_token" not in scene.ask(code="online").body


def test_a_service_whose_grant_was_taken_back_gets_no_refresh_token(scene):
    scene.clients.add(replace(OFFLINE, grant_types=("authorization_code",)))
    scene.issue("later", scope=SCOPE)

    assert "refresh_token" not in scene.ask(code="later").body
    assert scene.refresh().body["error"] == "unauthorized_client"


def test_signing_out_ends_the_session_and_the_family_goes_on(scene):
    scene.sessions.end("session")

    assert scene.works(scene.first.body["access_token"])
    assert scene.refresh().status == 200


def test_the_store_holds_no_token(scene):
    (family,) = scene.families.kept.values()

    for half in scene.token.split("."):
        assert half not in repr(family)
    assert scene.token not in repr(scene.first)


def test_a_stolen_token_used_after_the_members_ends_the_family_and_its_access_tokens(scene):
    mine = scene.refresh()

    theft = scene.refresh()

    assert (theft.status, theft.body) == (400, UNUSABLE)
    assert events(scene) == [Event.REFRESH_REUSED]
    assert not scene.works(mine.body["access_token"])
    assert not scene.works(scene.first.body["access_token"])
    assert scene.refresh(mine.body["refresh_token"]).body == UNUSABLE
    assert scene.refresh().body == UNUSABLE
    assert events(scene) == [Event.REFRESH_REUSED]  # once: who sends it for ever fills no log


def test_a_stolen_token_used_before_the_members_is_found_out_by_the_member(scene):
    theft = scene.refresh()

    assert scene.refresh().body == UNUSABLE

    assert not scene.works(theft.body["access_token"])
    assert scene.refresh(theft.body["refresh_token"]).body == UNUSABLE


def test_a_token_of_an_earlier_generation_ends_the_family(scene):
    tokens = [scene.token]
    for _ in range(3):
        tokens.append(scene.refresh(tokens[-1]).body["refresh_token"])

    assert scene.refresh(tokens[1]).body == UNUSABLE
    assert scene.refresh(tokens[-1]).body == UNUSABLE


def test_a_token_made_of_two_halves_ends_the_family_of_the_first_alone(scene):
    other = OfflineScene()
    scene.issue("second", scope=SCOPE)
    second = scene.ask(code="second").body["refresh_token"]
    mixed = f"{scene.token.partition('.')[0]}.{second.partition('.')[2]}"

    assert other.refresh(scene.token).body == UNUSABLE
    assert scene.refresh(mixed).body == UNUSABLE
    assert scene.refresh().body == UNUSABLE
    assert scene.refresh(second).status == 200


def test_b38_a_token_of_another_client_is_unknown_and_stays_as_it_is(scene):
    theft = scene.refresh(name="retraite")

    assert (theft.status, theft.body) == (400, UNUSABLE)
    assert scene.refresh().status == 200
    assert events(scene) == []


@pytest.mark.parametrize(
    "token", ["x", ".", "a" * 22 + "." + "b" * 43, "é" * 66, "\ud800", "a.b.c"]
)
def test_what_is_no_token_of_ours_is_unknown(scene, token):
    assert scene.refresh(token).body == UNUSABLE
    assert scene.refresh().status == 200


def test_a_refresh_without_a_token_or_with_two_is_no_request(scene):
    assert scene.refresh(refresh_token="").body["error"] == "invalid_request"
    twice = [("refresh_token", scene.token)]
    assert scene.refresh(also=twice).body["error"] == "invalid_request"


@pytest.mark.parametrize(
    "changes",
    [
        {"credential_version": 4},
        {"dossier_status": DossierStatus.CLOSED},
        {"dossier_status": DossierStatus.DECEASED},
    ],
)
def test_a_token_replayed_after_password_or_dossier_changed_is_dead(scene, changes):
    scene.accounts.change("account", **changes)

    assert scene.refresh().body["error"] == "invalid_grant"
    assert scene.families.kept == {}
    assert not scene.works(scene.first.body["access_token"])


def test_a_family_ends_after_thirty_days_without_use(scene):
    scene.clock.advance(30 * DAY - SECOND)
    token = scene.refresh().body["refresh_token"]
    scene.clock.advance(30 * DAY)

    assert scene.refresh(token).body == UNUSABLE
    assert scene.families.kept == {}


def test_a_family_ends_after_half_a_year_however_busy(scene):
    token = scene.token
    for _ in range(7):
        scene.clock.advance(25 * DAY)
        token = scene.refresh(token).body["refresh_token"]
    scene.clock.advance(5 * DAY - SECOND)

    last = scene.refresh(token)

    assert last.body["expires_in"] == 1
    scene.clock.advance(SECOND)
    assert scene.refresh(last.body["refresh_token"]).body == UNUSABLE


def test_a_scope_may_be_narrowed_for_one_access_token_and_not_widened(scene):
    narrow = scene.refresh(scope="openid")

    assert narrow.body["scope"] == "openid"
    assert set(scene.userinfo.tell(narrow.body["access_token"]).claims) == {"sub"}
    assert "qualite" not in scene.tokens.read(narrow.body["access_token"], typ=ACCESS_TOKEN_TYPE)
    assert "qualite" in scene.userinfo.tell(scene.first.body["access_token"]).claims
    token = narrow.body["refresh_token"]
    assert scene.refresh(token, scope="openid email").body["error"] == "invalid_scope"
    wide = scene.refresh(token)  # a refusal used nothing up, and the family kept its scope
    assert wide.body["scope"] == "openid dossier offline_access"


def test_a_scope_taken_from_the_registration_is_gone_from_the_next_look_and_refresh(scene):
    scene.clients.add(replace(OFFLINE, scope=frozenset({"openid", "offline_access"})))

    assert set(scene.userinfo.tell(scene.first.body["access_token"]).claims) == {"sub"}
    answer = scene.refresh()
    assert answer.body["scope"] == "openid offline_access"
    assert "qualite" not in scene.tokens.read(answer.body["id_token"], typ=ID_TOKEN_TYPE)
    assert set(scene.userinfo.tell(answer.body["access_token"]).claims) == {"sub"}


def test_claims_asked_for_one_by_one_go_with_the_scope_that_opens_them(scene):
    named = {"userinfo_claims": ("email", "name"), "id_token_claims": ("gender", "email")}
    asking = replace(OFFLINE, client_id="named", scope=OFFLINE.scope | {"profile", "email"})
    scene.clients.add(asking)
    scene.issue("named", client_id="named", scope=SCOPE, **named)
    first = scene.ask("named", code="named").body

    def told(answer):
        id_token = scene.tokens.read(answer["id_token"], typ=ID_TOKEN_TYPE)
        claims = scene.userinfo.tell(answer["access_token"]).claims
        told = {*id_token, *(f"{name}*" for name in claims)}
        return told & {"gender", "email", "email*", "name*"}

    assert told(first) == {"gender", "email", "email*", "name*"}
    scene.clients.add(replace(asking, scope=asking.scope - {"email"}))
    assert told(scene.refresh(first["refresh_token"], "named").body) == {"gender", "name*"}


def test_a_service_that_is_one_of_others_by_now_keeps_claims_of_what_it_was_granted_alone():
    named = authorization(
        scope=("openid", "email"), userinfo_claims=("email", "name"), id_token_claims=("name",)
    )

    kept = registered_still(named, client(first_party=False))

    assert (kept.userinfo_claims, kept.id_token_claims) == (("email",), ())


def test_who_is_registered_for_offline_access_no_more_refreshes_nothing(scene):
    scene.clients.add(replace(OFFLINE, scope=frozenset({"openid", "dossier"})))

    assert scene.refresh().body["error"] == "invalid_grant"

    scene.clients.add(OFFLINE)
    assert scene.refresh().status == 200


def test_without_openid_there_is_no_id_token_and_nothing_at_userinfo(scene):
    answer = scene.refresh(scope="dossier")

    assert "id_token" not in answer.body
    with pytest.raises(InsufficientScope):
        scene.userinfo.tell(answer.body["access_token"])


def test_with_a_grace_a_retry_gets_the_same_successor(patient):
    first = patient.refresh()
    patient.clock.advance(30 * SECOND - timedelta(microseconds=1))

    retry = patient.refresh()

    assert retry.status == 200
    assert retry.body["refresh_token"] == first.body["refresh_token"]
    assert retry.body["access_token"] != first.body["access_token"]
    assert patient.works(first.body["access_token"])
    assert patient.refresh(first.body["refresh_token"]).status == 200
    assert events(patient) == []


def test_after_its_grace_a_retry_is_reuse(patient):
    first = patient.refresh()
    patient.clock.advance(30 * SECOND)

    assert patient.refresh().body == UNUSABLE
    assert patient.refresh(first.body["refresh_token"]).body == UNUSABLE
    assert events(patient) == [Event.REFRESH_REUSED]


def test_when_the_successor_was_used_a_retry_is_reuse_within_the_grace_too(patient):
    first = patient.refresh()
    second = patient.refresh(first.body["refresh_token"])

    assert patient.refresh().body == UNUSABLE
    assert patient.refresh(second.body["refresh_token"]).body == UNUSABLE


def test_a_grace_that_was_taken_back_is_none(patient):
    patient.refresh()
    patient.clients.add(replace(PATIENT, refresh_grace=0))

    assert patient.refresh().body == UNUSABLE


def test_what_is_kept_for_a_retry_opens_with_the_token_before_alone(patient):
    patient.refresh()

    (sealed,) = patient.families._sealed.values()
    assert sealed
    assert patient.token not in sealed


def test_without_a_grace_nothing_is_kept_for_a_retry(scene):
    scene.refresh()

    assert list(scene.families._sealed.values()) == [""]


def test_who_comes_second_in_a_race_is_reuse(scene):
    rotate = scene.families.rotate

    def outrun(family, renewed, *, sealed):
        scene.families.rotate = rotate
        assert scene.refresh().status == 200
        return rotate(family, renewed, sealed=sealed)

    scene.families.rotate = outrun

    assert scene.refresh().body == UNUSABLE
    assert scene.families.kept == {}
    assert events(scene) == [Event.REFRESH_REUSED]


def test_who_finds_the_family_ended_meanwhile_is_refused_and_nothing_is_told_twice(scene):
    def ended(*_, **__):
        scene.families.kept.clear()
        return False

    scene.families.rotate = ended

    assert scene.refresh().body == UNUSABLE
    assert events(scene) == []


def test_a_replayed_code_ends_the_family_that_it_gave(scene):
    token = scene.refresh().body["refresh_token"]

    assert scene.ask(code="offline").body["error"] == "invalid_grant"

    assert scene.refresh(token).body == UNUSABLE
    assert not scene.works(scene.first.body["access_token"])


def test_a_code_replayed_after_its_access_token_has_ended_still_ends_the_family(scene):
    scene.clock.advance(timedelta(minutes=20))

    scene.ask(code="offline")

    assert scene.refresh().body == UNUSABLE


def test_a_code_replayed_while_its_family_was_being_committed_ends_it(scene):
    assert scene.first.to_confirm == grant_id_of("offline")
    assert scene.provider.confirmed(scene.first) is scene.first
    scene.codes.revoke(grant_id_of("offline"))

    answer = scene.provider.confirmed(scene.first)

    assert (answer.status, answer.body["error"]) == (400, "invalid_grant")
    assert scene.families.kept == {}


def test_a_refresh_or_a_code_without_family_needs_no_second_look(scene):
    assert scene.refresh().to_confirm == ""
    assert scene.ask().to_confirm == ""


@given(
    st.sampled_from(["answer_token_request", "answer_revocation", "answer_introspection"]),
    st.lists(
        st.tuples(
            st.sampled_from(["grant_type", "refresh_token", "token", "scope", "token_type_hint"])
            | st.text(max_size=4),
            st.text(st.characters(), max_size=20)
            | st.sampled_from(["refresh_token", "openid", "a" * 22 + "." + "b" * 43, "e30.e30.x"]),
        ),
        max_size=6,
    ),
)
def test_whatever_is_sent_the_answer_is_json_and_holds_no_token(endpoint, pairs):
    scene = OfflineScene()
    credentials = b64encode(b"cotisations:the+secret").decode()

    answer = getattr(scene.provider, endpoint)(
        pairs, authorization=f"Basic {credentials}", network=HERE, actor=Actor()
    )

    assert answer.status in (200, 400)
    told = json.loads(json.dumps(answer.body))
    assert set(told) <= {"error", "error_description", "active"}
    assert not told.get("active")
    assert scene.refresh().status == 200


class TestRevocation:
    @pytest.mark.parametrize("hint", ["refresh_token", "access_token", "nonsense", ""])
    def test_a_refresh_token_ends_its_family_and_access_tokens_whatever_the_hint(self, scene, hint):
        answer = scene.revoke(scene.token, also=[("token_type_hint", hint)])

        assert (answer.status, answer.body) == (200, {})
        assert ("Cache-Control", "no-store") in answer.headers
        assert scene.refresh().body == UNUSABLE
        assert not scene.works(scene.first.body["access_token"])
        assert events(scene) == [Event.REFRESH_REVOKED]

    def test_a_token_that_was_used_ends_its_family_too(self, scene):
        token = scene.refresh().body["refresh_token"]

        scene.revoke(scene.token)

        assert scene.refresh(token).body == UNUSABLE

    @pytest.mark.parametrize("hint", ["refresh_token", "access_token"])
    def test_an_access_token_ends_alone_whatever_the_hint(self, scene, hint):
        second = scene.refresh()

        scene.revoke(scene.first.body["access_token"], also=[("token_type_hint", hint)])

        assert not scene.works(scene.first.body["access_token"])
        assert scene.works(second.body["access_token"])
        third = scene.refresh(second.body["refresh_token"])
        assert not scene.works(scene.first.body["access_token"])  # a refresh revives nothing
        assert scene.works(third.body["access_token"])

    def test_another_clients_tokens_stay_as_they_are_and_look_unknown(self, scene):
        unknown = scene.revoke("made up", "retraite")

        for token in (scene.token, scene.first.body["access_token"]):
            assert scene.revoke(token, "retraite") == unknown

        assert scene.works(scene.first.body["access_token"])
        assert scene.refresh().status == 200
        assert events(scene) == []

    def test_what_is_no_token_or_one_that_ended_is_answered_as_if_it_had_been_revoked(self, scene):
        expired = scene.first.body["access_token"]
        scene.clock.advance(timedelta(minutes=5))

        for token in ("x", "a.b.c", scene.first.body["id_token"], "a" * 9000, "\ud800", expired):
            assert scene.revoke(token).status == 200
        scene.revoke(scene.token)
        assert scene.revoke(scene.token).status == 200

    def test_an_access_token_that_we_would_not_write_changes_nothing(self, scene):
        claims = {"client_id": "cotisations", "iss": scene.tokens.issuer}
        for odd in ({"jti": 7, "exp": 9}, {"jti": "x", "exp": "soon"}):
            token = scene.tokens._sign(ACCESS_TOKEN_TYPE, claims | odd, OFFLINE)
            assert scene.revoke(token).status == 200
        assert scene.codes._revoked == {}

    def test_a_public_client_revokes_its_own(self):
        scene = Scene(PUBLIC)
        given = authorization(client_id="application", scope=SCOPE)
        token, _ = scene.refresh_tokens.start(given, "a grant")

        answer = scene.provider.answer_revocation(
            [("token", token), ("client_id", "application")],
            authorization="",
            network=HERE,
            actor=Actor(),
        )

        assert answer.status == 200
        assert scene.families.kept == {}

    def test_a_request_without_token_or_proof_is_refused(self, scene):
        assert scene.revoke(None).body["error"] == "invalid_request"
        twice = scene.revoke("x", also=[("token", "x")])
        assert (twice.status, twice.body["error"]) == (400, "invalid_request")
        many = [(f"x{n}", "1") for n in range(PARAMETER_LIMIT)]
        assert scene.revoke("x", also=many).body["error"] == "invalid_request"
        wrong = scene.unproved(scene.provider.answer_revocation, scene.token, "cotisations")
        assert (wrong.status, wrong.body["error"]) == (401, "invalid_client")
        assert scene.refresh().status == 200


class TestIntrospection:
    def test_an_access_token_is_told_to_its_own_service(self, scene):
        token = scene.first.body["access_token"]

        answer = scene.introspect(token, also=[("token_type_hint", "refresh_token")])

        claims = scene.tokens.read(token, typ=ACCESS_TOKEN_TYPE)
        assert answer.status == 200
        assert answer.body == {"active": True, "token_type": "Bearer", **claims}

    def test_a_refresh_token_is_told_with_its_end(self, scene):
        answer = scene.introspect(scene.token)

        now = int(scene.clock().timestamp())
        first = scene.tokens.read(scene.first.body["id_token"], typ=ID_TOKEN_TYPE)
        assert answer.body == {
            "active": True,
            "iss": scene.tokens.issuer,
            "sub": first["sub"],
            "client_id": "cotisations",
            "scope": "openid dossier offline_access",
            "iat": now,
            "exp": now + 30 * 86400,
        }

    def test_it_is_no_oracle_for_foreign_tokens(self, scene):
        unknown = scene.introspect("made up", "retraite")

        assert (unknown.status, unknown.body) == (200, {"active": False})
        for token in (scene.token, scene.first.body["access_token"], scene.first.body["id_token"]):
            assert scene.introspect(token, "retraite") == unknown

    def test_looking_at_a_used_token_tells_nothing_and_changes_nothing(self, scene):
        second = scene.refresh()

        assert scene.introspect(scene.token).body == {"active": False}
        assert scene.refresh(second.body["refresh_token"]).status == 200

    def test_what_was_revoked_expired_or_lost_its_person_is_inactive(self, scene):
        access = scene.first.body["access_token"]
        scene.revoke(access)
        assert scene.introspect(access).body == {"active": False}
        scene.accounts.change("account", credential_version=4)
        assert scene.introspect(scene.token).body == {"active": False}
        scene.accounts.entries.clear()
        assert scene.introspect(scene.token).body == {"active": False}
        scene.clock.advance(30 * DAY)
        assert scene.introspect(scene.token).body == {"active": False}

    def test_who_proves_nothing_is_told_nothing(self, scene):
        public = scene.unproved(scene.provider.answer_introspection, scene.token, "application")

        assert (public.status, public.body["error"]) == (401, "invalid_client")
        assert scene.introspect(None).body["error"] == "invalid_request"
