"""What services are promised when sessions end, and how a notice is sent or given up."""

from contextlib import nullcontext
from datetime import timedelta

import pytest

from idp import StoreUnavailable
from idp.oidc.backchannel_logout import NOTICE_LIFETIME
from idp.oidc.backchannel_logout import BackChannelLogout
from idp.oidc.backchannel_logout import Farewell
from idp.oidc.backchannel_logout import NoticeNotTaken
from idp.oidc.backchannel_logout import Outcome
from idp.oidc.backchannel_logout import Told
from idp.oidc.claims import sid_of
from idp.oidc.claims import sub_of
from idp.oidc.frontchannel_logout import FrontChannelLogout
from idp.oidc.keys import KeyRing
from idp.oidc.keys import NoSigningKey
from idp.oidc.keys import read_key
from idp.oidc.tokens import LOGOUT_TOKEN_TYPE
from idp.oidc.tokens import Tokens
from idp.promise import PromiseState
from idp.session import Ended
from idp.session import Session
from idp.session import SignedIn
from idp.session import Visit
from tests.fake_logout_notices import FakeLogoutPost
from tests.fake_logout_notices import MemoryLogoutNotices
from tests.fakes import MemoryAuditLog
from tests.fakes import MemoryClients
from tests.fakes import MemoryKeyRings
from tests.fakes import MemorySessions
from tests.fakes import client
from tests.fakes import signing_key
from tests.instance import NOON
from tests.instance import Clock

SALT = b"s" * 32
TOLD = client(backchannel_logout_uri="https://cotisations.example/sortie")
SILENT = client(client_id="silent")
EVERY_STATE = tuple(PromiseState)


class Scene:
    """Farewell and the sender, on stores in memory."""

    def __init__(self):
        self.clock = Clock()
        self.sessions = MemorySessions(idle=timedelta(minutes=30), now=self.clock)
        self.notices = MemoryLogoutNotices(self.clock)
        self.clients = MemoryClients(TOLD, SILENT)
        self.farewell = Farewell(self.sessions, self.notices, self.clients, lambda: SALT)
        self.post = FakeLogoutPost()
        self.audit = MemoryAuditLog()
        key = read_key(signing_key("ES256"), alg="ES256", signs_from=NOON - timedelta(days=1))
        self.rings = MemoryKeyRings(KeyRing([key], longest_token=timedelta(minutes=10)))
        self.tokens = Tokens(
            issuer="https://idp.example",
            rings=self.rings,
            pairwise_salt=SALT,
            access_token_lifetime=timedelta(minutes=5),
            id_token_lifetime=timedelta(minutes=10),
            now=self.clock,
        )
        self.sender = BackChannelLogout(
            notices=self.notices,
            clients=self.clients,
            tokens=self.tokens,
            post=self.post,
            audit=self.audit,
            transaction=nullcontext,
            now=self.clock,
        )

    def visited(self, key="key", account_id="account", client_id=TOLD.client_id):
        signed_in = SignedIn(account_id, 1, ("pwd",), "acr")
        opened = Session.open(signed_in, now=self.clock(), absolute=timedelta(hours=8))
        self.sessions.put(key, opened)
        self.sessions.inherit(key, [Visit(account_id, key, client_id)])

    @property
    def rows(self):
        return self.notices.rows(states=EVERY_STATE, limit=99)

    @property
    def events(self):
        return [told.event for told in self.audit.events]


@pytest.fixture
def scene():
    return Scene()


@pytest.fixture
def claimed(scene):
    scene.visited()
    scene.farewell.end_all("account")
    return scene.sender.claim()


def test_every_service_that_wants_to_be_told_is_promised_a_notice_once(scene):
    scene.visited("one")
    scene.visited("two")
    scene.visited("three", client_id=SILENT.client_id)
    scene.visited("four", client_id="gone")
    scene.visited("theirs", account_id="another")

    ended = scene.farewell.end_all("account")
    again = scene.farewell.end_all("account")

    assert (ended.alive, again.alive) == (4, 0)
    assert len(ended.visits) == 4
    assert {row.sid for row in scene.rows} == {sid_of(key, TOLD, SALT) for key in ("one", "two")}
    assert scene.farewell.promise(ended.visits) == 0


def test_a_new_session_of_the_same_person_answers_for_the_one_before(scene):
    scene.visited("former")

    scene.farewell.succeed("former", "key", "account")

    assert scene.rows == []
    assert scene.sessions.get("former") is None
    assert scene.sessions.end("key").visits == (Visit("account", "former", TOLD.client_id),)


def test_who_is_followed_by_somebody_else_is_signed_out_of_their_services(scene):
    scene.visited("former")

    scene.farewell.succeed("former", "key", "another")

    assert [row.account_id for row in scene.rows] == ["account"]
    assert scene.sessions.end("key") == Ended(0)


