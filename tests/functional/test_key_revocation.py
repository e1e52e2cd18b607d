"""``idp keys revoke``: a key that leaked ends everywhere, for ever, and everything goes on."""

import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from click.testing import CliRunner
from click.testing import Result
from joserfc import jwt

from idp.cli import main
from idp.oidc.keys import SigningKey
from tests.functional.test_refresh import OFFLINE
from tests.functional.test_refresh import SCOPE
from tests.functional.test_refresh import refresh
from tests.instance import Instance
from tests.instance import Person
from tests.instance import Service
from tests.instance import Visitor
from tests.post import Post

Idp = Callable[..., Result]
REASON = "the disk of a former host was sold"


@pytest.fixture
def instance(make_instance: Callable[..., Instance]) -> Instance:
    """A provider at the real time: the command has no other clock."""
    made = make_instance()
    made.clock.at = datetime.now(UTC)
    return made


@pytest.fixture
def idp(instance: Instance) -> Idp:
    """The command; the provider's clock goes on behind it, and its look at the folder is over."""

    def run(*words: str, **env: str) -> Result:
        runner = CliRunner(env=Post(instance).env | env)
        result = runner.invoke(main, ["--operator", "jeanne", "keys", *words])
        instance.clock.at = datetime.now(UTC) + timedelta(seconds=1)
        # What a second would bring.
        instance.parts.key_files._look_again_at = 0.0
        return result

    return run


@pytest.fixture
def person(instance: Instance) -> Person:
    return instance.add_person()


@pytest.fixture
def service(instance: Instance) -> Service:
    return instance.add_service(**OFFLINE, contacts=("astreinte@service.example",))


def signing(instance: Instance) -> SigningKey:
    return instance.parts.key_files.ring().signing_key("ES256", now=instance.clock())


def waiting(instance: Instance) -> SigningKey:
    return instance.parts.key_files.ring().of_alg("ES256")[-1]


def published(instance: Instance) -> list[str]:
    answer = instance.visitor().get("/jwks")
    return [key["kid"] for key in answer.get_json()["keys"]]


def offline_tokens(visitor: Visitor, person: Person, service: Service) -> dict[str, str]:
    return visitor.tokens(person, service, scope=SCOPE, prompt="consent")


def test_the_key_that_waited_signs_at_once_and_another_one_waits(
    instance: Instance, idp: Idp, person: Person, service: Service
) -> None:
    idp("rotate")
    leaked, standby = signing(instance), waiting(instance)
    assert leaked is not standby

    result = idp("revoke", leaked.kid, "--reason", REASON, "--yes")

    assert result.exit_code == 0, result.output
    assert leaked.kid not in published(instance)
    assert f"{standby.kid} signs ES256 now; it has been published since " in result.stdout
    tokens = instance.visitor().tokens(person, service)
    assert instance.visitor().read_token(tokens["id_token"])[0]["kid"] == standby.kid
    assert waiting(instance).kid not in (leaked.kid, standby.kid)
    assert waiting(instance).signs_from > instance.clock() + timedelta(days=80)
    assert "nothing is due before" in idp("rotate").stdout


def test_where_no_key_waits_one_is_drawn_that_signs_now_and_that_is_said(
    instance: Instance, idp: Idp, person: Person, service: Service
) -> None:
    leaked = signing(instance)

    result = idp("revoke", leaked.kid, "--reason", REASON, "--yes")

    assert "signs now, though no service has seen it" in result.stdout
    tokens = instance.visitor().tokens(person, service)
    assert instance.visitor().read_token(tokens["id_token"])[0]["kid"] == signing(instance).kid


