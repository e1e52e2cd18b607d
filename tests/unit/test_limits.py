from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.limits import AttemptPolicy
from idp.limits import HeldBy
from idp.limits import SignInDelayed
from idp.limits import TooManyClientFailures
from idp.limits import Waiting
from idp.limits import audited_network
from idp.limits import longest
from idp.limits import network_of


@pytest.mark.parametrize(
    ("streak", "seconds"),
    [
        (-1, 0), (0, 0), (1, 0), (4, 0), (5, 60), (6, 120), (7, 240), (8, 480), (9, 960),
        (10, 3600), (11, 3600), (1000, 3600),
    ],
)  # fmt: skip
def test_the_wait_follows_the_values_table(streak, seconds):
    assert AttemptPolicy().wait_after(streak) == timedelta(seconds=seconds)


def test_the_limits_are_those_of_the_values_table():
    policy = AttemptPolicy()

    assert (policy.day_limit, policy.devices) == (25, 10)
    assert (policy.network_limit, policy.network_window) == (30, timedelta(minutes=10))
    assert policy.device_lifetime == timedelta(days=182)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:0DB8:0001:0002:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", "unknown"),
        ("unix:", "unknown"),
        ("192.0.2.1:443", "192.0.2.1"),
        ("[2001:db8:1:2::7]:443", "2001:db8:1:2::/64"),
        ("192.0.2.01", "unknown"),
        ("192.0.2.1, 198.51.100.1", "unknown"),
    ],
)
def test_a_network_is_an_ipv4_address_or_the_64_of_an_ipv6_address(address, network):
    assert network_of(address) == network


def test_two_addresses_of_one_household_share_a_limit_and_two_households_do_not():
    assert network_of("2001:db8:1:2::1") == network_of("2001:db8:1:2:ffff::1")
    assert network_of("2001:db8:1:2::1") != network_of("2001:db8:1:3::1")


@pytest.mark.parametrize(
    ("network", "audited"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("unknown", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_audit_log_learns_a_prefix_only(network, audited):
    assert audited_network(network) == audited


@given(st.ip_addresses())
def test_an_audited_network_cannot_be_told_from_its_neighbours(address):
    audited = audited_network(network_of(str(address)))

    assert audited.endswith(("/24", "/48"))
    assert audited_network(audited) == audited


@given(st.text(max_size=40))
def test_whatever_is_claimed_as_an_address_has_a_network(text):
    assert network_of(text)
    assert audited_network(text)


def test_the_errors_of_limits_say_how_long_and_for_whom_never_who():
    delayed = SignInDelayed(HeldBy.NETWORK, timedelta(seconds=90))
    held = TooManyClientFailures(timedelta(seconds=90))

    assert (delayed.held_by, delayed.retry_after, delayed.code) == (
        HeldBy.NETWORK,
        timedelta(seconds=90),
        "sign_in_delayed",
    )
    assert str(delayed) == "held by network for 0:01:30"
    assert (held.retry_after, str(held)) == (timedelta(seconds=90), "held for 0:01:30")


def test_the_device_that_waits_longest_is_told_and_none_where_none_waits():
    noon = datetime(2026, 11, 24, 12, tzinfo=UTC)
    free, soon, late = Waiting(4), Waiting(5, noon), Waiting(2, noon + timedelta(hours=1))

    assert longest([free, late, soon]) is late
    assert longest([free]) is None


def test_an_account_waits_for_its_row_or_for_its_day_whichever_is_longer():
    noon = datetime(2026, 11, 24, 12, tzinfo=UTC)
    policy = AttemptPolicy(schedule=(timedelta(minutes=1),), day_limit=2)
    day = [noon - timedelta(hours=24), noon - timedelta(hours=20), noon - timedelta(hours=2)]

    assert policy.standing(day[2:], day, at=noon) == Waiting(1, noon + timedelta(hours=4))
    assert policy.standing([noon], day[2:], at=noon) == Waiting(1, noon + timedelta(minutes=1))
