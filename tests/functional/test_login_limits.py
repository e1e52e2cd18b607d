"""Failures at sign-in: by account, by network, by known browser; the same for unknown numbers."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from werkzeug.test import TestResponse

from tests.instance import PASSWORD
from tests.instance import Clock
from tests.instance import Instance
from tests.instance import Person
from tests.instance import Visitor
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import text_of
from tests.instance import value_of
from tests.running import at_once

MINUTE = timedelta(minutes=1)
WRONG = "pas le bon"


def try_once(
    visitor: Visitor, numero: str, password: str = WRONG, qualite: str = "affilie"
) -> TestResponse:
    """One try on a fresh page."""
    return visitor.submit_sign_in(visitor.open_sign_in(), qualite, numero, password)


def fail(instance: Instance, numero: str, times: int, network: str = "203.0.113.{}") -> list[int]:
    """Fail several times, each from a network of its own; the statuses."""
    return [
        try_once(instance.visitor(network.format(n + 1)), numero).status_code for n in range(times)
    ]


@pytest.mark.parametrize("known", [True, False], ids=["known number", "unknown number"])
def test_the_fifth_failure_in_a_row_tells_a_minute_and_holds_even_the_right_password(
    instance: Instance, clock: Clock, known: bool
) -> None:
    if known:
        instance.add_person(numero="1234567")

    assert fail(instance, "1234567", 4) == [403] * 4
    fifth = try_once(instance.visitor(), "1234567")
    held = try_once(instance.visitor(), "1234567", PASSWORD)
    clock.advance(timedelta(seconds=59))
    still_held = try_once(instance.visitor(), "1234567", PASSWORD)
    clock.advance(timedelta(seconds=1))
    over = try_once(instance.visitor(), "1234567", PASSWORD)

    assert fifth.status_code == 403
    assert "une minute" in text_of(fifth)
    assert held.status_code == 429
    assert held.headers["Retry-After"] == "60"
    assert "une minute" in text_of(held)
    assert value_of(held, "numero") == "1234567"
    assert PASSWORD not in held.text
    assert still_held.headers["Retry-After"] == "1"
    assert over.status_code == (303 if known else 403)


@pytest.mark.parametrize("known", [True, False], ids=["known number", "unknown number"])
def test_the_wait_doubles_to_an_hour_and_is_the_same_for_unknown_numbers(
    instance: Instance, clock: Clock, known: bool
) -> None:
    if known:
        instance.add_person(numero="1234567")
    waits = []

    fail(instance, "1234567", 4)
    for n in range(7):
        assert try_once(instance.visitor(f"198.51.100.{n}"), "1234567").status_code == 403
        held = try_once(instance.visitor(), "1234567")
        waits.append(int(held.headers["Retry-After"]))
        clock.advance(timedelta(seconds=waits[-1]))

    assert waits == [60, 120, 240, 480, 960, 3600, 3600]


def test_tries_made_during_the_wait_do_not_prolong_it(instance: Instance, clock: Clock) -> None:
    person = instance.add_person()
    fail(instance, person.numero, 5)

    clock.advance(timedelta(seconds=30))
    held = [try_once(instance.visitor(), person.numero) for _ in range(5)]
    clock.advance(timedelta(seconds=30))

    assert {answer.headers["Retry-After"] for answer in held} == {"30"}
    assert instance.visitor().sign_in(person).status_code == 303


def test_a_success_ends_the_row_of_failures(instance: Instance) -> None:
    person = instance.add_person()

    for _ in range(3):
        assert fail(instance, person.numero, 4) == [403] * 4
        assert instance.visitor().sign_in(person).status_code == 303


def test_a_hundred_and_twenty_sign_ins_of_one_member_in_an_hour_meet_no_limit(
    instance: Instance, clock: Clock
) -> None:
    """What the conformance suite does, each time in a new browser of one network."""
    person = instance.add_person()
    answers = []

    for _ in range(120):
        page = instance.visitor().open_sign_in()
        assert "anti_robot_question" not in page.text
        answers.append(instance.visitor().sign_in(person).status_code)
        clock.advance(timedelta(seconds=30))

    assert answers == [303] * 120


def test_the_same_digits_under_the_other_qualite_are_another_account(instance: Instance) -> None:
    instance.add_person("affilie", "1234567")
    survivor = instance.add_person("ayant_droit", "1234567")
    fail(instance, "1234567", 5)

    assert instance.visitor().sign_in(survivor).status_code == 303


def test_a_running_session_is_left_alone_while_its_account_waits(instance: Instance) -> None:
    person = instance.add_person()
    service = instance.add_service()
    member = instance.visitor()
    tokens = member.tokens(person, service)

    fail(instance, person.numero, 6)

    assert member.get("/compte").status_code == 200
    assert member.userinfo(tokens["access_token"]).status_code == 200


def test_a_strangers_failures_do_not_shut_out_a_browser_that_signed_in_before(
    instance: Instance,
) -> None:
    person = instance.add_person()
    member = instance.visitor()
    member.sign_in(person)
    member.restart()

    fail(instance, person.numero, 6)

    assert try_once(instance.visitor(), person.numero, person.password).status_code == 429
    assert member.sign_in(person).status_code == 303


def test_a_known_browser_has_limits_of_its_own(instance: Instance, clock: Clock) -> None:
    person = instance.add_person()
    member = instance.visitor()
    member.sign_in(person)
    member.restart()

    statuses = [try_once(member, person.numero).status_code for _ in range(6)]

    assert statuses == [403] * 5 + [429]
    clock.advance(timedelta(seconds=60))
    assert member.sign_in(person).status_code == 303


@pytest.mark.parametrize("forgery", ["of another account", "altered", "expired"])
def test_a_device_cookie_that_is_not_this_accounts_own_opens_no_second_counter(
    instance: Instance, clock: Clock, forgery: str
) -> None:
    person = instance.add_person()
    stranger = instance.visitor("203.0.113.99")
    if forgery == "of another account":
        stranger.sign_in(instance.add_person(numero="7654321"))
    else:
        stranger.sign_in(person)
        cookie = stranger.http.get_cookie("__Host-device")
        assert cookie is not None
        value = cookie.value[:-2] + "AA" if forgery == "altered" else cookie.value
        stranger.http.set_cookie("__Host-device", value, secure=True)
    stranger.restart()
    if forgery == "expired":
        clock.advance(timedelta(days=183))

    fail(instance, person.numero, 5)

    assert try_once(stranger, person.numero, person.password).status_code == 429


def test_thirty_failures_from_one_network_close_it_for_ten_minutes_and_no_other(
    instance: Instance, clock: Clock
) -> None:
    person = instance.add_person()
    visitor = instance.visitor("198.51.100.7")

    statuses = [try_once(visitor, f"20000{n:02}").status_code for n in range(30)]
    held = try_once(visitor, person.numero, person.password)
    elsewhere = instance.visitor("198.51.100.8").sign_in(person)
    clock.advance(10 * MINUTE)
    later = try_once(visitor, person.numero, person.password)

    assert statuses == [403] * 30
    assert held.status_code == 429
    assert 0 < int(held.headers["Retry-After"]) <= 600
    assert elsewhere.status_code == 303
    assert later.status_code == 303


def test_own_successes_do_not_reset_a_networks_failures(
    make_instance: Callable[..., Instance],
) -> None:
    instance = make_instance(network_limit=5)
    own = instance.add_person()
    attacker = instance.visitor("198.51.100.7")

    for n in range(5):
        try_once(attacker, f"200000{n}")
        attacker.sign_in(own)
        attacker.restart()

    assert try_once(attacker, "2000009").status_code == 429
    assert attacker.sign_in(own).status_code == 303  # a known browser has counters of its own


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:198.51.100.7", "198.51.100.7", True),
    ],
)
def test_a_network_is_an_ipv4_address_or_the_64_of_an_ipv6_one(
    make_instance: Callable[..., Instance], first: str, second: str, shared: bool
) -> None:
    instance = make_instance(network_limit=5)
    person = instance.add_person()

    for n in range(5):
        try_once(instance.visitor(first), f"200000{n}")

    expected = 429 if shared else 303
    assert instance.visitor(second).sign_in(person).status_code == expected


def test_from_the_25th_failure_in_a_day_there_is_no_try_until_the_oldest_is_a_day_old(
    instance: Instance, clock: Clock
) -> None:
    person = instance.add_person()
    began = clock.at
    for n in range(25):
        answer = try_once(instance.visitor(f"203.0.113.{n}"), person.numero)
        assert answer.status_code == 403, n
        clock.advance(timedelta(minutes=40 if n < 9 else 61) if n >= 4 else timedelta(0))

    held = instance.visitor().sign_in(person)
    left = int(held.headers["Retry-After"])

    assert held.status_code == 429
    assert left > 3600
    assert clock.at + timedelta(seconds=left) == began + timedelta(days=1)
    clock.advance(timedelta(seconds=left))
    assert instance.visitor().sign_in(person).status_code == 303


def test_twenty_tries_at_once_are_five_failures_and_fifteen_waits(instance: Instance) -> None:
    person = instance.add_person()
    visitors = [instance.visitor(f"203.0.113.{n}") for n in range(20)]
    pages = [visitor.open_sign_in() for visitor in visitors]

    def act(visitor: Visitor, page: TestResponse) -> Callable[[], int]:
        def until_there_is_a_verdict() -> int:
            status = 503  # of a machine so busy that no turn came, which counts for nothing
            while status == 503:
                answer = visitor.submit_sign_in(page, "affilie", person.numero, WRONG)
                status = answer.status_code
            return status

        return until_there_is_a_verdict

    statuses = at_once(act(v, p) for v, p in zip(visitors, pages, strict=True))

    assert sorted(statuses) == [403] * 5 + [429] * 15


def test_more_hashes_than_the_pool_takes_are_a_503_that_counts_for_nothing(
    make_instance: Callable[..., Instance],
) -> None:
    instance = make_instance(hash_pool_size=1, hash_pool_queue=1)
    people = [instance.add_person(numero=f"100000{n}") for n in range(8)]
    visitors = [instance.visitor(f"203.0.113.{n}") for n in range(8)]
    pages = [visitor.open_sign_in() for visitor in visitors]

    def act(visitor: Visitor, page: TestResponse, person: Person) -> Callable[[], TestResponse]:
        form = {"qualite": "affilie", "numero": person.numero, "password": person.password}
        return lambda: visitor.post(form_action(page), {"csrf": csrf_of(page), **form})

    answers = at_once(
        act(v, p, person) for v, p, person in zip(visitors, pages, people, strict=True)
    )
    refused = [answer for answer in answers if answer.status_code == 503]

    assert {answer.status_code for answer in answers} == {303, 503}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
    assert all("Réessayez" in text_of(answer) for answer in refused)
    assert all(PASSWORD not in answer.text for answer in refused)
    unlucky = next(p for p, a in zip(people, answers, strict=True) if a.status_code == 503)
    assert fail(instance, unlucky.numero, 4, "198.51.100.{}") == [403] * 4
    assert instance.visitor().sign_in(unlucky).status_code == 303


def test_from_the_third_failure_strangers_of_a_network_solve_an_anti_robot_password_spraying(
    instance: Instance,
) -> None:
    person = instance.add_person()
    known = instance.visitor("198.51.100.7")
    assert known.sign_in(person).status_code == 303
    known.restart()
    robot = instance.visitor("198.51.100.7")
    before = robot.open_sign_in()
    for n in range(3):
        try_once(robot, f"200000{n}")

    typed = {"csrf": csrf_of(before), "qualite": "affilie", "numero": person.numero}
    unsolved = robot.post(form_action(before), {**typed, "password": person.password})
    solved = try_once(robot, person.numero, person.password)

    assert "anti_robot_question" not in before.text
    assert unsolved.status_code == 400
    assert value_of(unsolved, "numero") == person.numero
    assert value_of(unsolved, "anti_robot_question")
    assert solved.status_code == 303
    assert "anti_robot_question" not in known.open_sign_in().text
    assert known.sign_in(person).status_code == 303
