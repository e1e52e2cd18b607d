"""What ``/readyz`` asks of each part: "" when well, or what is wrong."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from idp import IdpError
from idp.oidc.clients import SIGNING_ALGS
from idp.web.health import WARNING

if TYPE_CHECKING:
    from collections.abc import Callable

    from idp.parts import Parts

log = logging.getLogger(__name__)


def sql_probe(parts: Parts) -> Callable[[], str]:
    """Whether SQL answers, with our schema; a schema once found right is not looked at again."""
    from idp.infra import migrations

    pending = migrations.Pending(parts.settings.sql_url)
    is_schema_known = False

    def probe() -> str:
        nonlocal is_schema_known
        try:
            if is_schema_known:
                parts.database.ping()
            elif pending():
                return "schema is behind; run idp migrate"
        except migrations.UnknownSchema as newer:
            # During an update a newer version migrates first, and this one goes on meanwhile.
            return f"{WARNING}{newer}"
        except IdpError as error:
            return str(error)
        is_schema_known = True
        return ""

    return probe


def keys_probe(parts: Parts, publish: Callable[[], object]) -> Callable[[], str]:
    """Whether both algorithms have a key that signs, and services can be given the public halves.

    A fault that keeps the ring is a warning.
    """
    folder = parts.key_files.folder

    def probe() -> str:
        try:
            ring = parts.key_files.ring()
            for alg in SIGNING_ALGS:
                ring.signing_key(alg, now=parts.now())
            publish()
        except IdpError as error:
            return shown(str(error))
        except Exception as fault:
            log.error("the keys cannot be published", exc_info=fault)
            return "they cannot be published; see the log"
        trouble = parts.key_files.trouble or parts.key_files.oddity
        return f"{WARNING}{shown(trouble)}" if trouble else ""

    def shown(fault: str) -> str:
        # Whoever asks for readiness has no business with where things stand on this machine.
        return fault.replace(f"{folder}/", "").replace(str(folder), folder.name)

    return probe


def maintenance_probe(parts: Parts) -> Callable[[], str]:
    """A warning and no fault: a proxy keeps sending people to the page that says why."""
    return lambda: f"{WARNING}closed on purpose" if parts.maintenance.closure() else ""


def probe_of(*looks: Callable[[], None]) -> Callable[[], str]:
    """Make a probe of looks that raise what is wrong."""

    def probe() -> str:
        try:
            for look in looks:
                look()
        except IdpError as error:
            return str(error)
        return ""

    return probe
