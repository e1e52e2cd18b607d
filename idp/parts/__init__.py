"""The parts of one process: stores, secrets, keys.

Each is built when first asked for, so that a command opens only the stores it needs.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from idp.parts.ground import PACKAGE
from idp.parts.ground import templates_dir
from idp.parts.ground import utc_now
from idp.parts.in_redis import InRedis
from idp.settings import networks_of

if TYPE_CHECKING:
    from idp.infra.jwks_fetch import RemoteKeys
    from idp.infra.service_calls import ServiceCalls

__all__ = ["PACKAGE", "Parts", "templates_dir", "utc_now"]


class Parts(InRedis):
    """The parts of one process, each built once, on first use."""

    @cached_property
    def remote_keys(self) -> RemoteKeys:
        """The keys that services publish."""
        from idp.infra.jwks_fetch import FETCH_SECONDS
        from idp.infra.jwks_fetch import HttpsFetch
        from idp.infra.jwks_fetch import RemoteKeys

        return RemoteKeys(HttpsFetch(self.service_calls(FETCH_SECONDS)))

    def service_calls(self, seconds: float) -> ServiceCalls:
        """Calls to the addresses of services, each of so many seconds."""
        from idp.infra.service_calls import ServiceCalls

        return ServiceCalls(
            private_networks=networks_of(self.settings.services_private_networks),
            ca_file=self.settings.services_ca_file,
            seconds=seconds,
        )
