"""``/compte/appareils``: where the member is signed in; the end of one sign-in or all others."""

from dataclasses import dataclass

from flask import Blueprint
from flask import Response
from flask import g
from flask import request

from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.outbox import Kind
from idp.sentence import Sentence
from idp.sentence import counted
from idp.sentence import say
from idp.session import LivingSession
from idp.session import Place
from idp.web import Services
from idp.web import services
from idp.web.account_topics import Topic
from idp.web.account_topics import current_member
from idp.web.account_topics import moment
from idp.web.account_topics import own_page
from idp.web.account_topics import sent_by
from idp.web.browser import actor_of
from idp.web.browser import device_of
from idp.web.browser import place_of
from idp.web.login_form import Notice
from idp.web.member import Member

bp = Blueprint("account_devices", __name__)

PAGE = "/compte/appareils"

UNKNOWN = say("Navigateur inconnu")

ENDED = Notice(
    "done",
    say("L’appareil est déconnecté"),
    say(
        "Les services que vous y aviez ouverts sont prévenus. Pour y revenir, il faudra votre mot"
        " de passe."
    ),
)
OTHERS_ENDED = Notice(
    "done",
    say("Vos autres appareils sont déconnectés"),
    say(
        "Il n’y a plus que celui-ci. Les autres ne sont plus reconnus : pour y revenir, il faudra"
        " votre mot de passe."
    ),
)


@dataclass(frozen=True, slots=True)
class Device:
    """One sign-in on the page; ``used_at`` is None when nobody knows."""

    key: str
    name: Sentence | str
    here: bool
    since: Sentence
    used_at: Sentence | None
    network: Sentence | None


def _says(given: Services, member: Member) -> Sentence:
    return counted(
        "Seul cet appareil est connecté.",
        "%(count)s appareils sont connectés en ce moment, avec celui-ci.",
        max(1, len(_living(given, member))),
    )


TOPIC = Topic(PAGE, say("Appareils connectés"), say("Voir mes appareils"), _says)


@bp.get(PAGE)
def show() -> Response:
    """Show where the member is signed in."""
    member = current_member()
    return member if isinstance(member, Response) else _page(services(), member)


@bp.post(PAGE)
def end() -> Response:
    """End one sign-in of this account, or all but this one."""
    given = services()
    member = sent_by(current_member(), PAGE, _page)
    if isinstance(member, Response):
        return member
    account_id, subject = member.session.account_id, member.subject
    actor = actor_of(request, given, g.request_id)
    key = request.form.get("appareil", "")
    with given.transaction():
        if request.form.get("tous"):
            given.devices.end_others(
                account_id,
                Qualite(subject.qualite),
                NumeroDossier(subject.numero_dossier),
                key=member.key,
                device=device_of(request, given),
                actor=actor,
            )
            notice, tell = OTHERS_ENDED, True
        else:
            # One that is not there any more is as ended as it can be; this one signs out elsewhere.
            tell = key != member.key and given.devices.end(account_id, key, actor=actor)
            notice = ENDED
        if tell:
            given.notices.tell(
                Kind.SESSIONS_ENDED, account_id, version=member.session.credential_version
            )
    return _page(given, member, notice=notice)


def _page(
    given: Services, member: Member, status: int = 200, *, notice: Notice | None = None
) -> Response:
    here = place_of(request, given).network
    with given.transaction():
        living = _living(given, member)
    devices = [_told(one, member.key, here) for one in living]
    return own_page(
        given, member, PAGE, "pages/account_devices.html", status,
        notice=notice, devices=sorted(devices, key=lambda device: not device.here),
    )  # fmt: skip


def _living(given: Services, member: Member) -> list[LivingSession]:
    session = member.session
    return given.devices.of_account(session.account_id, session.credential_version)


def _told(one: LivingSession, key: str, network: str) -> Device:
    place, here = one.session.place, one.key == key
    return Device(
        key=one.key,
        name=device_name(place),
        here=here,
        since=moment(one.session.auth_time),
        used_at=moment(one.used_at) if one.used_at and not here else None,
        network=None if here else _where(place.network, network),
    )


def device_name(place: Place) -> Sentence | str:
    """Say with what: « Firefox sur Windows »."""
    if not place.browser:
        return UNKNOWN
    if not place.system:
        return place.browser
    return say("%(browser)s sur %(system)s", browser=place.browser, system=place.system)


def network_shown(network: str) -> str:
    """Write a shortened network as people know addresses, « 203.0.113.… », or ""."""
    if network in ("", "unknown"):
        return ""
    address = network.partition("/")[0]
    if "." in address:
        return f"{address.rpartition('.')[0]}.…"
    return f"{groups}:…" if (groups := address.rstrip(":")) else ""


def _where(network: str, here: str) -> Sentence:
    if not (shown := network_shown(network)):
        return say("inconnu")
    if network == here:
        return say("le même que cet appareil")
    return say("un autre (%(network)s)", network=shown)
