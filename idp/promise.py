"""What was promised and waits in the outbox: the states of a row, and how long one claimer has it.

Mails and letters (``identity/outbox``) and sign-out notices (``oidc/backchannel_logout``) are rows
of one table with one life::

    held ──► waiting ──► done
               │ ▲  └──► dropped
               └─┴─────► dead ──► waiting (an operator's retry)

A row that waits is held by one claimer at a time, under a lease. Whoever lost it (too slow, taken
for dead) is told so by every method that takes the claimed row: it changes nothing then.
"""

from datetime import timedelta
from enum import StrEnum


class PromiseState(StrEnum):
    """Where a row stands."""

    WAITING = "waiting"
    HELD = "held"
    """By the letter breaker: keeps its order, leaves when an operator lets it go."""
    DONE = "done"
    DROPPED = "dropped"
    """Nobody to send to, superseded, or too old: nothing left."""
    DEAD = "dead"
    """Refused for good, or tried too often: an operator looks, and may retry it."""


UNFINISHED = (PromiseState.WAITING, PromiseState.HELD, PromiseState.DEAD)
"""What somebody still waits for."""

LEASE = timedelta(minutes=5)
"""Longer than any one message takes; a batch of letters is claimed in portions that fit."""
