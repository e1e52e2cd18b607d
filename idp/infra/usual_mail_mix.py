"""A mix of French mail addresses, for the time when the directory's own cannot be counted.

Estimates, not measures: what most French members write to us from. Decoys made of it have every
shape that a mask has, and change once, when the first import has counted.
"""

from collections import Counter
from collections.abc import Mapping

from idp.identity.contact import MailMix
from idp.identity.dossier import Qualite
from idp.identity.mask import mask_domain

_POST_ONLY = {Qualite.AFFILIE: 0.15, Qualite.AYANT_DROIT: 0.45}

_DOMAINS = {
    "gmail.com": 330,
    "orange.fr": 170,
    "hotmail.fr": 90,
    "wanadoo.fr": 85,
    "hotmail.com": 70,
    "free.fr": 65,
    "yahoo.fr": 60,
    "laposte.net": 35,
    "sfr.fr": 25,
    "icloud.com": 15,
    "live.fr": 15,
    "outlook.com": 15,
    "outlook.fr": 15,
    "yahoo.com": 8,
    "neuf.fr": 7,
    "bbox.fr": 5,
    "msn.com": 5,
    "aol.com": 4,
    "cabinet.fr": 4,
    "club-internet.fr": 3,
    "kine.fr": 3,
    "numericable.fr": 3,
    "cabinet.com": 2,
    "infirmier.com": 2,
    "me.com": 2,
    "protonmail.com": 2,
}

_FIRSTS = {
    "m": 110, "c": 100, "a": 85, "j": 80, "s": 80, "l": 65, "p": 65, "d": 60, "f": 60, "b": 55,
    "n": 45, "v": 45, "e": 40, "g": 40, "r": 30, "i": 22, "h": 16, "k": 16, "t": 16, "o": 14,
    "y": 12, "w": 5, "z": 4, "x": 3, "q": 2, "u": 2,
}  # fmt: skip

_NAMES = """
martin bernard thomas petit robert richard durand dubois moreau laurent simon michel lefebvre
leroy roux david bertrand morel fournier girard bonnet dupont lambert fontaine rousseau vincent
muller lefevre faure andre mercier blanc guerin boyer garnier chevalier francois legrand gauthier
garcia perrin robin clement morin nicolas henry roussel mathieu gautier masson marchand duval denis
dumont marie lemaire noel meyer dufour meunier brun blanchard giraud joly riviere lucas brunet
gaillard barbier arnaud martinez gerard roche renard schmitt roy leroux colin vidal caron picard
roger fabre aubert lemoine renaud dumas lacroix olivier philippe bourgeois pierre benoit rey leclerc
payet rolland leclercq guillaume lecomte lopez jean dupuy guillot hubert berger carpentier sanchez
dupuis moulin louis deschamps huet vasseur perez boucher fleury royer klein jacquet adam paris
poirier marty aubry guyot carre charles renault charpentier menard maillard baron bertin bailly
herve schneider fernandez collet leger bouvier julien prevost millet perrot daniel cousin germain
breton besson langlois remy pelletier leveque perrier leblanc barre lebrun marchal weber mallet
anne sophie sylvie claire nathalie isabelle catherine christine valerie sandrine celine julie
camille emilie aurelie laure helene veronique monique jacqueline sante cabinet infirmiere kine
"""

_OF_A_NAME, _SHORT = 8, 12
_NUMBERS = {f"{number:02d}": 5 if number >= 50 else 2 for number in range(100)}
"""Years of birth and departments: what local parts end with when it is no name."""

_LASTS = Counter({"": _SHORT} | _NUMBERS)
for _name in _NAMES.split():
    _LASTS[_name[-2:]] += _OF_A_NAME

_MASKED_DOMAINS: Counter[str] = Counter()
for _domain, _weight in _DOMAINS.items():
    _MASKED_DOMAINS[mask_domain(_domain)] += _weight

USUAL: Mapping[Qualite, MailMix] = {
    qualite: MailMix(post_only=share, domains=_MASKED_DOMAINS, firsts=_FIRSTS, lasts=_LASTS)
    for qualite, share in _POST_ONLY.items()
}
