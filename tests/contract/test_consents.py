"""Consents: the same contract in memory, on SQLite and on PostgreSQL."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import delete
from sqlalchemy import insert

from idp.infra.consents import SqlConsents
from idp.infra.sql import Database
from idp.infra.tables import AccountRow
from idp.infra.tables import ClientRow
from idp.infra.tables import DossierRow
from idp.oidc.consent import Consent
from tests.fake_consents import MemoryConsents
from tests.instance import NOON
from tests.schema import migrate

pytestmark = pytest.mark.stores

MEMBER = "a" * 22
OTHER = "b" * 22
DAY = timedelta(days=1)


@dataclass
class Kept:
    """Consents, each act in a transaction of its own."""

    consents: MemoryConsents | SqlConsents
    transaction: Callable[[], AbstractContextManager[None]]

    def act(self, name: str, *words: object) -> object:
        with self.transaction():
            return getattr(self.consents, name)(*words)


def sql_kept(app: Flask, url: str) -> tuple[Kept, Database]:
    migrate(url)
    database = Database(app, url)
    with database.transaction():
        for number, account_id in enumerate((MEMBER, OTHER)):
            made = database.execute(
                insert(DossierRow).values(
                    qualite="affilie",
                    numero_dossier=f"123456{number}",
                    family_name="L",
                    updated_at=NOON,
                )
            )
            database.execute(
                insert(AccountRow).values(
                    id=account_id,
                    dossier_id=made.inserted_primary_key[0],  # type: ignore[attr-defined]
                    created_at=NOON,
                )
            )
        for client_id in ("agenda", "banque"):
            database.execute(
                insert(ClientRow),
                {"client_id": client_id, "metadata": {}, "created_at": NOON, "updated_at": NOON},
            )
    return Kept(SqlConsents(database), database.transaction), database


@pytest.fixture
def app():
    with Flask("consents").app_context() as context:
        yield context.app


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def kept(request, app):
    if request.param == "memory":
        yield Kept(MemoryConsents(), nullcontext)
        return
    made, database = sql_kept(app, request.getfixturevalue(f"{request.param}_url"))
    yield made
    database.engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def real(request, app):
    made, database = sql_kept(app, request.getfixturevalue(f"{request.param}_url"))
    yield app, made, database
    database.engine.dispose()


def test_nothing_is_granted_before_it_was_given(kept):
    assert kept.act("granted", MEMBER, "agenda") == frozenset()
    assert kept.act("of_account", MEMBER) == []


def test_what_is_granted_is_one_members_and_for_one_service(kept):
    kept.act("grant", MEMBER, "agenda", ("openid", "profile"), NOON)

    assert kept.act("granted", MEMBER, "agenda") == {"openid", "profile"}
    assert kept.act("granted", MEMBER, "banque") == frozenset()
    assert kept.act("granted", OTHER, "agenda") == frozenset()
    assert kept.act("of_account", OTHER) == []


def test_what_is_granted_later_joins_it_and_the_first_date_stays(kept):
    kept.act("grant", MEMBER, "agenda", ("openid", "profile"), NOON)
    kept.act("grant", MEMBER, "agenda", ("profile", "email"), NOON + DAY)

    assert kept.act("of_account", MEMBER) == [
        Consent(MEMBER, "agenda", ("email", "openid", "profile"), NOON)
    ]


def test_a_member_has_a_consent_for_each_service(kept):
    kept.act("grant", MEMBER, "banque", ("openid",), NOON)
    kept.act("grant", MEMBER, "agenda", ("openid",), NOON + DAY)

    assert kept.act("of_account", MEMBER) == [
        Consent(MEMBER, "agenda", ("openid",), NOON + DAY),
        Consent(MEMBER, "banque", ("openid",), NOON),
    ]


def test_a_consent_ends_once_and_leaves_the_others(kept):
    kept.act("grant", MEMBER, "agenda", ("openid", "profile"), NOON)
    kept.act("grant", MEMBER, "banque", ("openid",), NOON)

    assert kept.act("end", MEMBER, "agenda")

    assert not kept.act("end", MEMBER, "agenda")
    assert kept.act("granted", MEMBER, "agenda") == frozenset()
    assert kept.act("granted", MEMBER, "banque") == {"openid"}


def test_what_is_granted_again_has_a_new_date(kept):
    kept.act("grant", MEMBER, "agenda", ("openid",), NOON)
    kept.act("end", MEMBER, "agenda")
    kept.act("grant", MEMBER, "agenda", ("openid",), NOON + DAY)

    assert kept.act("of_account", MEMBER) == [Consent(MEMBER, "agenda", ("openid",), NOON + DAY)]


@pytest.mark.parametrize("row", [ClientRow, AccountRow])
def test_a_consent_ends_with_its_service_and_with_its_account(real, row):
    _, kept, database = real
    kept.act("grant", MEMBER, "agenda", ("openid",), NOON)

    with database.transaction():
        database.execute(delete(row))

    assert kept.act("of_account", MEMBER) == []


def test_nothing_is_granted_to_a_service_that_was_removed_or_by_an_account_that_is_gone(real):
    _, kept, _ = real

    kept.act("grant", MEMBER, "retire", ("openid",), NOON)
    kept.act("grant", "c" * 22, "agenda", ("openid",), NOON)

    assert kept.act("of_account", MEMBER) == []
    assert kept.act("of_account", "c" * 22) == []


def test_two_pages_that_grant_at_once_lose_nothing(real, at_once):
    app, kept, _ = real

    def grant():
        with app.app_context():
            kept.act("grant", MEMBER, "agenda", ("openid", "profile"), NOON)
            kept.act("grant", MEMBER, "agenda", ("email",), NOON)

    at_once(grant, 4)

    assert kept.act("granted", MEMBER, "agenda") == {"openid", "profile", "email"}
