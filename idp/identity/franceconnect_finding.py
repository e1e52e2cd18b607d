"""Which dossiers are a person's: those linked to their ``sub``, and those that equal their pivot.

What equals exactly outranks what equals loosely (first names in another order, a date that the
dossier knows in part). Dossiers that equal loosely count when no exact one exists, of any status,
and all agree with one another; else nobody is guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from idp.identity.franceconnect_links import CANDIDATES
from idp.identity.franceconnect_links import Links
from idp.identity.franceconnect_links import PivotDirectory
from idp.identity.franceconnect_links import PivotDossier
from idp.identity.franceconnect_links import Rule
from idp.identity.pivot import Arrival
from idp.identity.pivot import Match
from idp.identity.pivot import PivotIdentity
from idp.identity.pivot import agree
from idp.identity.pivot import birthdates
from idp.identity.pivot import compare


class Unmatched(StrEnum):
    """Why nobody was found: for the audit log."""

    NOBODY = "nobody"
    AMBIGUOUS = "ambiguous"
    """Dossiers that equal loosely, and do not agree with one another."""
    BARRED = "unlinked"
    """What equals was unlinked by its member, or by the help desk."""
    TOO_MANY = "too_many_candidates"


@dataclass(frozen=True, slots=True)
class Offer:
    """A dossier that is this person's, by what rule; ``match`` where it equals their pivot."""

    dossier: PivotDossier
    rule: Rule
    match: Match | None = None

    @property
    def told(self) -> dict[str, str | int]:
        """What the audit log says of the rule."""
        told: dict[str, str | int] = {"rule": self.rule}
        if self.match is not None and self.match.reordered:
            told["given_names"] = "reordered"
        if self.match is not None and self.match.presumed:
            told["birthdate"] = "presumed"
        return told


@dataclass(frozen=True, slots=True)
class Found:
    """What is this person's: to be opened, and not; ``why`` there is neither."""

    offers: tuple[Offer, ...]
    shut: tuple[PivotDossier, ...]
    why: Unmatched


@dataclass(frozen=True, slots=True)
class Finding:
    """The rule, given where links and dossiers are read."""

    directory: PivotDirectory
    links: Links

    def find(self, arrival: Arrival) -> Found:
        """Find every dossier of a person, in an order of their own. Raises StoreUnavailable."""
        linked = {link.account_id for link in self.links.of_sub(arrival.sub)}
        equal, why = equals(arrival.pivot, self._candidates(arrival.pivot))
        equal = [offer for offer in equal if offer.dossier.account_id not in linked]
        barred = self.links.barred({offer.dossier.account_id for offer in equal})
        every = [
            *(Offer(dossier, Rule.SUB) for dossier in self.directory.of_accounts(linked)),
            *(offer for offer in equal if offer.dossier.account_id not in barred),
        ]
        every.sort(key=lambda offer: (offer.dossier.qualite, offer.dossier.numero.value))
        return Found(
            offers=tuple(offer for offer in every if offer.dossier.may_open),
            shut=tuple(offer.dossier for offer in every if not offer.dossier.may_open),
            why=Unmatched.BARRED if barred else why,
        )

    def _candidates(self, pivot: PivotIdentity) -> Sequence[PivotDossier]:
        dates = birthdates(pivot)
        return self.directory.candidates(dates) if dates else ()


def equals(
    vouched: PivotIdentity, candidates: Sequence[PivotDossier]
) -> tuple[list[Offer], Unmatched]:
    """Choose the dossiers that equal a pivot identity, and say why there is none."""
    if len(candidates) > CANDIDATES:
        return [], Unmatched.TOO_MANY
    exact: list[Offer] = []
    loose: list[Offer] = []
    for dossier in candidates:
        match = compare(vouched, dossier.pivot)
        if match is not None:
            (exact if match.is_exact else loose).append(Offer(dossier, Rule.PIVOT, match))
    if exact:
        return exact, Unmatched.NOBODY
    if not agree([offer.dossier.pivot for offer in loose]):
        return [], Unmatched.AMBIGUOUS
    return loose, Unmatched.NOBODY
