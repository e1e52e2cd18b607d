"""What the fund says of itself."""

from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator
from pydantic import BaseModel

from idp.settings import formats
from idp.settings.told import Told


class FundSettings(BaseModel):
    """What the fund says of itself."""

    fund_name: Annotated[
        str,
        Told(
            "the name that pages show",
            "text",
        ),
    ] = "CARPIMKO"
    fund_tagline: Annotated[
        str,
        Told(
            "what stands in the wordmark beside the name, for who does not see it",
            "text",
            "a theme with another wordmark says what that one says",
        ),
    ] = "La Retraite des Auxiliaires Médicaux"
    theme_folder: Annotated[
        Path | None,
        Told(
            'colours, drawings and templates of the fund\'s own (docs/design.md, "A theme")',
            "folder",
            "empty means those that are shipped; read once, when a process starts",
        ),
    ] = None
    support_phone: Annotated[
        str,
        Told(
            "the number that error pages and the sign-in page give",
            "text",
            "empty shows none: a wrong number is worse",
        ),
    ] = ""
    default_client_id: Annotated[
        str,
        Told(
            "the service that somebody is led to who opens the sign-in page directly",
            "client_id",
            "empty leads to `/compte`",
        ),
    ] = ""
    affilie_pattern: Annotated[
        str,
        AfterValidator(formats.pattern),
        Told(
            "the whole dossier number of an affilié",
            "regular expression",
            "numbers of the fund today",
        ),
    ] = r"[0-9]{7}"
    ayant_droit_pattern: Annotated[
        str,
        AfterValidator(formats.pattern),
        Told(
            "the whole dossier number of an ayant droit",
            "regular expression",
            "some inherit the number of the affilié, some have nine digits",
        ),
    ] = r"[0-9]{7}|[0-9]{9}"
    privacy_url: Annotated[
        str,
        Told(
            "the page on personal data that the first reset page links to",
            "URL",
            "empty shows no link",
        ),
    ] = ""
    terms_url: Annotated[
        str,
        Told(
            "the conditions of use that it links to",
            "URL",
            "empty shows no link",
        ),
    ] = ""
    service_documentation_url: Annotated[
        str,
        Told(
            "the page for whoever connects a service, announced as `service_documentation`",
            "URL",
            "empty announces none",
        ),
    ] = ""
    redesign_at: Annotated[
        datetime,
        AfterValidator(formats.aware),
        Told(
            "who signed in last before this instant must reset the password",
            "instant, UTC",
            "the redesign of the members' area; passwords were not carried over",
        ),
    ] = datetime(2021, 3, 1, tzinfo=UTC)
