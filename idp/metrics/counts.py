"""Every count there is, and what may become a label.

A label is a word of ours: the name of a route, an event, a cause, a client that operators have
registered. What strangers send is none, whatever it says: its place is taken by ``other``.
"""

import os
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping

from prometheus_client import CollectorRegistry
from prometheus_client import Counter
from prometheus_client import Gauge
from prometheus_client import Histogram
from prometheus_client import disable_created_metrics
from prometheus_client import values
from prometheus_client.multiprocess import MultiProcessCollector

from idp.audit import Event
from idp.identity.outbox import Kind
from idp.identity.temporary_password import Channel
from idp.metrics import slots
from idp.metrics.not_counted import NotCounted

OTHER = "other"
METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
OUTCOMES = {
    Event.SIGN_IN_SUCCEEDED: "succeeded",
    Event.SIGN_IN_REFUSED: "refused",
    Event.TEMPORARY_OPENED: "must_choose_password",
    Event.TEMPORARY_REFUSED: "refused",
    Event.TEMPORARY_LOCKED: "refused",
}
"""How a sign-in ended, by its audit event."""

RESETS = {
    Event.RESET_BEGUN: "begun",
    Event.RESET_HELD: "held",
    Event.RESET_REQUESTED: "requested",
    Event.TEMPORARY_ISSUED: "issued",
    Event.TEMPORARY_SENT: "sent",
    Event.TEMPORARY_OPENED: "opened",
    Event.TEMPORARY_LOCKED: "locked",
    Event.PASSWORD_CHOSEN: "finished",
}
"""How far a reset came, by its audit event."""

MESSAGES = {
    Event.TEMPORARY_SENT: "sent",
    Event.NOTICE_SENT: "sent",
    Event.MESSAGE_FAILED: "failed",
    Event.MESSAGE_DEAD: "dead",
}
NOTICES = {
    Event.LOGOUT_SENT: "sent",
    Event.LOGOUT_FAILED: "failed",
    Event.LOGOUT_DEAD: "dead",
}

_ANSWER_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_STORE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 2.5)
_HASH_SECONDS = (0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2)