@pytest.mark.parametrize(
    ("end", "ended"),
    [
        (lambda farewell: farewell.end_one("mid"), {"mid"}),
        (lambda farewell: farewell.end_others("account", "mid"), {"old", "new"}),
        (lambda farewell: farewell.make_room("account", keep=1), {"old", "mid"}),
    ],
    ids=["one", "others", "room"],
)
def test_where_some_sessions_end_their_services_alone_are_told(scene, end, ended):
    for key in ("old", "mid", "new"):
        scene.visited(key)
        scene.clock.advance(timedelta(minutes=1))

    over = end(scene.farewell)

    assert over.alive == len(ended)
    assert {visit.session_key for visit in over.visits} == ended
    assert {row.sid for row in scene.rows} == {sid_of(key, TOLD, SALT) for key in ended}


def test_k4_a_notice_is_sent_with_a_token_of_that_moment(scene, claimed):
    scene.clock.advance(timedelta(minutes=9))

    assert scene.sender.send(claimed) == Told(Outcome.SENT)

    ((uri, token),) = scene.post.sent
    claims = scene.tokens.read(token, typ=LOGOUT_TOKEN_TYPE)
    assert uri == TOLD.backchannel_logout_uri
    assert claims["sub"] == sub_of("account", TOLD, SALT)
    assert claims["sid"] == sid_of("key", TOLD, SALT)
    assert claims["iat"] == int(scene.clock().timestamp())
    assert claims["exp"] == claims["iat"] + 120
    assert [row.state for row in scene.rows] == [PromiseState.DONE]
    assert scene.events == ["logout.sent"]


def test_a_service_that_wants_no_notice_any_more_gets_none(scene, claimed):
    scene.clients.add(client())

    assert scene.sender.send(claimed) == Told(Outcome.DROPPED, "no_address")
    assert scene.post.sent == []
    assert scene.events == ["logout.failed"]


def test_what_waited_too_long_is_buried(scene, claimed):
    scene.clock.advance(NOTICE_LIFETIME)

    assert scene.sender.send(claimed) == Told(Outcome.DEAD, "too_old")
    assert scene.post.sent == []
    assert scene.events == ["logout.dead"]


def test_a_service_that_is_away_is_asked_again_and_told_of_once_in_the_log(scene, claimed):
    scene.post.fault = NoticeNotTaken("service_timeout")

    first = scene.sender.send(claimed)
    early = scene.sender.claim()
    scene.clock.advance(timedelta(seconds=10))
    second = scene.sender.send(scene.sender.claim())

    assert first == second == Told(Outcome.PUT_OFF, "service_timeout", away=True)
    assert early is None
    assert scene.events == ["logout.failed"]


def test_a_service_that_refuses_is_not_asked_again(scene, claimed):
    scene.post.fault = NoticeNotTaken("answer_400", refused=True)

    assert scene.sender.send(claimed) == Told(Outcome.DEAD, "answer_400")
    assert [row.state for row in scene.rows] == [PromiseState.DEAD]
    assert scene.events == ["logout.dead"]


def test_a_store_that_goes_away_leaves_the_notice_where_it_was(scene, claimed):
    scene.clients.away = True

    with pytest.raises(StoreUnavailable):
        scene.sender.send(claimed)

    scene.clients.away = False
    assert scene.sender.claim().tries == 1


def test_without_a_key_that_signs_the_notice_waits(scene, claimed):
    scene.rings.current = KeyRing([], longest_token=timedelta(minutes=10))

    with pytest.raises(NoSigningKey):
        scene.sender.send(claimed)

    assert scene.rows[0].lease == ""


def test_who_lost_the_lease_tells_what_was_sent_and_nothing_else(scene, claimed):
    scene.clock.advance(timedelta(minutes=5))
    scene.sender.claim()

    scene.post.fault = NoticeNotTaken("service_timeout")
    scene.sender.send(claimed)
    scene.post.fault = None
    scene.sender.send(claimed)
    scene.clients.remove(TOLD.client_id)
    scene.sender.send(claimed)

    assert scene.events == ["logout.sent"]
    assert scene.rows[0].state is PromiseState.WAITING


def test_n3_frames_are_of_services_that_have_one_and_say_who_and_which_session():
    framed = client(client_id="framed", frontchannel_logout_uri="https://framed.example/x?a=b")
    front = FrontChannelLogout("https://idp.example", MemoryClients(framed, TOLD), SALT)
    visits = [Visit("account", "key", name) for name in ("framed", TOLD.client_id, "gone")]

    (frame,) = front.frames(visits)

    sid = sid_of("key", framed, SALT)
    assert frame == f"https://framed.example/x?a=b&iss=https%3A%2F%2Fidp.example&sid={sid}"