def test_what_it_signed_is_worth_nothing_and_who_is_signed_in_stays_so(
    instance: Instance, idp: Idp, person: Person, service: Service
) -> None:
    idp("rotate")
    visitor = instance.visitor()
    tokens = offline_tokens(visitor, person, service)
    forged = jwt.encode(
        *visitor.read_token(tokens["access_token"]), instance.private_key(signing(instance).kid)
    )
    assert visitor.userinfo(forged).status_code == 200

    result = idp("revoke", signing(instance).kid, "--reason", REASON, "--yes")

    assert "ended 1 refresh tokens" in result.stdout
    for token in (tokens["access_token"], forged):
        assert visitor.userinfo(token).status_code == 401
    assert visitor.post("/logout", {"id_token_hint": tokens["id_token"]}).status_code == 400
    assert refresh(visitor, service, tokens["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert visitor.get("/compte").status_code == 200
    again = visitor.get("/authorize", service.request(prompt="none"))
    assert "code=" in again.headers["Location"]


def test_refresh_tokens_may_be_kept_and_give_tokens_under_the_next_key(
    instance: Instance, idp: Idp, person: Person, service: Service
) -> None:
    idp("rotate")
    visitor = instance.visitor()
    tokens, standby = offline_tokens(visitor, person, service), waiting(instance)

    idp("revoke", signing(instance).kid, "--reason", REASON, "--yes", "--keep-refresh")

    answer = refresh(visitor, service, tokens["refresh_token"]).get_json()
    assert visitor.read_token(answer["access_token"])[0]["kid"] == standby.kid


def test_refresh_tokens_of_services_that_the_key_never_served_stay(
    instance: Instance, idp: Idp, person: Person
) -> None:
    idp("rotate")
    other = instance.add_service("autres", **OFFLINE, id_token_signed_response_alg="RS256")
    visitor = instance.visitor()
    tokens = offline_tokens(visitor, person, other)

    result = idp("revoke", signing(instance).kid, "--reason", REASON, "--yes")

    assert "ended 0 refresh tokens" in result.stdout
    assert refresh(visitor, other, tokens["refresh_token"]).status_code == 200


def test_everybody_is_signed_out_where_the_operator_decides_so(
    instance: Instance, idp: Idp, person: Person, service: Service
) -> None:
    idp("rotate")
    visitors = [instance.visitor(f"192.0.2.{n}") for n in range(3)]
    people = [person, instance.add_person(numero="7654321")]
    for n, visitor in enumerate(visitors):
        visitor.tokens(people[n % 2], service)

    result = idp("revoke", signing(instance).kid, "--reason", REASON, "--yes", "--end-sessions")

    assert "ended 3 sessions: everybody signs in again" in result.stdout
    for visitor in visitors:
        assert visitor.get("/compte").status_code == 303


def test_a_key_that_waited_leaks_and_nothing_it_could_sign_is_ended(
    instance: Instance, idp: Idp, person: Person, service: Service
) -> None:
    idp("rotate")
    visitor = instance.visitor()
    tokens, still = offline_tokens(visitor, person, service), signing(instance)
    leaked = waiting(instance)

    result = idp("revoke", leaked.kid, "--reason", REASON, "--yes")

    assert signing(instance).kid == still.kid
    assert leaked.kid not in published(instance)
    assert "It had signed nothing yet" in result.stdout
    assert visitor.userinfo(tokens["access_token"]).status_code == 200
    assert refresh(visitor, service, tokens["refresh_token"]).status_code == 200


def test_a_revoked_key_stays_so_when_its_file_is_copied_back(
    instance: Instance, idp: Idp, person: Person, service: Service
) -> None:
    """The attack: a backup is restored over the folder, and the stolen key is believed again."""
    idp("rotate")
    leaked = signing(instance)
    files = instance.parts.key_files
    backup = shutil.copytree(files.folder, files.folder.with_name("backup"))

    idp("revoke", leaked.kid, "--reason", REASON, "--yes")
    shutil.copytree(backup, files.folder, dirs_exist_ok=True)
    instance.parts.key_files._look_again_at = 0.0

    assert leaked.kid not in published(instance)
    assert signing(instance).kid != leaked.kid
    assert instance.visitor().tokens(person, service)
    assert "this key was revoked, and stays so; erase the file" in files.oddity
    assert f"{leaked.kid} ES256: revoked " in idp("list").stdout
    assert f"erased {files.path_of(leaked)}" in idp("rotate").stdout
    assert files.oddity == ""


def test_a_revocation_waits_for_no_other_fault_in_the_folder(instance: Instance, idp: Idp) -> None:
    idp("rotate")
    leaked = signing(instance)
    (instance.parts.key_files.folder / "current.pem").touch(mode=0o600)

    result = idp("revoke", leaked.kid, "--reason", REASON, "--yes")

    assert result.exit_code == 0
    assert "current.pem: not named like" in result.stderr
    assert leaked.kid not in published(instance)
    assert signing(instance).kid != leaked.kid


@pytest.mark.parametrize("away", ["IDP_REDIS_URL", "IDP_DATABASE_URL"])
def test_a_key_is_revoked_without_its_stores_and_what_is_left_to_do_is_said(
    instance: Instance, idp: Idp, away: str
) -> None:
    idp("rotate")
    leaked = signing(instance)
    nowhere = {
        "IDP_REDIS_URL": "redis://127.0.0.1:1/0",
        "IDP_DATABASE_URL": "postgresql+psycopg://idp@127.0.0.1:1/idp",
    }

    result = idp(
        "revoke", leaked.kid, "--reason", REASON, "--yes", "--end-sessions", **{away: nowhere[away]}
    )

    assert result.exit_code == 0, result.output
    assert "Not ended: " in result.stderr
    assert leaked.kid not in published(instance)


def test_services_are_named_with_whom_to_call_and_what_to_tell_them(
    instance: Instance, idp: Idp, service: Service
) -> None:
    idp("rotate")
    instance.add_service("rsa", id_token_signed_response_alg="RS256")
    instance.add_service(
        "api", id_token_signed_response_alg="RS256", resource_identifiers=("urn:api",)
    )
    leaked = signing(instance)

    told = idp("revoke", leaked.kid, "--reason", REASON, "--yes").stdout

    assert f"Refuse every token with this kid. It signed since {leaked.signs_from:%Y-%m-%d}" in told
    assert f"Fetch {instance.settings.issuer}/jwks again now" in told
    ends = re.search(r"copies that follow our headers end (\S+ \S+)Z", told)
    assert ends is not None
    left = datetime.fromisoformat(ends[1] + "+00:00") - datetime.now(UTC)
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    assert re.findall(r"^- (\S+)", told, re.MULTILINE) == ["api", service.client.client_id]
    assert "astreinte@service.example" in told


def test_a_key_whose_name_begins_with_a_dash_is_no_option(instance: Instance, idp: Idp) -> None:
    dashed = "-hxY" + "A" * 39

    result = idp("revoke", dashed, "--reason", REASON, "--yes")

    assert f"no key {dashed} here" in result.stderr


def test_it_is_audited_with_its_reason(instance: Instance, idp: Idp) -> None:
    leaked = signing(instance)

    idp("revoke", leaked.kid, "--reason", REASON, "--yes")

    (detail,) = [detail for event, _, detail in instance.audit() if event == "key.revoked"]
    assert (detail["kid"], detail["reason"]) == (leaked.kid, REASON)


def test_it_is_asked_first(instance: Instance, idp: Idp) -> None:
    before = published(instance)

    assert idp("revoke", signing(instance).kid, "--reason", REASON).exit_code == 1

    assert published(instance) == before


@pytest.mark.parametrize("reason", ["dossier 1234567", "vu par a@b.example", "a\nb"])
def test_a_reason_that_no_log_may_hold_is_refused(
    instance: Instance, idp: Idp, reason: str
) -> None:
    result = idp("revoke", signing(instance).kid, "--reason", reason, "--yes")

    assert result.exit_code == 1
    assert "the audit log keeps no address" in result.stderr


def test_a_key_that_is_not_here_is_told_so(idp: Idp) -> None:
    assert "no key nobody here" in idp("revoke", "nobody", "--reason", REASON, "--yes").stderr


def test_what_a_store_that_was_away_kept_alive_ends_when_the_command_is_repeated(
    instance: Instance, idp: Idp, person: Person, service: Service
) -> None:
    idp("rotate")
    leaked = signing(instance).kid
    visitor = instance.visitor()
    tokens = offline_tokens(visitor, person, service)
    command = ("revoke", leaked, "--reason", REASON, "--yes", "--end-sessions")
    idp(*command, IDP_REDIS_URL="redis://127.0.0.1:1/0")
    after = published(instance)

    again = idp(*command)

    assert again.exit_code == 0
    assert f"{leaked} was revoked " in again.stdout
    assert "ended 1 sessions" in again.stdout
    assert refresh(visitor, service, tokens["refresh_token"]).status_code == 400
    assert published(instance) == after


def test_a_key_that_was_revoked_before_its_turn_leaves_nothing_to_end(
    instance: Instance, idp: Idp
) -> None:
    idp("rotate")
    spare = waiting(instance).kid
    idp("revoke", spare, "--reason", REASON, "--yes")

    again = idp("revoke", spare, "--reason", REASON, "--yes")

    assert again.exit_code == 0
    assert "ended" not in again.stdout


def test_a_copy_of_the_list_may_still_be_kept_for_its_time_only(
    instance: Instance, idp: Idp
) -> None:
    idp("rotate")
    idp("revoke", signing(instance).kid, "--reason", REASON, "--yes")

    answer = instance.visitor().get("/jwks")

    assert answer.headers["Cache-Control"] == "public, max-age=600"
    assert len(json.loads(answer.text)["keys"]) == 4
