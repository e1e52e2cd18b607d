"""How often one may fail: by account, by network, by known browser.

Rules only. A try is *reserved* as a failure before any hashing, in one atomic step of the store,
and taken back when it succeeds: so that a hundred tries sent at once are a hundred failures, not
one. An unknown dossier number has the same counters, under a keyed hash of what was typed.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from idp import IdpError

DAY = timedelta(hours=24)


def _default_schedule() -> tuple[timedelta, ...]:
    growing = [timedelta(seconds=60 * 2**n) for n in range(5)]  # 5th to 9th failure in a row
    return (timedelta(0),) * 4 + tuple(growing) + (timedelta(minutes=60),)


@dataclass(frozen=True, slots=True)
class AttemptPolicy:
    """The limits of the values table, product.md.

    ``schedule[n - 1]`` is the wait after the nth failure in a row; the last one holds for all
    further ones.
    """

    schedule: tuple[timedelta, ...] = field(default_factory=_default_schedule)
    day_limit: int = 25
    network_limit: int = 30
    network_window: timedelta = timedelta(minutes=10)
    anti_robot_from: int = 3
    devices: int = 10
    device_lifetime: timedelta = timedelta(days=182)

    def wait_after(self, streak: int) -> timedelta:
        """Tell how long an account waits after its ``streak``-th failure in a row."""
        return self.schedule[min(streak, len(self.schedule)) - 1] if streak > 0 else timedelta(0)

    def standing(
        self, in_a_row: Sequence[datetime], of_the_day: Sequence[datetime], *, at: datetime
    ) -> "Waiting":
        """Tell how failures hold at an instant what they count for; nothing is counted.

        Args:
            in_a_row: the instants of the failures since the last success, oldest first.
            of_the_day: of those counted for the day, oldest first; older ones do not count.
            at: now.
        """
        row = in_a_row if in_a_row and in_a_row[-1] + DAY > at else ()
        within = [instant for instant in of_the_day if instant + DAY > at]
        ends = [row[-1] + self.wait_after(len(row))] if row else []
        if len(within) >= self.day_limit:
            ends.append(within[0] + DAY)
        until = max(ends, default=at)
        return Waiting(len(row), until if until > at else None)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How an account stands: its failures in a row, and until when it waits (None: it does not).

    ``known`` is the same of the device that waits longest among those that the account knows.
    """

    failures: int = 0
    until: datetime | None = None
    known: "Waiting | None" = None


def longest(known: Sequence[Waiting]) -> Waiting | None:
    """Choose the device that waits longest; None when none waits."""
    waiting = [(one.until, one) for one in known if one.until is not None]
    return max(waiting, key=lambda pair: pair[0])[1] if waiting else None


class HeldBy(StrEnum):
    """Whose limit holds a try back."""

    ACCOUNT = "account"
    NETWORK = "network"


class SignInDelayed(IdpError):
    """A limit holds this try back: nothing was verified, and it did not count.

    ``first`` is True for the first try that one wait holds back: who hammers on a closed door
    writes one audit event, not one a try.
    """

    code = "sign_in_delayed"

    def __init__(self, held_by: HeldBy, retry_after: timedelta, *, first: bool = True) -> None:
        super().__init__(f"held by {held_by} for {retry_after}")
        self.first = first
        self.held_by = held_by
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a try comes from: ``network_of`` its address, and its device identifier or ""."""

    network: str
    device: str = ""


@dataclass(frozen=True, slots=True)
class Reservation:
    """A try that was admitted; a failure until ``succeeded`` or ``release`` says otherwise.

    ``temporary``: it counts for the network alone, and no waiting time of the account came of it.
    """

    subject: str
    origin: Origin
    try_id: str
    streak: int
    wait: timedelta
    known_device: bool
    temporary: bool = False
    others_known: bool = False


class Attempts(Protocol):
    """The counters. Every method is atomic and raises StoreUnavailable when the store is away."""

    def reserve(self, subject: str, origin: Origin, *, temporary: bool = False) -> Reservation:
        """Count one try as failed, ahead of its verification.

        Args:
            subject: keyed hash of the qualité and number that were typed.
            origin: where the try comes from.
            temporary: what was typed has the check symbol of a temporary password, so that the
                account neither holds nor counts it: that is how a reset gets a delayed member out.
                Its network does, a known device's too: nothing else counts what is typed where no
                temporary password waits.

        Raises:
            SignInDelayed: the account or the network must wait.
        """

    def succeeded(self, reservation: Reservation, *, device: str) -> None:
        """Take the failure back, end the row of failures, and know ``device`` from now on.

        A temporary try ends no row and makes nobody known: ``lift`` does, later.
        """

    def release(self, reservation: Reservation) -> None:
        """Take the failure back without a verdict: the verification could not be done."""

    def is_suspected(self, network: str) -> bool:
        """Tell whether a network failed so often that strangers on it solve an anti-robot."""

    def look(self, subject: str) -> Waiting:
        """Read how an account stands, for the help desk: nothing is counted, nothing changes."""

    def knows_others(self, subject: str, device: str) -> bool:
        """Tell whether the account knows browsers, and this one is none of them."""

    def forget_devices(self, subject: str, *, but: str = "") -> None:
        """Know no browser of the account any more, ``but`` one: the others are strangers again."""

    def lift(self, subject: str, *, device: str = "") -> None:
        """End the account's waiting time, every known device's too: a new password was chosen.

        Args:
            subject: keyed hash of the qualité and number.
            device: the browser that chose it, known to the account from now on; "" for none.
        """


def network_of(address: str) -> str:
    """Name the network that shares a limit: the IPv4 address, or the /64 of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(_bare(address).partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _bare(address: str) -> str:
    """Take away the port that some proxies write behind an address."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


def audited_network(network: str) -> str:
    """Shorten a network for the audit log: the /24 of an IPv4 address, the /48 of an IPv6 one."""
    try:
        parsed = ipaddress.ip_network(network, strict=False)
    except ValueError:
        return "unknown"
    prefix = 24 if parsed.version == 4 else 48
    return str(parsed.supernet(new_prefix=min(prefix, parsed.prefixlen)))


class Once(Protocol):
    """What may happen once: over all nodes, for a time."""

    def take(self, name: str, value: str, *, lifetime: timedelta) -> str | None:
        """Put ``value`` under ``name`` unless something is there, and give what was there.

        Raises:
            StoreUnavailable: nobody can tell.
        """

    def keep(self, name: str, value: str, *, lifetime: timedelta) -> None:
        """Put ``value`` in the place of what was taken: it has happened."""

    def give_back(self, name: str) -> None:
        """Forget it: what it stood for did not happen."""


class TooManyClientFailures(IdpError):
    """A network sent too many that were wrong."""

    code = "too_many_client_failures"

    def __init__(self, retry_after: timedelta) -> None:
        super().__init__(f"held for {retry_after}")
        self.retry_after = retry_after


class ClientFailures(Protocol):
    """Wrong client credentials, or codes that FranceConnect refused, by network.

    Whoever is elsewhere is untouched.
    """

    def check(self, network: str) -> None:
        """Raise TooManyClientFailures while the network must wait."""

    def count(self, network: str) -> None:
        """Count one that was wrong."""
