"""Front-channel logout: frames that the sign-out page loads from services, to say that it is over.

A frame reaches a service only while the person looks at the page, and browsers keep cookies from
frames of other sites: the back channel is the one to rely on. Both are served to who asks for both.

Spec: OIDC Front-Channel Logout 1.0 §2, §3.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field

from idp.oidc.claims import sid_of
from idp.oidc.clients import Clients
from idp.oidc.response import with_parameters
from idp.session import Visit


@dataclass(frozen=True, slots=True)
class FrontChannelLogout:
    """Names the frames of the services that were visited."""

    issuer: str
    clients: Clients
    pairwise_salt: bytes = field(repr=False)

    def frames(self, visits: Iterable[Visit]) -> tuple[str, ...]:
        """Give the address of each frame, with ``iss`` and ``sid`` whether required or not."""
        frames = []
        for visit in visits:
            client = self.clients.find(visit.client_id)
            if client is not None and client.frontchannel_logout_uri:
                sid = sid_of(visit.session_key, client, self.pairwise_salt)
                parameters = [("iss", self.issuer), ("sid", sid)]
                frames.append(with_parameters(client.frontchannel_logout_uri, parameters))
        return tuple(frames)
