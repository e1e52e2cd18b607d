"""Failures and quotas in memory; the contract suite runs on both."""

import secrets
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from datetime import datetime
from datetime import timedelta

from idp.identity.reset_quotas import HOUR
from idp.identity.reset_quotas import LETTERS_WINDOW
from idp.identity.reset_quotas import Quota
from idp.identity.reset_quotas import QuotaPolicy
from idp.identity.reset_quotas import QuotaReached
from idp.limits import DAY
from idp.limits import AttemptPolicy
from idp.limits import HeldBy
from idp.limits import Origin
from idp.limits import Reservation
from idp.limits import SignInDelayed
from idp.limits import Waiting
from idp.limits import longest
from tests.fakes import Now
from tests.fakes import Store


@dataclass
class _Counters:
    """Failures of one account, or of one of its known devices: try identifier to instant."""

    in_a_row: dict[str, datetime] = field(default_factory=dict)
    of_the_day: dict[str, datetime] = field(default_factory=dict)


class MemoryAttempts(Store):
    """The port ``Attempts``."""

    def __init__(self, policy: AttemptPolicy, *, now: Now) -> None:
        super().__init__()
        self._policy = policy
        self._now = now
        self._networks: dict[str, dict[str, datetime]] = {}
        self._devices: dict[str, dict[str, datetime]] = {}
        self._counters: dict[tuple[str, str], _Counters] = {}
        self._told: dict[str, datetime] = {}

    def reserve(self, subject: str, origin: Origin, *, temporary: bool = False) -> Reservation:
        """Count one try as failed, ahead of its verification; a temporary one for the network."""
        self._look()
        with self._lock:
            now, policy = self._now(), self._policy
            known_at = self._devices.get(subject, {}).get(origin.device)
            known = known_at is not None and known_at + policy.device_lifetime > now
            network = self._networks.setdefault(origin.network, {})
            _forget(network, before=now - policy.network_window)
            counted = not known or temporary
            if counted and len(network) >= policy.network_limit:
                left = min(network.values()) + policy.network_window - now
                raise self._delay(HeldBy.NETWORK, origin.network, left)
            try_id = secrets.token_hex(8)
            if temporary:
                network[try_id] = now
                return Reservation(subject, origin, try_id, 0, timedelta(0), known, temporary)
            counters = self._counters_of(subject, origin.device if known else "")
            row, day = counters.in_a_row, counters.of_the_day
            if row and max(row.values()) + DAY <= now:
                row.clear()
            _forget(day, before=now - DAY)
            if (left := self._held(row, day)) > timedelta(0):
                raise self._delay(HeldBy.ACCOUNT, subject, left)
            row[try_id] = day[try_id] = now
            if counted:
                network[try_id] = now
            alive = now - policy.device_lifetime
            devices = self._devices.get(subject, {}).values()
            others = not known and any(known_at > alive for known_at in devices)
            held = self._held(row, day)
            return Reservation(subject, origin, try_id, len(row), held, known, others_known=others)

    def _delay(self, held_by: HeldBy, whose: str, left: timedelta) -> SignInDelayed:
        first = self._told.get(whose, self._now()) <= self._now()
        if first:
            self._told[whose] = self._now() + left
        return SignInDelayed(held_by, left, first=first)

    def succeeded(self, reservation: Reservation, *, device: str) -> None:
        """Take the failure back, end the row of failures, and know ``device`` from now on."""
        self._look()
        with self._lock:
            self.release(reservation)
            if not reservation.temporary:
                self._of(reservation).in_a_row.clear()
                self._know(reservation.subject, device)

    def release(self, reservation: Reservation) -> None:
        """Take the failure back without a verdict."""
        self._look()
        with self._lock:
            counters = self._of(reservation)
            network = self._networks[reservation.origin.network]
            for failures in (counters.in_a_row, counters.of_the_day, network):
                failures.pop(reservation.try_id, None)

    def is_suspected(self, network: str) -> bool:
        """Tell whether a network failed so often that strangers on it solve an anti-robot."""
        self._look()
        with self._lock:
            failures = self._networks.get(network, {})
            _forget(failures, before=self._now() - self._policy.network_window)
            return len(failures) >= self._policy.anti_robot_from

    def knows_others(self, subject: str, device: str) -> bool:
        """Tell whether the account knows browsers, and this one is none of them."""
        self._look()
        with self._lock:
            since = self._now() - self._policy.device_lifetime
            known = {one for one, at in self._devices.get(subject, {}).items() if at > since}
            return bool(known) and device not in known

    def look(self, subject: str) -> Waiting:
        """Read how an account stands."""
        self._look()
        with self._lock:
            since = self._now() - self._policy.device_lifetime
            devices = self._devices.get(subject, {})
            known = [self._standing(subject, name) for name in devices if devices[name] > since]
            return replace(self._standing(subject, ""), known=longest(known))

    def _standing(self, subject: str, device: str) -> Waiting:
        counters = self._counters.get((subject, device), _Counters())
        row, day = sorted(counters.in_a_row.values()), sorted(counters.of_the_day.values())
        return self._policy.standing(row, day, at=self._now())

    def lift(self, subject: str, *, device: str = "") -> None:
        """End the account's waiting time, every known device's too."""
        self._look()
        with self._lock:
            for name in ["", *self._devices.get(subject, {})]:
                self._counters.pop((subject, name), None)
            self._told.pop(subject, None)
            if device:
                self._know(subject, device)

    def forget_devices(self, subject: str, *, but: str = "") -> None:
        """Know no browser of the account any more, ``but`` one."""
        self._look()
        with self._lock:
            known = self._devices.get(subject, {})
            self._devices[subject] = {one: at for one, at in known.items() if one == but}

    def _know(self, subject: str, device: str) -> None:
        devices = self._devices.setdefault(subject, {})
        devices.pop(device, None)
        devices[device] = self._now()
        while len(devices) > self._policy.devices:
            devices.pop(min(devices, key=lambda known: devices[known]))

    def _held(self, row: dict[str, datetime], day: dict[str, datetime]) -> timedelta:
        now = self._now()
        held = timedelta(0)
        if row:
            held = max(row.values()) + self._policy.wait_after(len(row)) - now
        if len(day) >= self._policy.day_limit:
            held = max(held, min(day.values()) + DAY - now)
        return max(held, timedelta(0))

    def _of(self, reservation: Reservation) -> _Counters:
        device = reservation.origin.device if reservation.known_device else ""
        return self._counters_of(reservation.subject, device)

    def _counters_of(self, subject: str, device: str) -> _Counters:
        return self._counters.setdefault((subject, device), _Counters())


