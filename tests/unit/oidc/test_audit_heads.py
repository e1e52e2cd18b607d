"""Heads of the audit log: nothing else passes for one, and it passes for nothing else."""

from dataclasses import replace
from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import timedelta

import pytest

from idp.audit_sealing import BadSignature
from idp.audit_sealing import HeadFacts
from idp.oidc.audit_heads import HEAD_TYPE
from idp.oidc.audit_heads import SignedHeads
from idp.oidc.keys import KeyRing
from idp.oidc.keys import NoSigningKey
from idp.oidc.keys import read_key
from idp.oidc.signer import generate
from idp.oidc.signer import signed_jwt

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
ISSUER = "https://connexion.example.org"
FACTS = HeadFacts(3, date(2026, 11, 30), 7, "a" * 64, "b" * 64, vouches=True)
OLD, NEW, RSA = (
    read_key(generate(alg), alg=alg, signs_from=NOON - age)
    for alg, age in (
        ("ES256", timedelta(days=9)),
        ("ES256", timedelta(hours=1)),
        ("RS256", timedelta(days=9)),
    )
)


class Rings:
    """The ring a test says it is."""

    def __init__(self, *keys):
        self.keys = keys

    def ring(self):
        return KeyRing(self.keys, longest_token=timedelta(minutes=10))


class NamedLikeOld:
    """A key that calls itself by the name of another."""

    def __init__(self, signer):
        self.kid, self.alg, self.public_jwk = OLD.kid, signer.alg, signer.public_jwk
        self.sign = signer.sign


def heads(*keys, **options):
    return SignedHeads(ISSUER, Rings(*keys), lambda: NOON, **options)


def forged(head, claims=None, typ=HEAD_TYPE, key=OLD.signer, **changes):
    """A head as its key might have signed it, of whatever it says."""
    said = {
        "iss": ISSUER,
        "head": 3,
        "day": "2026-11-30",
        "seal": 7,
        "hash": "a" * 64,
        "previous": "b" * 64,
        "vouches": True,
    } | (claims or {})
    return replace(head, jws=signed_jwt(key, typ, said), **changes)


def test_a_head_says_what_was_signed():
    signer = heads(OLD, RSA)

    head = signer.sign(FACTS)
    read = signer.read(head)

    assert (read.facts, read.key_is_ours) == (FACTS, True)
    assert (head.number, head.day, head.seal) == (3, FACTS.day, 7)
    assert (head.public_jwk["kid"], "d" in head.public_jwk) == (OLD.kid, False)


def test_where_no_key_of_the_short_algorithm_signs_the_other_does():
    head = heads(RSA).sign(FACTS)

    assert head.public_jwk["kid"] == RSA.kid
    assert heads(RSA).read(head).key_is_ours


def test_without_a_key_nothing_is_signed():
    with pytest.raises(NoSigningKey):
        heads().sign(FACTS)


def test_a_head_outlives_its_key_and_says_so():
    head = heads(OLD).sign(FACTS)

    assert heads(NEW).read(head).key_is_ours is False
    assert heads(NEW, trusted=[OLD.kid]).read(head).key_is_ours is True


def test_whether_the_key_of_today_made_it_is_known():
    head = heads(OLD).sign(FACTS)

    assert heads(OLD).is_of_today(head)
    assert not heads(OLD, NEW).is_of_today(head)


HEAD = heads(OLD).sign(FACTS)


@pytest.mark.parametrize(
    "head",
    [
        replace(HEAD, jws=HEAD.jws[:-4] + "AAAA"),
        replace(HEAD, jws="no jws"),
        replace(HEAD, jws="a" * 5000),
        replace(HEAD, public_jwk=NEW.public_jwk),
        replace(HEAD, public_jwk={}),
        replace(HEAD, public_jwk={"kty": "oct", "k": "AAAA"}),
        replace(HEAD, public_jwk={"kty": "EC", "crv": "P-256", "x": "!", "y": "!"}),
        replace(HEAD, number=4),
        replace(HEAD, day=date(2026, 12, 1)),
        replace(HEAD, seal=8),
        forged(HEAD, typ="JWT"),
        forged(HEAD, typ="at+jwt"),
        forged(HEAD, {"iss": "https://other.example.org"}),
        forged(HEAD, {"day": "yesterday"}),
        forged(HEAD, {"head": "3"}),
        forged(HEAD, {"seal": None}),
        forged(HEAD, {"hash": 7}),
        forged(HEAD, {"previous": 7}),
        forged(HEAD, {"vouches": "yes"}),
        forged(HEAD, key=NEW.signer, public_jwk={**NEW.public_jwk, "x": OLD.public_jwk["x"]}),
        replace(
            forged(HEAD, key=NamedLikeOld(NEW.signer)),
            public_jwk={**NEW.public_jwk, "kid": OLD.kid},
        ),
    ],
)
def test_what_is_no_head_of_ours_is_refused(head):
    with pytest.raises(BadSignature):
        heads(OLD).read(head)


def test_the_control_is_read():
    assert heads(OLD).read(forged(HEAD)).facts == FACTS
