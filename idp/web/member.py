"""Who is signed in, as pages tell it: never by a whole dossier number."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from flask import Response
from flask import request

from idp.identity.dossier import Qualite
from idp.oidc.claims import Subject
from idp.sentence import Sentence
from idp.sentence import say
from idp.session import Session
from idp.web import Services
from idp.web.browser import SESSION_COOKIE
from idp.web.browser import drop_session
from idp.web.browser import session_of
from idp.web.headers import see_other

PARIS = ZoneInfo("Europe/Paris")
QUALITE_LABELS = {Qualite.AFFILIE: say("Affilié"), Qualite.AYANT_DROIT: say("Ayant droit")}


@dataclass(frozen=True, slots=True)
class Member:
    """A living session and the person behind it; ``key`` is the store's name of the session."""

    key: str
    session: Session
    subject: Subject

    @property
    def name(self) -> str:
        """First name and family name, or "" where the directory has neither."""
        family = self.subject.usage_name or self.subject.family_name
        return f"{self.subject.given_names.partition(' ')[0]} {family}".strip()

    @property
    def qualite_label(self) -> Sentence:
        """What the person is to the fund."""
        return QUALITE_LABELS[Qualite(self.subject.qualite)]

    @property
    def numero_end(self) -> str:
        """What may be shown of the number."""
        return self.subject.numero_dossier[-2:]


def member_of(given: Services) -> Member | None:
    """Find who is signed in in this browser; a session that nobody stands behind is ended."""
    key, session = session_of(request, given)
    if session is None:
        return None
    with given.transaction():
        subject = given.subjects.get(session.account_id)
        if subject is None or not subject.stands_behind(session.credential_version):
            given.farewell.promise(given.sessions.end(key).visits)
            return None
    return Member(key, session, subject)


def signed_out(location: str) -> Response:
    """Lead on somebody whose session has ended."""
    response = see_other(location)
    if SESSION_COOKIE in request.cookies:
        # Never one that stayed behind: a form of another site would sign the person out.
        drop_session(response)
    return response