def _forget(failures: dict[str, datetime], *, before: datetime) -> None:
    for try_id in [name for name, at in failures.items() if at <= before]:
        del failures[try_id]


class MemoryResetQuotas(Store):
    """The port ``ResetQuotas``."""

    def __init__(self, policy: QuotaPolicy, *, now: Now) -> None:
        super().__init__()
        self._policy = policy
        self._now = now
        self._counted: dict[tuple[str, str], dict[str, datetime]] = {}
        self._raised: tuple[int, datetime] | None = None
        self._tries: dict[str, tuple[datetime, list[tuple[str, str]]]] = {}
        self._refused: dict[str, tuple[int, datetime]] = {}

    def begin(self, network: str, *, by_question: bool) -> None:
        """Count a reset request of a network."""
        policy = self._policy
        windows = [(Quota.NETWORK, ("requests", network), HOUR, policy.requests_an_hour)]
        if by_question:
            answers = ("requests by question", network)
            windows.append((Quota.NETWORK, answers, HOUR, policy.requests_by_question))
        self._count(windows, secrets.token_hex(8))

    def mail(self, subject: str, *, request: str = "") -> None:
        """Count a mail to the account of a subject."""
        policy, mails = self._policy, ("mails", subject)
        self._count(
            [
                (Quota.MAIL, mails, HOUR, policy.mails_an_hour),
                (Quota.MAIL, mails, DAY, policy.mails_a_day),
            ],
            request or secrets.token_hex(8),
        )

    def letter(self, subject: str, network: str, *, request: str = "") -> bool:
        """Count a letter of a subject, a network and all; True when the breaker holds it."""
        policy, request = self._policy, request or secrets.token_hex(8)
        of_network = ("letters of network", network)
        with self._lock:
            self._count(
                [
                    (Quota.LETTER, ("last letter", subject), policy.letter_every, 1),
                    (
                        Quota.LETTER,
                        ("letters", subject),
                        LETTERS_WINDOW,
                        policy.letters_in_90_days,
                    ),
                    (
                        Quota.LETTERS_OF_NETWORK,
                        of_network,
                        DAY,
                        policy.letters_of_network_a_day,
                    ),
                ],
                request,
            )
            return self._held_of_all(request)

    def letter_of_freeze(self) -> bool:
        """Count a letter that a freeze sends, of all alone; True when the breaker holds it."""
        self._look()
        with self._lock:
            return self._held_of_all(secrets.token_hex(8))

    def _held_of_all(self, request: str) -> bool:
        policy = self._policy
        limit, until = self._raised or (policy.letters_a_day, self._now())
        limit = limit if self._now() < until else policy.letters_a_day
        of_all = self._counted.setdefault(("letters", "of all"), {})
        within = [at for at in of_all.values() if at + DAY > self._now()]
        if request not in of_all and len(within) >= limit:
            return True
        of_all[request] = self._now()
        return False

    def letter_refused(self, subject: str, *, network: str, browser: str) -> None:
        """Count a letter's secret that was typed wrong; the last of all forgets its days."""
        self._look()
        with self._lock:
            asked = [*self._counted.get(("last letter", subject), {}).values()]
            if not asked or asked[-1] + self._policy.letter_every <= self._now():
                return
            letter, tries = self._tries.get(subject, (asked[-1], []))
            tries = tries if letter == asked[-1] else []
            self._tries[subject] = (asked[-1], tries)
            limit = self._policy.letter_tries.by_origin
            if any([one[n] for one in tries].count((network, browser)[n]) >= limit for n in (0, 1)):
                return
            tries.append((network, browser))
            if len(tries) >= self._policy.letter_tries.in_all:
                del self._tries[subject], self._counted["last letter", subject]

    def forget_letter(self, subject: str) -> None:
        """Let the last letter not count for the days until the next one."""
        self._look()
        self._counted.pop(("last letter", subject), None)
        self._tries.pop(subject, None)

    def choice_refused(self, journey_id: str, *, lifetime: timedelta) -> int:
        """Count a choice that a quota refused, and tell how many the journey has had."""
        self._look()
        with self._lock:
            refused, until = self._refused.get(journey_id, (0, self._now()))
            refused = refused + 1 if self._now() < until else 1
            self._refused[journey_id] = (refused, self._now() + lifetime)
            return refused

    def raise_breaker(self, letters_a_day: int, *, until: datetime) -> None:
        """Let that many letters of all leave in a day, until then."""
        self._look()
        self._raised = (letters_a_day, until)

    def _count(
        self, windows: list[tuple[Quota, tuple[str, str], timedelta, int]], request: str
    ) -> None:
        self._look()
        with self._lock:
            now = self._now()
            held: list[tuple[timedelta, Quota]] = []
            for quota, name, span, limit in windows:
                counted = self._counted.get(name, {})
                within = [at for at in counted.values() if at + span > now]
                if request not in counted and len(within) >= limit:
                    held.append((within[-limit] + span - now, quota))
            if held:
                left, quota = max(held, key=lambda one: one[0])
                raise QuotaReached(quota, left)
            for name in {name for _, name, _, _ in windows}:
                self._counted.setdefault(name, {})[request] = now
