"""What holds attackers back."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator
from pydantic import BaseModel
from pydantic import Field

from idp.settings import formats
from idp.settings.told import Span
from idp.settings.told import Told


class LimitSettings(BaseModel):
    """What holds attackers back."""

    trusted_proxies: Annotated[
        int,
        Told(
            "how many proxies of ours stand in front, exactly; 0 to 8",
            "proxies",
            "the client's address is the one that the outermost of them saw, never "
            "what a header claims",
        ),
    ] = Field(default=0, ge=0, le=8)
    account_day_limit: Annotated[
        int,
        Told(
            "failures of one account in 24 hours, 5 to 25; then none until the oldest is a day old",
            "failures",
            "waits alone would allow 9,000 tries a year",
        ),
    ] = Field(default=25, ge=5, le=25)
    network_limit: Annotated[
        int,
        Told(
            "failures of one network in its window, 5 at least",
            "failures",
            "an office behind one address fails too",
        ),
    ] = Field(default=30, ge=5)
    network_window: Annotated[
        Span,
        Told(
            "the window of a network, which slides",
            "seconds",
        ),
    ] = timedelta(minutes=10)
    sessions_of_account: Annotated[
        int,
        Told(
            "sessions of one account at a time, 2 to 100; a sign-in beyond them ends the oldest",
            "sessions",
            "more than anybody has devices; whoever knows a password cannot pile up what is kept",
        ),
    ] = Field(default=20, ge=2, le=100)
    client_secret_limit: Annotated[
        int,
        Told(
            "wrong client credentials of one network in their window, 5 at least",
            "failures",
            "a service deployed with a wrong secret tries often; nobody guesses 256 bits",
        ),
    ] = Field(default=60, ge=5)
    client_secret_window: Annotated[
        Span,
        Told(
            "the window of wrong client credentials",
            "seconds",
        ),
    ] = timedelta(minutes=10)
    services_private_networks: Annotated[
        str,
        AfterValidator(formats.networks),
        Told(
            "networks that are not of the public Internet, and where the `jwks_uri`"
            " or `backchannel_logout_uri` of a service may lead all the same",
            "networks separated by commas",
            "whoever answers for an address must not lead us to our own machines; "
            "name the narrowest network",
        ),
    ] = ""
    services_ca_file: Annotated[
        Path | None,
        Told(
            "the authorities whose certificates are believed there, PEM",
            "file",
            "empty means those of the system; for services under an authority of the fund's own",
        ),
    ] = None