class Counts(NotCounted):
    """What one process counts; in a slot, beside the other workers of its master.

    Args:
        clients: the identifiers that are registered.
    """

    def __init__(self, clients: Callable[[], Collection[str]]) -> None:
        self._clients = clients
        # Instants that nobody asks for, and half of the page.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        together = slots.current is not None
        if together:
            make = values.MultiProcessValue
            values.ValueClass = make(lambda: slots.current)  # type: ignore[no-untyped-call]
        own = None if together else CollectorRegistry()
        self._own = own

        def count(name: str, what: str, *labels: str) -> Counter:
            return Counter(name, what, labels, registry=own)

        def times(name: str, what: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, what, labels, buckets=buckets, registry=own)

        def living(name: str, what: str) -> Gauge:
            return Gauge(name, what, registry=own, multiprocess_mode="livesum")

        self._requests = count("idp_requests", "Requests answered.", "endpoint", "method", "status")
        self._answers = times(
            "idp_request_seconds", "From a whole request to its answer.",
            _ANSWER_SECONDS, "endpoint",
        )  # fmt: skip
        self._sign_ins = count(
            "idp_sign_ins", "Sign-ins, and what stopped them.", "outcome", "stopped_by"
        )
        self._resets = count("idp_resets", "Steps that resets came to.", "state", "channel")
        self._messages = count(
            "idp_messages", "Tries to send a message.", "kind", "channel", "outcome"
        )
        self._notices = count(
            "idp_logout_notices", "Tries to tell a service of a sign-out.", "client_id", "outcome"
        )
        self._events = count("idp_audit_events", "Events written to the audit log.", "event")
        self._authorized = count("idp_authorizations", "Codes issued.", "client_id")
        self._tokens = count("idp_tokens", "Token answers.", "grant", "client_id")
        self._refusals = count(
            "idp_protocol_refusals", "Refused requests of services, by what refused them.",
            "endpoint", "error", "check",
        )  # fmt: skip
        self._client_refusals = count(
            "idp_client_refusals", "Refused requests, by the service that they name.",
            "client_id", "error",
        )  # fmt: skip
        self._hash_in_use = living("idp_hash_pool_in_use", "Hashes being made.")
        self._hash_waiting = living("idp_hash_pool_waiting", "Sign-ins that wait for a turn.")
        self._hash_refused = count("idp_hash_pool_refused", "Sign-ins that got no turn.")
        self._hash_seconds = times("idp_hash_seconds", "How long a hash took.", _HASH_SECONDS)
        self._store_seconds = times(
            "idp_store_seconds", "How long a store took to answer.",
            _STORE_SECONDS, "store", "what",
        )  # fmt: skip
        self._store_failures = count(
            "idp_store_failures", "What a store did not answer, or refused.", "store", "what"
        )
        self._franceconnect = count(
            "idp_franceconnect", "What FranceConnect was asked for.", "outcome", "fault"
        )
        self._franceconnect_rests = living(
            "idp_franceconnect_breaker_open", "Processes that leave FranceConnect alone."
        )

    def registry(self) -> CollectorRegistry:
        """Give what this process and those beside it have counted."""
        if self._own is not None:
            return self._own
        shared = CollectorRegistry()
        MultiProcessCollector(shared, os.environ[slots.FOLDER])  # type: ignore[no-untyped-call]
        return shared

    def answered(self, endpoint: str, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        known = method if method in METHODS else OTHER
        self._requests.labels(endpoint, known, str(status)).inc()
        self._answers.labels(endpoint).observe(seconds)

    def signed_in(self, outcome: str, stopped_by: str) -> None:
        """Count a sign-in."""
        self._sign_ins.labels(outcome, stopped_by).inc()

    def authorized(self, client_id: str) -> None:
        """Count a code."""
        self._authorized.labels(client_id).inc()

    def token_issued(self, grant: str, client_id: str) -> None:
        """Count a token answer."""
        self._tokens.labels(grant, client_id).inc()

    def refused(self, endpoint: str, error: str, check: str, client_id: str) -> None:
        """Count a refusal, under the client that it names where there is one of that name."""
        self._refusals.labels(endpoint, error or "none", check).inc()
        self._client_refusals.labels(self._known(client_id), error or "none").inc()

    def audited(self, event: Event, detail: Mapping[str, str | int], client_id: str) -> None:
        """Count an event, and what it says of a sign-in, a reset, a message or a notice."""
        self._events.labels(event).inc()
        channel = _one_of(Channel, detail.get("channel"))
        if event in OUTCOMES:
            self._sign_ins.labels(OUTCOMES[event], str(detail.get("cause", "none"))).inc()
        if event in RESETS:
            self._resets.labels(RESETS[event], channel).inc()
        if event in MESSAGES:
            kind = _one_of(Kind, detail.get("kind"))
            self._messages.labels(kind, channel, MESSAGES[event]).inc()
        if event in NOTICES:
            self._notices.labels(self._known(client_id), NOTICES[event]).inc()

    def hash_waits(self, change: int) -> None:
        """Note who waits."""
        self._hash_waiting.inc(change)

    def hash_begins(self) -> None:
        """Note that a hash is being made."""
        self._hash_in_use.inc()

    def hash_ends(self, seconds: float) -> None:
        """Note that it is made, and how long it took."""
        self._hash_in_use.dec()
        self._hash_seconds.observe(seconds)

    def hash_refused(self) -> None:
        """Count who got no turn."""
        self._hash_refused.inc()

    def store_asked(self, store: str, what: str, seconds: float, *, failed: bool) -> None:
        """Count what a store was asked, and how long it took."""
        self._store_seconds.labels(store, what).observe(seconds)
        if failed:
            self._store_failures.labels(store, what).inc()

    def franceconnect_asked(self, outcome: str, fault: str) -> None:
        """Count what came of it; both are words of ours."""
        self._franceconnect.labels(outcome, fault).inc()

    def franceconnect_rests(self, rests: bool) -> None:
        """Note whether it is left alone."""
        self._franceconnect_rests.set(float(rests))

    def _known(self, client_id: str) -> str:
        return client_id if client_id in self._clients() else OTHER


def _one_of(words: type[Channel] | type[Kind], said: object) -> str:
    return str(said) if said in set(words) else "none"
