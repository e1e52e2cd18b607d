"""A year of daily rotations on a real folder, under a clock of its own, and who verifies meanwhile.

The relying services keep the list of keys for an hour, as the header lets them, and never ask again
because a kid is unknown to them: the strictest there are.
"""

import json
import random
import re
from datetime import timedelta

from joserfc import jwt
from joserfc.jwk import KeySet

from idp.infra.key_files import KeyFiles
from idp.oidc.discovery import PublishedKeys
from idp.oidc.rotation import MARGIN
from idp.oidc.rotation import RotationPolicy
from idp.oidc.rotation import due
from idp.oidc.tokens import Tokens
from tests.fakes import authorization
from tests.fakes import client
from tests.fakes import subject
from tests.instance import NOON
from tests.instance import Clock

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
POLICY = RotationPolicy(lifetime=90 * DAY, announced=DAY, cached=HOUR)
TOKEN = 10 * MINUTE
SIGN_INS_A_DAY = 3
SERVICES = 5


class Service:
    """A relying service; each fetched first at another time of the hour."""

    def __init__(self, published, clock, alg):
        self.client = client(id_token_signed_response_alg=alg)
        self._published = published
        self._clock = clock
        self._fresh_until = clock()

    def verify(self, token):
        if self._clock() >= self._fresh_until:
            document = self._published.document()
            age = int(re.fullmatch("public, max-age=([0-9]+)", document.cache_control)[1])
            self._keys = KeySet.import_key_set(json.loads(document.body))
            self._fresh_until = self._clock() + timedelta(seconds=age)
        return jwt.decode(token, self._keys, algorithms=["ES256", "RS256"])


def rotate(files, clock, published_at):
    """What the command does, and when each key was published."""
    with files.alone() as ring:
        for key in due(ring, POLICY, clock()):
            files.add(key.alg, key.signs_from)
    files.prune(clock())
    for key in files.ring():
        published_at.setdefault(key.kid, clock())


def test_in_a_year_no_service_refuses_a_token_and_no_key_signs_unannounced(tmp_path):
    clock, chance, published_at, signed_by = Clock(NOON), random.Random(5), {}, {}  # noqa: S311 - hours of a day
    files = KeyFiles(
        tmp_path / "keys",
        longest_token=TOKEN + MARGIN,
        longest_hint=30 * DAY,
        monotonic=lambda: clock().timestamp(),
    )
    published = PublishedKeys(files, max_age=POLICY.cached, now=clock)
    tokens = Tokens("https://idp.example", files, b"s" * 32, 5 * MINUTE, TOKEN, clock)
    rotate(files, clock, published_at)
    services = [Service(published, clock, "RS256" if n == 0 else "ES256") for n in range(SERVICES)]
    hints = []

    for day in range(365):
        clock.at = NOON + day * DAY
        rotate(files, clock, published_at)
        for moment in sorted(chance.uniform(0, 86_000) for _ in range(SIGN_INS_A_DAY)):
            clock.at = NOON + day * DAY + timedelta(seconds=moment)
            minted = [
                tokens.id_token(authorization(auth_time=clock()), subject(), service.client)
                for service in services
            ]
            for when in (timedelta(), TOKEN - timedelta(seconds=1)):
                clock.at += when
                for service, token in zip(services, minted, strict=True):
                    kid = service.verify(token).header["kid"]
                    signed_by.setdefault(kid, clock())
            hints.append((clock(), minted[-1]))
        # The oldest hint that a session or an idle refresh token may still bring back.
        while hints and hints[0][0] < clock() - 30 * DAY:
            hints.pop(0)
        assert tokens.read(hints[0][1], typ="JWT")

    assert len(signed_by) == 10  # five keys of each algorithm
    for kid, first_signed in signed_by.items():
        first = published_at[kid] == NOON
        assert first or first_signed - published_at[kid] >= POLICY.announced
    assert len(list((tmp_path / "keys").glob("*.pem"))) <= 6  # what was spent is gone
