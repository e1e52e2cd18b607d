"""What ``idp accounts show`` prints of one account, for a person and for a program."""

from collections.abc import Iterator

from idp.identity.contact import letter_fault
from idp.identity.dossier import Qualite
from idp.identity.mask import mask_email
from idp.identity.timeline import STATUS
from idp.identity.timeline import Act
from idp.identity.timeline import Line
from idp.identity.timeline import Seen
from idp.identity.timeline import Step
from idp.identity.timeline import day_of
from idp.identity.timeline import history
from idp.identity.timeline import hour_of
from idp.identity.timeline import standing
from idp.identity.timeline import steps
from idp.identity.timeline_words import fault_in_words

QUALITES = {Qualite.AFFILIE: "affilié", Qualite.AYANT_DROIT: "ayant droit"}


def page(seen: Seen, typed: str, word: str) -> Iterator[str]:
    """Write the page that the help desk reads out."""
    contact = seen.contact
    yield f"{QUALITES[contact.qualite].capitalize()} {typed} : {STATUS[contact.status]}"
    yield f"Mail {mask_email(contact.email) or 'absent'} ; adresse postale {_postal(seen)}"
    yield f"Dans les journaux techniques : {word}"
    yield ""
    yield "Maintenant"
    yield from (f"  {line}" for line in standing(seen))
    yield ""
    yield "Que faire"
    yield from (f"  {_step(step, contact.qualite)}" for step in steps(seen))
    yield ""
    yield "Ce qui s'est passé, le plus récent d'abord (heure de Paris)"
    yield from _days(history(seen.events))


def _days(lines: list[Line]) -> Iterator[str]:
    day = ""
    for line in lines:
        if day_of(line.at) != day:
            day = day_of(line.at)
            yield f"  {day}"
        yield f"    {hour_of(line.at):>7}  {line.text}"
    if not lines:
        yield "  rien depuis 12 mois"


def _step(step: Step, qualite: Qualite) -> str:
    if step.act is None:
        return step.text
    return f"{step.text} : {_command(step.act, qualite, again=step.again)}"


def _command(act: Act, qualite: Qualite, *, again: bool) -> str:
    return f'`idp accounts {act} {qualite} NUMERO --reason "…"{" --again" if again else ""}`'


def _postal(seen: Seen) -> str:
    fault = letter_fault(seen.contact)
    return f"inutilisable ({fault_in_words(fault)})" if fault else "complète"


def facts(seen: Seen) -> dict[str, object]:
    """Tell the same to a program."""
    contact, waiting = seen.contact, seen.waiting
    known = waiting.known
    return {
        "qualite": contact.qualite,
        "status": contact.status,
        "account_id": contact.account_id,
        "has_password": contact.has_password,
        "franceconnect_since": seen.link.linked_at.isoformat() if seen.link else None,
        "mail": mask_email(contact.email),
        "letter_fault": letter_fault(contact),
        "failures_in_a_row": waiting.failures,
        "waits_until": waiting.until.isoformat() if waiting.until else None,
        "known_browser_waits_until": (
            known.until.isoformat() if known is not None and known.until else None
        ),
        "now": standing(seen),
        "next": [
            {
                "text": step.text,
                "command": (
                    _command(step.act, contact.qualite, again=step.again).strip("`")
                    if step.act
                    else None
                ),
            }
            for step in steps(seen)
        ],
        "events": [
            {"at": line.at.isoformat(), "event": line.event, "text": line.text}
            for line in history(seen.events)
        ],
    }


def printable(line: str) -> str:
    """What somebody calls himself (``--operator``) moves no cursor of another's terminal."""
    return "".join(character if character.isprintable() else "?" for character in line)
