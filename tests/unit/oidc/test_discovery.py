import json
from datetime import timedelta

from idp.oidc.discovery import PublishedKeys
from idp.oidc.discovery import document
from idp.oidc.discovery import metadata
from idp.oidc.keys import KeyRing
from idp.oidc.keys import read_key
from tests.fakes import MemoryKeyRings
from tests.fakes import signing_key
from tests.instance import NOON
from tests.instance import Clock

HOUR = timedelta(hours=1)
TEN_MINUTES = timedelta(minutes=10)
ISSUER = "https://idp.example"


def key(number, signs_from):
    return read_key(signing_key("ES256", number), alg="ES256", signs_from=signs_from)


def ring(*keys):
    return KeyRing(keys, longest_token=HOUR)


def kids(published):
    return [jwk["kid"] for jwk in json.loads(published.body)["keys"]]


class TestDocument:
    def test_its_etag_depends_on_nothing_but_its_content(self):
        one, same = document({"a": 1}, TEN_MINUTES), document({"a": 1}, HOUR)

        assert one.etag == same.etag != document({"a": 2}, TEN_MINUTES).etag
        assert one.etag.startswith('"')
        assert one.etag.endswith('"')

    def test_it_says_how_long_it_may_be_kept(self):
        assert document({}, TEN_MINUTES).cache_control == "public, max-age=600"

    def test_its_bytes_are_json(self):
        assert json.loads(document({"é": [1]}, HOUR).body) == {"é": [1]}


class TestMetadata:
    def test_every_prompt_that_shows_its_page_is_announced(self):
        described = metadata(ISSUER, acr_values=("a",))

        assert described["prompt_values_supported"] == [
            "none",
            "login",
            "consent",
            "select_account",
            "create",
        ]

    def test_every_address_is_built_from_the_issuer(self):
        described = metadata(ISSUER, acr_values=("a",))

        addresses = {
            name: value
            for name, value in described.items()
            if name.endswith("_endpoint") or name == "jwks_uri"
        }
        assert described["issuer"] == ISSUER
        assert len(addresses) == 7
        assert all(str(value).startswith(f"{ISSUER}/") for value in addresses.values())

    def test_it_promises_only_what_is_served(self):
        described = metadata(ISSUER, acr_values=("a", "b"))

        assert described["response_types_supported"] == ["code"]
        assert described["code_challenge_methods_supported"] == ["S256"]
        assert described["acr_values_supported"] == ["a", "b"]
        assert described["request_uri_parameter_supported"] is False

    def test_authlib_trap_08_the_issuer_in_answers_is_advertised(self):
        described = metadata(ISSUER, acr_values=())

        assert described["authorization_response_iss_parameter_supported"] is True

    def test_authlib_trap_14_no_algorithm_without_a_key_is_advertised(self):
        described = metadata(ISSUER, acr_values=())

        assert described["id_token_signing_alg_values_supported"] == ["RS256", "ES256"]


class TestPublishedKeys:
    def test_public_halves_are_published_and_nothing_private(self):
        rings = MemoryKeyRings(ring(key(1, NOON - HOUR), key(2, NOON + HOUR)))

        published = PublishedKeys(rings, max_age=TEN_MINUTES, now=Clock()).document()

        keys = json.loads(published.body)["keys"]
        assert [set(jwk) for jwk in keys] == [{"kty", "crv", "x", "y", "kid", "use", "alg"}] * 2
        assert published.cache_control == "public, max-age=600"

    def test_the_bytes_are_made_once_while_nothing_changes(self):
        clock = Clock()
        keys = PublishedKeys(
            MemoryKeyRings(ring(key(1, NOON - HOUR))), max_age=TEN_MINUTES, now=clock
        )
        first = keys.document()

        clock.advance(1000 * HOUR)

        assert keys.document() is first

    def test_a_new_ring_is_published_at_once(self):
        rings = MemoryKeyRings(ring(key(1, NOON - HOUR)))
        keys = PublishedKeys(rings, max_age=TEN_MINUTES, now=Clock())
        first = keys.document()

        rings.current = ring(key(1, NOON - HOUR), key(2, NOON + HOUR))

        assert len(kids(keys.document())) == 2
        assert keys.document().etag != first.etag

    def test_a_retired_key_leaves_at_its_instant_though_no_file_changed(self):
        clock = Clock()
        rings = MemoryKeyRings(ring(key(1, NOON - HOUR), key(2, NOON)))
        keys = PublishedKeys(rings, max_age=TEN_MINUTES, now=clock)
        both = keys.document()

        clock.advance(HOUR - timedelta(microseconds=1))
        assert keys.document().body is both.body
        assert keys.document().etag == both.etag
        clock.advance(timedelta(microseconds=1))
        assert kids(keys.document()) == [key(2, NOON).kid]

    def test_a_copy_may_be_kept_until_a_key_leaves_the_list_and_no_longer(self):
        clock = Clock()
        rings = MemoryKeyRings(ring(key(1, NOON - HOUR), key(2, NOON)))
        keys = PublishedKeys(rings, max_age=TEN_MINUTES, now=clock)

        def told(*, before):
            clock.at = NOON + HOUR - before
            return keys.document().cache_control

        assert told(before=HOUR) == "public, max-age=600"
        assert told(before=TEN_MINUTES) == "public, max-age=600"
        assert told(before=timedelta(minutes=9)) == "public, max-age=540"
        assert told(before=timedelta(milliseconds=10)) == "public, max-age=1"
        assert told(before=timedelta(0)) == "public, max-age=600"

    def test_the_document_names_its_keys(self):
        rings = MemoryKeyRings(ring(key(1, NOON - HOUR), key(2, NOON)))
        published = PublishedKeys(rings, max_age=TEN_MINUTES, now=Clock()).document()

        assert list(published.kids) == kids(published)

    def test_a_rotation_seen_by_another_thread_meanwhile_is_not_undone(self):
        # The slow thread has read the old ring; the new one is published before it is done.
        old, new = ring(key(1, NOON - HOUR)), ring(key(1, NOON - HOUR), key(2, NOON + HOUR))
        rings = MemoryKeyRings(old)

        class Interrupted(PublishedKeys):
            meanwhile = False

            def __setattr__(self, name, value):
                super().__setattr__(name, value)
                if self.meanwhile:
                    self.meanwhile = False
                    rings.current = new
                    self.document()

        keys = Interrupted(rings, max_age=TEN_MINUTES, now=Clock())
        super(Interrupted, keys).__setattr__("meanwhile", True)
        keys.document()

        assert len(kids(keys.document())) == 2
