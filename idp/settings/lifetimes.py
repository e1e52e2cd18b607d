"""How long things live."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel
from pydantic import Field
from pydantic import model_validator

from idp.settings.told import Span
from idp.settings.told import Told


class LifetimeSettings(BaseModel):
    """How long things live."""

    session_idle: Annotated[
        Span,
        Told(
            "an SSO session that nobody used for so long has ended",
            "seconds",
            "a shared computer left alone",
        ),
    ] = timedelta(minutes=30)
    session_absolute: Annotated[
        Span,
        Told(
            "no SSO session lives longer, however busy",
            "seconds",
            "a working day",
        ),
    ] = timedelta(hours=8)
    recent_sign_in: Annotated[
        Span,
        Told(
            "what is sensitive at `/compte` asks for the password again after so long; a minute "
            "to an hour",
            "seconds",
            "a quarter of an hour: long enough to read a page, short for a browser left open",
        ),
    ] = Field(default=timedelta(minutes=15), ge=timedelta(minutes=1), le=timedelta(hours=1))
    waiting_request_lifetime: Annotated[
        Span,
        Told(
            "for how long a sign-in page left open still leads to its service",
            "seconds",
            "a page left overnight",
        ),
    ] = timedelta(hours=24)
    code_lifetime: Annotated[
        Span,
        Told(
            "an authorization code, 60 at most",
            "seconds",
            "a redirect and a call; RFC 6749 §4.1.2 allows ten minutes, which nobody needs",
        ),
    ] = Field(default=timedelta(seconds=60), le=timedelta(seconds=60))
    access_token_lifetime: Annotated[
        Span,
        Told(
            "an access token, 3600 at most; never longer than its session",
            "seconds",
            "a JWT is read without asking us: five minutes bound what a stolen one is worth",
        ),
    ] = Field(default=timedelta(minutes=5), le=timedelta(hours=1))
    id_token_lifetime: Annotated[
        Span,
        Told(
            "an ID token, 3600 at most",
            "seconds",
            "read once, at sign-in; clocks differ",
        ),
    ] = Field(default=timedelta(minutes=10), le=timedelta(hours=1))
    refresh_idle: Annotated[
        Span,
        Told(
            "a refresh token that nobody used for so long has ended, 180 days (15552000) at most",
            "seconds",
            "thirty days: who does not come back in a month signs in again",
        ),
    ] = Field(default=timedelta(days=30), le=timedelta(days=180))
    refresh_absolute: Annotated[
        Span,
        Told(
            "no refresh family lives longer, however busy, 180 days (15552000) at most",
            "seconds",
            "half a year after the sign-in, the person proves themselves again",
        ),
    ] = Field(default=timedelta(days=180), le=timedelta(days=180))
    jwks_max_age: Annotated[
        Span,
        Told(
            "for how long services may keep discovery and keys",
            "seconds",
            "a new key must be announced at least so long before it signs",
        ),
    ] = timedelta(minutes=10)
    key_lifetime: Annotated[
        Span,
        Told(
            "for how long a key signs before the next one does; two days at least",
            "seconds",
            "ninety days: a key that leaked unseen is worth no more",
        ),
    ] = Field(default=timedelta(days=90), ge=timedelta(days=2))
    key_announced: Annotated[
        Span,
        Told(
            "a key is published for so long before it signs; an hour, and twice "
            "`IDP_JWKS_MAX_AGE`, at least",
            "seconds",
            "a day: a service that asks for the keys but once a night has seen it",
        ),
    ] = Field(default=timedelta(days=1), ge=timedelta(hours=1))
    audit_retention: Annotated[
        Span,
        Told(
            "audit events older than this are erased; half a year to three years",
            "seconds",
            "twelve months, as the CNIL advises for traces of access",
        ),
    ] = Field(default=timedelta(days=365), ge=timedelta(days=183), le=timedelta(days=3 * 366))

    audit_seal_every: Annotated[
        Span,
        Told(
            "the worker seals new audit events so often; ten seconds to an hour",
            "seconds",
            "a minute: for so long a row could be changed and nobody would find it",
        ),
    ] = Field(default=timedelta(minutes=1), ge=timedelta(seconds=10), le=timedelta(hours=1))

    @model_validator(mode="after")
    def _rotation(self) -> "LifetimeSettings":
        if self.key_announced < 2 * self.jwks_max_age:
            # Twice: a cache that was filled just before may be in front of another one.
            message = "IDP_KEY_ANNOUNCED: expected twice IDP_JWKS_MAX_AGE at least"
            raise ValueError(message)
        if self.key_lifetime < 2 * self.key_announced:
            message = "IDP_KEY_LIFETIME: expected twice IDP_KEY_ANNOUNCED at least"
            raise ValueError(message)
        return self
