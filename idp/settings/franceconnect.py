"""The other block of the sign-in page: FranceConnect, once the fund has its credentials."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator
from pydantic import BaseModel
from pydantic import Field

from idp.settings import formats
from idp.settings.told import Span
from idp.settings.told import Told


class FranceConnectSettings(BaseModel):
    """How FranceConnect is reached, and who we are there."""

    franceconnect_issuer: Annotated[
        str,
        AfterValidator(formats.upstream_issuer),
        Told(
            "the issuer of FranceConnect; the rest is read from its discovery document",
            "address",
            "with none it is not offered; the production's is"
            " `https://oidc.franceconnect.gouv.fr/api/v2`",
        ),
    ] = ""
    franceconnect_client_id: Annotated[
        str,
        Told(
            "who we are there",
            "text",
            "given with the habilitation",
        ),
    ] = ""
    franceconnect_client_secret_file: Annotated[
        Path | None,
        Told(
            "the file with the secret given there, mode 0600 (`client_secret_post`)",
            "file",
            "this or the next one, never both",
        ),
    ] = None
    franceconnect_private_key_file: Annotated[
        Path | None,
        Told(
            "the file with a key of our own, PEM, mode 0600 (`private_key_jwt`): P-256, or RSA of"
            " 3072 bits",
            "file",
            "FranceConnect knows its public half alone: no secret is shared",
        ),
    ] = None
    franceconnect_scope: Annotated[
        str,
        AfterValidator(formats.scope),
        Told(
            "what is asked for, `openid` in it",
            "words",
            "what the habilitation lists and no more, or FranceConnect refuses all of it",
        ),
    ] = "openid identite_pivot"
    franceconnect_acr: Annotated[
        str,
        Field(min_length=1, max_length=100),
        Told(
            "the level of assurance that is asked for, and without which nobody comes in",
            "word",
            "plain FranceConnect has this one",
        ),
    ] = "eidas1"
    franceconnect_seconds: Annotated[
        Span,
        Told(
            "for how long each of its answers is waited for, 10 at most",
            "seconds",
            "a sign-in needs two of them, and a code lives for thirty seconds",
        ),
    ] = Field(default=timedelta(seconds=5), le=timedelta(seconds=10))
    franceconnect_ca_file: Annotated[
        Path | None,
        Told(
            "the authorities whose certificates are believed there, PEM",
            "file",
            "empty means those of the system",
        ),
    ] = None
