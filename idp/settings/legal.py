"""What the law has the fund say of itself on its pages, and the audit of their accessibility."""

from datetime import date
from typing import Annotated

from pydantic import BaseModel
from pydantic import Field
from pydantic import model_validator

from idp.settings.told import Told


class LegalSettings(BaseModel):
    """What the pages of the footer say. What is empty is shown there as « à compléter »."""

    fund_seat: Annotated[
        str,
        Told(
            "the fund's full name and seat, lines separated by `|`",
            "lines",
            "LCEN art. 1-1: shown by `/mentions-legales`",
        ),
    ] = ""
    fund_registration: Annotated[
        str,
        Told(
            "its registration number",
            "text",
            "as above",
        ),
    ] = ""
    publication_director: Annotated[
        str,
        Told(
            "who directs the publication",
            "text",
            "as above",
        ),
    ] = ""
    hosting_provider: Annotated[
        str,
        Told(
            "who hosts the service: name, address and telephone, lines separated by `|`",
            "lines",
            "as above",
        ),
    ] = ""
    data_protection_contact: Annotated[
        str,
        Told(
            "how to reach the data protection officer, lines separated by `|`",
            "lines",
            "GDPR art. 13: shown by `/donnees-personnelles`",
        ),
    ] = ""
    accessibility_contact: Annotated[
        str,
        Told(
            "whom to tell of a page that cannot be used, lines separated by `|`",
            "lines",
            "RGAA: shown by `/accessibilite`",
        ),
    ] = ""
    accessibility_scheme_url: Annotated[
        str,
        Told(
            "the multi-year scheme for accessibility and its plan of the year",
            "URL",
            "RGAA: linked from `/accessibilite`",
        ),
    ] = ""
    accessibility_audited_on: Annotated[
        date | None,
        Told(
            "the day of the last audit of these pages",
            "day",
            "empty means « non conforme », whatever the pages are; so does an audit older than"
            " three years",
        ),
    ] = None
    accessibility_audited_by: Annotated[
        str,
        Told(
            "who did it",
            "text",
            "required with the day",
        ),
    ] = ""
    accessibility_rate: Annotated[
        int,
        Field(ge=0, le=100),
        Told(
            "the share of RGAA criteria that it found to be met, 0 to 100",
            "percent",
            "under 50 is « non conforme », under 100 « partiellement conforme »",
        ),
    ] = 0

    @model_validator(mode="after")
    def _audit(self) -> "LegalSettings":
        if self.accessibility_audited_on and not self.accessibility_audited_by:
            message = "IDP_ACCESSIBILITY_AUDITED_BY: expected with IDP_ACCESSIBILITY_AUDITED_ON"
            raise ValueError(message)
        return self
