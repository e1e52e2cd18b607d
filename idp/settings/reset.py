"""The reset: its anti-robot, what a good password is, its quotas."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel
from pydantic import Field

from idp.settings.told import Span
from idp.settings.told import Told


class ResetSettings(BaseModel):
    """The reset: its anti-robot, what a good password is, its quotas."""

    reset_journey: Annotated[
        Span,
        Told(
            "from the number to the choice of a channel",
            "seconds",
            "half an hour to find the letter box's key",
        ),
    ] = timedelta(minutes=30)
    decoy_post_only_share: Annotated[
        float | None,
        Told(
            "of unknown numbers, how many look as if they had no mail address; 0 to 1",
            "share",
            "empty follows the directory",
        ),
    ] = Field(default=None, ge=0, le=1)
    anti_robot_answer: Annotated[
        str,
        Told(
            "an answer that always passes, for tests",
            "text",
            "refused unless the issuer is on loopback",
        ),
    ] = ""
    anti_robot_from: Annotated[
        int,
        Told(
            "failures of a network in its window from which strangers solve an "
            "anti-robot at the sign-in page too",
            "failures",
            "a browser that signed in before never does; more than "
            "`IDP_NETWORK_LIMIT` is refused, except on loopback",
        ),
    ] = Field(default=3, ge=1)
    anti_robot_cost: Annotated[
        int,
        Told(
            "of one step of a challenge, 1000 to 100000",
            "iterations",
            "a second on a desktop, three on an old phone, with the next one",
        ),
    ] = Field(default=5_000, ge=1_000, le=100_000)
    anti_robot_steps: Annotated[
        int,
        Told(
            "of a challenge in the mean, 2 to 10000",
            "steps",
            "the work grows with it and costs us nothing more",
        ),
    ] = Field(default=300, ge=2, le=10_000)
    password_min_length: Annotated[
        int,
        Told(
            "of a chosen password, 12 to 64",
            "characters",
            "length is what a guesser pays for",
        ),
    ] = Field(default=12, ge=12, le=64)
    password_min_guesses: Annotated[
        int,
        Told(
            "how hard a chosen password must be to guess",
            "guesses",
            "ten thousand million: out of reach of the tries that the limits allow,"
            " and of a stolen hash for years",
        ),
    ] = Field(default=10**10, ge=10**8)
    temporary_tries_by_origin: Annotated[
        int,
        Told(
            "wrong tries of a temporary password from one network or browser, 1 to 5",
            "tries",
            "a slip of the finger is told by the check symbol and costs none",
        ),
    ] = Field(default=5, ge=1, le=5)
    temporary_tries: Annotated[
        int,
        Told(
            "wrong tries of a temporary password in all, 5 to 50; then it is locked",
            "tries",
            "53 bits against 50 tries",
        ),
    ] = Field(default=50, ge=5, le=50)
    reset_requests_an_hour: Annotated[
        int,
        Told(
            "requests of one network",
            "requests",
            "an office behind one address",
        ),
    ] = Field(default=20, ge=1)
    reset_questions_an_hour: Annotated[
        int,
        Told(
            "of these, by who answered the question in words",
            "requests",
            "words are easier for a machine than work",
        ),
    ] = Field(default=5, ge=1)
    mails_an_hour: Annotated[
        int,
        Told(
            "mails to one account",
            "mails",
            "the mail bomb",
        ),
    ] = Field(default=3, ge=1)
    mails_a_day: Annotated[
        int,
        Told(
            "mails to one account",
            "mails",
            "as above",
        ),
    ] = Field(default=5, ge=1)
    letter_every: Annotated[
        Span,
        Told(
            "between two letters to one account",
            "seconds",
            "ten days: the first has arrived, or it is lost",
        ),
    ] = timedelta(days=10)
    letters_in_90_days: Annotated[
        int,
        Told(
            "letters to one account",
            "letters",
            "the letter cannon",
        ),
    ] = Field(default=3, ge=1)
    letters_of_network_a_day: Annotated[
        int,
        Told(
            "letters that one network may ask for",
            "letters",
            "as above",
        ),
    ] = Field(default=5, ge=1)
    letters_a_day: Annotated[
        int,
        Told(
            "letters in all; above it they are held and an operator is told",
            "letters",
            "a normal day has 200 to 500; `idp letters campaign` raises it",
        ),
    ] = Field(default=1_000, ge=1)
