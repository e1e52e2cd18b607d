"""Refresh families: the same contract in memory, on SQLite and on PostgreSQL."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from contextlib import nullcontext
from dataclasses import dataclass
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import column
from sqlalchemy import delete
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import table

from idp import StoreUnavailable
from idp.infra.codes import RedisCodes
from idp.infra.redis_store import RedisStore
from idp.infra.refresh_families import SqlRefreshFamilies
from idp.infra.sql import Database
from idp.infra.tables import AccountRow
from idp.infra.tables import ClientRow
from idp.infra.tables import DossierRow
from idp.infra.tables import RefreshFamilyRow
from idp.oidc.authorization import Authorization
from idp.oidc.refresh import Family
from idp.oidc.refresh import RefreshTokenRefused
from idp.oidc.refresh import RefreshTokenReused
from idp.oidc.refresh import RefreshTokens
from tests.fake_refresh_families import MemoryRefreshFamilies
from tests.fakes import client
from tests.instance import NOON
from tests.instance import Clock
from tests.schema import migrate

pytestmark = pytest.mark.stores

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
FAMILY = Family(
    id="f" * 43,
    authorization=Authorization(
        client_id="cotisations",
        redirect_uri="",
        scope=("openid", "dossier", "offline_access"),
        account_id="a" * 22,
        credential_version=3,
        session_key="s" * 43,
        session_ends_at=NOON + 180 * DAY,
        auth_time=NOON - MINUTE,
        acr="urn:example:acr",
        amr=("pwd", "otp"),
        resources=("https://api.example/paiements", "urn:example:api"),
        userinfo_claims=("email", "name"),
        id_token_claims=("given_name",),
    ),
    grant_id="g" * 24,
    token_hash="1" * 43,
    former_hash="",
    started_at=NOON,
    rotated_at=NOON,
    expires_at=NOON + 30 * DAY,
)
RENEWED = replace(
    FAMILY,
    token_hash="2" * 43,
    former_hash="1" * 43,
    rotated_at=NOON + MINUTE,
    expires_at=NOON + 31 * DAY,
)


@dataclass
class Registry:
    """Families, each act in a transaction of its own."""

    families: MemoryRefreshFamilies | SqlRefreshFamilies
    transaction: Callable[[], AbstractContextManager[None]]

    def act(self, name: str, *words: object, **named: object) -> object:
        with self.transaction():
            return getattr(self.families, name)(*words, **named)

    def find(self, family_id: str = FAMILY.id) -> object:
        return self.act("find", family_id)


def sql_registry(app: Flask, url: str) -> tuple[Registry, Database]:
    migrate(url)
    database = Database(app, url)
    with database.transaction():
        made = database.execute(
            insert(DossierRow).values(
                qualite="affilie", numero_dossier="1234567", family_name="L", updated_at=NOON
            )
        )
        database.execute(
            insert(AccountRow).values(
                id="a" * 22,
                dossier_id=made.inserted_primary_key[0],  # type: ignore[attr-defined]
                created_at=NOON,
            )
        )
        database.execute(
            insert(ClientRow),
            {"client_id": "cotisations", "metadata": {}, "created_at": NOON, "updated_at": NOON},
        )
    return Registry(SqlRefreshFamilies(database), database.transaction), database


@pytest.fixture
def app():
    with Flask("families").app_context() as context:
        yield context.app


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def registry(request, app):
    if request.param == "memory":
        yield Registry(MemoryRefreshFamilies(), nullcontext)
        return
    made, database = sql_registry(app, request.getfixturevalue(f"{request.param}_url"))
    yield made
    database.engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def real(request, app):
    made, database = sql_registry(app, request.getfixturevalue(f"{request.param}_url"))
    yield app, made, database
    database.engine.dispose()


@pytest.fixture
def started(registry):
    registry.act("start", FAMILY)
    return registry


def test_a_family_is_read_back_as_it_was_begun(started):
    assert started.find() == FAMILY
    assert started.find("x" * 43) is None


def test_a_family_that_an_earlier_version_wrote_asks_for_nothing_that_came_later(real):
    _, registry, database = real
    later = ("resources", "userinfo_claims", "id_token_claims")
    registry.act("start", FAMILY)
    with database.transaction():
        kept = database.execute(select(RefreshFamilyRow.__table__)).one()._asdict()
    registry.act("end", FAMILY.id)
    columns = [c for c in RefreshFamilyRow.__table__.c if c.name not in later]
    earlier = table("refresh_families", *(column(c.name, c.type) for c in columns))

    with database.transaction():
        database.execute(insert(earlier), {c.name: kept[c.name] for c in columns})

    silent = replace(FAMILY.authorization, **dict.fromkeys(later, ()))
    assert registry.find() == replace(FAMILY, authorization=silent)


def test_a_token_is_replaced_by_who_presents_the_current_one_and_by_nobody_else(started):
    assert started.act("rotate", FAMILY, RENEWED, sealed="sealed")

    assert started.find() == RENEWED
    third = replace(RENEWED, token_hash="3" * 43)
    assert not started.act("rotate", FAMILY, third, sealed="")
    assert not started.act("rotate", replace(FAMILY, id="x" * 43), third, sealed="")
    assert started.find() == RENEWED


def test_a_retry_reads_the_sealed_successor_of_the_token_before_and_of_its_time_alone(started):
    started.act("rotate", FAMILY, RENEWED, sealed="sealed")

    def kept(former, since):
        return started.act("sealed_successor", FAMILY.id, former, since=since)

    instant = timedelta(microseconds=1)
    assert kept("1" * 43, NOON + MINUTE - instant) == "sealed"
    assert kept("1" * 43, NOON + MINUTE) == ""
    assert kept("2" * 43, NOON) == ""
    assert started.act("sealed_successor", "x" * 43, "1" * 43, since=NOON) == ""
    assert started.find() == RENEWED


def test_what_the_next_rotation_keeps_replaces_what_was_kept(started):
    started.act("rotate", FAMILY, RENEWED, sealed="sealed")
    third = replace(RENEWED, token_hash="3" * 43, former_hash="")

    assert started.act("rotate", RENEWED, third, sealed="")

    assert started.act("sealed_successor", FAMILY.id, "1" * 43, since=NOON) == ""


def test_a_family_ends_once(started):
    assert started.act("end", FAMILY.id)

    assert not started.act("end", FAMILY.id)
    assert started.find() is None
    assert not started.act("rotate", FAMILY, RENEWED, sealed="")


def test_a_family_ends_by_the_name_of_its_grant(started):
    assert not started.act("end_of_grant", "x" * 24)
    assert started.act("end_of_grant", FAMILY.grant_id)
    assert not started.act("end_of_grant", FAMILY.grant_id)
    assert started.find() is None


def test_the_families_of_an_account_are_read_oldest_first(started):
    later = replace(FAMILY, id="e" * 43, grant_id="e" * 24, started_at=NOON + DAY)
    started.act("start", later)

    assert started.act("of_account", "a" * 22) == [FAMILY, later]
    assert started.act("of_account", "x" * 22) == []


def test_what_a_service_keeps_of_an_account_ends_at_once_and_names_its_grants(started):
    started.act("start", replace(FAMILY, id="e" * 43, grant_id="e" * 24))

    assert started.act("end_of_client", "a" * 22, "autre") == []
    assert started.act("end_of_client", "x" * 22, "cotisations") == []
    ended = started.act("end_of_client", "a" * 22, "cotisations")

    assert sorted(ended) == ["e" * 24, "g" * 24]
    assert started.act("of_account", "a" * 22) == []


def test_what_services_got_in_the_time_of_a_key_ends_and_names_its_grants(started):
    since, until = FAMILY.rotated_at, FAMILY.rotated_at + timedelta(seconds=1)

    def end(*names, since=since, until=until):
        return started.act("end_given", names, since=since, until=until)

    assert end("autre") == end() == []
    assert end("cotisations", since=until, until=until + timedelta(days=1)) == []
    assert end("cotisations", since=since - timedelta(days=1), until=since) == []
    assert end("autre", "cotisations") == [FAMILY.grant_id]
    assert started.find() is None


def test_expired_families_are_forgotten_and_the_others_kept(started):
    started.act("start", replace(FAMILY, id="l" * 43, grant_id="l" * 24, expires_at=NOON + DAY))

    assert started.act("forget", NOON + DAY - timedelta(microseconds=1)) == 0
    assert started.act("forget", NOON + DAY) == 1
    assert started.find() == FAMILY


@pytest.mark.parametrize("row", [ClientRow, AccountRow])
def test_a_family_ends_with_its_service_and_with_its_account(real, row):
    _, registry, database = real
    registry.act("start", FAMILY)

    with database.transaction():
        database.execute(delete(row))

    assert registry.find() is None


def test_of_twenty_rotations_at_once_one_succeeds(real, at_once):
    app, registry, _ = real
    registry.act("start", FAMILY)

    def rotate():
        with app.app_context():
            return registry.act("rotate", FAMILY, RENEWED, sealed="")

    results = at_once(rotate, 20)

    # A pool of connections has its bound; who had to wait too long was no success.
    assert results.count(True) == 1
    assert all(r is False or isinstance(r, (bool, StoreUnavailable)) for r in results)


def refresh_tokens(families: SqlRefreshFamilies, codes: RedisCodes) -> RefreshTokens:
    return RefreshTokens(
        families,
        codes,
        idle=30 * DAY,
        absolute=180 * DAY,
        access_token_lifetime=5 * MINUTE,
        now=lambda: NOON,
    )


class Slow(SqlRefreshFamilies):
    """Takes its time between the statement that wins the family and what follows it."""

    def __init__(self, database, rotated):
        super().__init__(database)
        self.rotated = rotated

    def rotate(self, family, renewed, *, sealed):
        won = super().rotate(family, renewed, sealed=sealed)
        self.rotated.set()
        time.sleep(0.3)
        return won


def test_a_revocation_during_a_rotation_ends_the_access_token_that_the_rotation_gives(
    real, valkey_url
):
    app, registry, database = real
    store, rotated = RedisStore(valkey_url), threading.Event()
    tokens = refresh_tokens(
        Slow(database, rotated), RedisCodes(store, session_absolute=timedelta(hours=8), now=Clock())
    )
    with registry.transaction():
        token, _ = tokens.start(FAMILY.authorization, FAMILY.grant_id)

    def refresh():
        with app.app_context(), registry.transaction():
            tokens.rotate(token, tokens.present(token, client()), client())

    with ThreadPoolExecutor(1) as pool:
        rotation = pool.submit(refresh)
        assert rotated.wait(5)
        with registry.transaction():
            assert tokens.revoke(token, client())
        rotation.result(5)

    assert tokens.codes.grant(FAMILY.grant_id) is None
    store.client.close()


@pytest.mark.parametrize("grace", [0, 60])
def test_a_race_of_sixteen_leaves_no_access_token_behind_a_family_that_ended(
    real, at_once, valkey_url, grace
):
    app, registry, _ = real
    store = RedisStore(valkey_url)
    codes = RedisCodes(store, session_absolute=timedelta(hours=8), now=Clock())
    tokens = refresh_tokens(registry.families, codes)
    service = client(refresh_grace=grace)
    with registry.transaction():
        token, _ = tokens.start(FAMILY.authorization, FAMILY.grant_id)

    def refresh():
        with app.app_context(), registry.transaction():
            try:
                return tokens.rotate(token, tokens.present(token, service), service)
            except RefreshTokenRefused as refusal:
                return refusal  # its transaction is committed, as that of a request is

    results = at_once(refresh, 16)

    successors = {result for result in results if isinstance(result, str)}
    assert len(successors) == 1
    if grace:
        assert codes.grant(FAMILY.grant_id) is not None
    else:
        assert sum(isinstance(result, str) for result in results) == 1
        assert sum(isinstance(result, RefreshTokenReused) for result in results) == 1
        assert codes.grant(FAMILY.grant_id) is None
    store.client.close()


def test_who_ends_a_family_waits_for_the_rotation_under_way(real, at_once):
    app, registry, _ = real
    registry.act("start", FAMILY)

    def rotate_or_end():
        with app.app_context():
            return registry.act("rotate", FAMILY, RENEWED, sealed="") or registry.act(
                "end", FAMILY.id
            )

    assert all(result in (True, False) for result in at_once(rotate_or_end, 4))
    assert registry.find() is None
