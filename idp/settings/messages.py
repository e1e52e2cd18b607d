"""How mails and letters leave."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated
from typing import Literal

from pydantic import BaseModel
from pydantic import Field

from idp.settings.told import Span
from idp.settings.told import Told


class MessageSettings(BaseModel):
    """How mails and letters leave."""

    mail_from: Annotated[
        str,
        Told(
            "the sender's address, also the one that bounces go to",
            "address",
            "with none no mail leaves: promises wait in the outbox",
        ),
    ] = ""
    mail_reply_to: Annotated[
        str,
        Told(
            "where an answer goes",
            "address",
            "empty means the sender's",
        ),
    ] = ""
    new_browser_notice: Annotated[
        bool,
        Told(
            "write to a member whose account was entered from a browser it does not know",
            "yes or no",
            "once a day at most, and never of the first browser",
        ),
    ] = True
    smtp_host: Annotated[
        str,
        Told(
            "the mail server",
            "host",
            "with none no mail leaves",
        ),
    ] = ""
    smtp_port: Annotated[
        int,
        Told(
            "its port, 1 to 65535",
            "port",
            "submission (RFC 6409); 465 goes with `tls`",
        ),
    ] = Field(default=587, ge=1, le=65535)
    smtp_security: Annotated[
        Literal["starttls", "tls", "none"],
        Told(
            "`starttls` (required, never merely tried), `tls`, or `none` on loopback",
            "word",
            "mails hold temporary passwords",
        ),
    ] = "starttls"
    smtp_user: Annotated[
        str,
        Told(
            "who signs in there",
            "text",
            "empty means no authentication",
        ),
    ] = ""
    smtp_password_file: Annotated[
        Path | None,
        Told(
            "the file with the password",
            "file",
            "read at each connection: a new password needs no restart",
        ),
    ] = None
    smtp_ca_file: Annotated[
        Path | None,
        Told(
            "the authorities whose certificates are believed, PEM",
            "file",
            "empty means those of the system",
        ),
    ] = None
    smtp_timeout: Annotated[
        Span,
        Told(
            "for how long each answer is waited for, 15 at most",
            "seconds",
            "longer, and two workers might send one mail",
        ),
    ] = Field(default=timedelta(seconds=10), le=timedelta(seconds=15))
    outbox_poll: Annotated[
        Span,
        Told(
            "between two looks of the worker into an outbox where nothing was due",
            "seconds",
            "how long a member waits for a mail at most, beside the mail itself",
        ),
    ] = timedelta(seconds=1)
    spool_dir: Annotated[
        Path | None,
        Told(
            "where batches wait for the printer",
            "folder",
            "empty means `spool` in the data folder; the one place where a secret "
            "rests in clear: mode 0700, never backed up",
        ),
    ] = None
    letter_sender: Annotated[
        str,
        Told(
            "the fund's postal address, lines separated by `|`",
            "lines",
            "printed at the head of each letter",
        ),
    ] = ""
    letter_place: Annotated[
        str,
        Told(
            "the town before the date",
            "text",
            "as on any letter",
        ),
    ] = ""
    print_hour: Annotated[
        int,
        Told(
            "letters asked for before this hour of France leave the same working day, 1 to 24",
            "hour",
            "the day that the page promises is counted from it: put it before the "
            "timer of `idp letters print`",
        ),
    ] = Field(default=15, ge=1, le=24)
    letter_retention: Annotated[
        Span,
        Told(
            "a printed batch is erased after so long",
            "seconds",
            "three days to print it again if the paper jams",
        ),
    ] = timedelta(hours=72)
