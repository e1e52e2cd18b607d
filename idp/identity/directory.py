"""One line of the business system's export becomes a dossier, or the list of its faults.

``read_row`` takes the values in the order of ``COLUMNS`` and looks at every one of them: whoever
mends an export wants all the faults of a line at once. A fault is told in words for the person who
mends it; it shows the value, shortened, unless that is a dossier number or a password hash.
"""

import re
import unicodedata
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from datetime import date
from datetime import datetime
from functools import cache
from functools import lru_cache

from idp.identity.dossier import NUMERO_LIMIT
from idp.identity.dossier import Dossier
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import NumeroPatterns
from idp.identity.dossier import Qualite
from idp.identity.dossier import Situation
from idp.identity.password import PasswordHash
from idp.identity.password import UnusablePasswordHash
from idp.identity.password import parse_imported

ADDRESS_COLUMNS = tuple(f"address_{n}" for n in range(1, 7))
COLUMNS = (
    "qualite",
    "numero_dossier",
    "family_name",
    "usage_name",
    "given_names",
    "gender",
    "birthdate",
    "birthplace",
    "birthcountry",
    "email",
    "phone",
    *ADDRESS_COLUMNS,
    "situations",
    "profession",
    "status",
    "password_hash",
    "last_sign_in_at",
)
OPTIONAL_COLUMNS = frozenset({"password_hash", "last_sign_in_at"})
"""What an export may leave out whole; a missing ``email`` would wipe every address out."""

ADDRESS_LINE_LIMIT = 38  # NF Z 10-011
EMAIL_LIMIT = 254
TEXT_LIMITS = {
    "family_name": 200,
    "usage_name": 200,
    "given_names": 200,
    "phone": 40,
    "profession": 80,
} | dict.fromkeys(ADDRESS_COLUMNS, ADDRESS_LINE_LIMIT)

_EARLIEST_BIRTH = "1850-00-00"
_EARLIEST_SIGN_IN = datetime(1990, 1, 1, tzinfo=UTC)
_SHOWN = 30

_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_BIRTHPLACE = re.compile(r"[0-9]{5}|2[AB][0-9]{3}")
_BIRTHCOUNTRY = re.compile(r"99[0-9]{3}")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(
    rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+[A-Za-z][A-Za-z0-9-]{{0,61}}[A-Za-z0-9]"
)

_AN = {Qualite.AFFILIE: "an affilié", Qualite.AYANT_DROIT: "an ayant droit"}
_SITUATIONS = {str(situation): situation for situation in Situation}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in one column: what was found, and what was expected there."""

    column: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.column}: {self.found}, {self.expected}"


@dataclass(frozen=True, slots=True)
class DirectoryRow:
    """A good row: the dossier, and what the old system knew of its account."""

    dossier: Dossier
    password: PasswordHash | None
    last_sign_in_at: datetime | None


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row with faults.

    Attributes:
        faults: all of them, in the order of the columns.
        key: qualité and number when both can be read, so that another row of theirs is told too.
    """

    faults: tuple[Fault, ...]
    key: tuple[Qualite, NumeroDossier] | None = None


@dataclass(frozen=True, slots=True)
class RowRules:
    """What a row is held against: the settings' patterns, and the instant of the import."""

    patterns: NumeroPatterns
    now: datetime


def read_row(values: Sequence[str], rules: RowRules) -> DirectoryRow | RefusedRow:
    """Read the values of one line, in the order of ``COLUMNS``."""
    faults: list[Fault] = []
    row = dict(zip(COLUMNS, _safe_text(values, faults), strict=True))
    qualite = _qualite(row["qualite"], faults)
    numero = _numero(row["numero_dossier"], qualite, rules.patterns, faults)
    text = _texts(row, faults)
    _gender(row["gender"], faults)
    _birthdate(row["birthdate"], rules.now, faults)
    _code("birthplace", row["birthplace"], _BIRTHPLACE, "an INSEE code of 5 characters", faults)
    _code("birthcountry", row["birthcountry"], _BIRTHCOUNTRY, "an INSEE code 99xxx", faults)
    _email(row["email"], faults)
    situations, contradictions = _situations(row["situations"], qualite)
    faults.extend(contradictions)
    status = _status(row["status"], faults)
    password = _password(row["password_hash"], faults)
    last_sign_in_at = _last_sign_in_at(row["last_sign_in_at"], rules.now, faults)
    key = None if qualite is None or numero is None else (qualite, numero)
    if faults or key is None or status is None:
        faults.sort(key=lambda fault: COLUMNS.index(fault.column))
        return RefusedRow(tuple(faults), key)
    dossier = Dossier(
        qualite=key[0],
        numero=key[1],
        family_name=text["family_name"],
        usage_name=text["usage_name"],
        given_names=text["given_names"],
        gender=row["gender"],
        birthdate=row["birthdate"],
        birthplace=row["birthplace"],
        birthcountry=row["birthcountry"],
        email=row["email"],
        phone=text["phone"],
        address=(
            text["address_1"],
            text["address_2"],
            text["address_3"],
            text["address_4"],
            text["address_5"],
            text["address_6"],
        ),
        situations=situations,
        profession=text["profession"],
        status=status,
    )
    return DirectoryRow(dossier, password, last_sign_in_at)


def shown(value: str) -> str:
    """Quote a value for an operator: shortened, and nothing in it reaches the terminal raw."""
    return repr(value if len(value) <= _SHOWN else value[: _SHOWN - 1] + "…")


def _safe_text(values: Sequence[str], faults: list[Fault]) -> Sequence[str]:
    # One look at the whole line: nearly all of them need no other.
    line = " ".join(values)
    if not unicodedata.is_normalized("NFC", line):
        values = [unicodedata.normalize("NFC", value) for value in values]
    if line.isprintable():
        return values
    safe = list(values)
    for place, value in enumerate(values):
        unsafe = [c for c in value if unicodedata.category(c) in _UNSAFE_CATEGORIES]
        if unsafe:
            found = f"a control or invisible character (U+{ord(unsafe[0]):04X})"
            faults.append(Fault(COLUMNS[place], found, "plain text expected"))
            # The rest is read without it: one fault must not be told twice.
            safe[place] = "".join(c for c in value if c not in unsafe)
    return safe


def _qualite(value: str, faults: list[Fault]) -> Qualite | None:
    if value in (Qualite.AFFILIE, Qualite.AYANT_DROIT):
        return Qualite(value)
    faults.append(Fault("qualite", _found(value), "affilie or ayant_droit expected"))
    return None


def _numero(
    value: str, qualite: Qualite | None, patterns: NumeroPatterns, faults: list[Fault]
) -> NumeroDossier | None:
    # Never shown: what is refused here may be somebody's number with one digit too many.
    if not value:
        found = "missing"
    elif not (value.isascii() and value.isdigit()):
        found = "characters other than digits"
    elif len(value) > NUMERO_LIMIT or (qualite and not patterns.fits(value, qualite)):
        found = f"{len(value)} digits"
    else:
        return NumeroDossier(value)
    of_either = " or ".join(
        _numero_expected(patterns, q) for q in ([qualite] if qualite else Qualite)
    )
    faults.append(Fault("numero_dossier", found, f"{of_either} expected"))
    return None


@cache
def _numero_expected(patterns: NumeroPatterns, qualite: Qualite) -> str:
    pattern = patterns.affilie if qualite is Qualite.AFFILIE else patterns.ayant_droit
    lengths = patterns.lengths(qualite)
    return " or ".join(map(str, lengths)) if lengths else f"the pattern {pattern.pattern}"


def _texts(row: Mapping[str, str], faults: list[Fault]) -> dict[str, str]:
    texts = {column: row[column].strip() for column in TEXT_LIMITS}
    for column, limit in TEXT_LIMITS.items():
        if (length := len(texts[column])) > limit:
            faults.append(Fault(column, f"{length} characters", f"{limit} at most"))
    if not texts["family_name"]:
        faults.append(Fault("family_name", "missing", "a birth surname expected"))
    return texts


def _gender(value: str, faults: list[Fault]) -> None:
    if value not in ("", "female", "male"):
        faults.append(Fault("gender", shown(value), "female, male or nothing expected"))


def _birthdate(value: str, now: datetime, faults: list[Fault]) -> None:
    if not value:
        return
    found = None
    if not _DATE.fullmatch(value):
        found = shown(value)
    elif not _is_day(value):
        found = f"no such day ({value})"
    # 00 sorts before every month and day, so a partial date compares like a whole one.
    elif value > now.date().isoformat():
        found = f"in the future ({value})"
    elif value < _EARLIEST_BIRTH:
        found = f"before {_EARLIEST_BIRTH[:4]} ({value})"
    if found:
        expected = "YYYY-MM-DD expected, 00 for an unknown month or day"
        faults.append(Fault("birthdate", found, expected))


def _is_day(value: str) -> bool:
    if value[5:7] == "00":
        return value[8:10] == "00"  # a day without its month is no date
    try:
        date.fromisoformat(value if value[8:10] != "00" else value[:8] + "01")
    except ValueError:
        return False
    return True


def _code(
    column: str, value: str, pattern: re.Pattern[str], described: str, faults: list[Fault]
) -> None:
    if value and not pattern.fullmatch(value):
        faults.append(Fault(column, shown(value), f"{described} or nothing expected"))


def _email(value: str, faults: list[Fault]) -> None:
    if value and (len(value) > EMAIL_LIMIT or not _EMAIL.fullmatch(value)):
        found = f"not an address ({shown(value)})"
        faults.append(Fault("email", found, "name@domain or nothing expected"))


@lru_cache(maxsize=1024)  # an export of 400,000 rows holds a handful of lists
def _situations(
    value: str, qualite: Qualite | None
) -> tuple[tuple[Situation, ...], tuple[Fault, ...]]:
    of_qualite = " | ".join(s for s in Situation if qualite in (None, s.qualite))
    situations: list[Situation] = []
    faults: list[Fault] = []
    for word in value.split("|"):
        situation = _SITUATIONS.get(word)
        if situation is None:
            faults.append(Fault("situations", _found(word), f"{of_qualite} expected"))
        elif qualite is not None and situation.qualite is not qualite:
            found = f"{situation} is not one of {_AN[qualite]}"
            faults.append(Fault("situations", found, f"{of_qualite} expected"))
        elif situation in situations:
            faults.append(Fault("situations", f"{situation} twice", "each once expected"))
        else:
            situations.append(situation)
    return tuple(situations), tuple(faults)


def _status(value: str, faults: list[Fault]) -> DossierStatus | None:
    try:
        return DossierStatus(value)
    except ValueError:
        faults.append(Fault("status", _found(value), "active, closed or deceased expected"))
        return None


def _password(value: str, faults: list[Fault]) -> PasswordHash | None:
    if not value:
        return None
    try:
        return parse_imported(value)
    except UnusablePasswordHash as error:
        expected = "Argon2id up to 128 MiB and t=4, bcrypt up to 12, or nothing expected"
        faults.append(Fault("password_hash", str(error), expected))
        return None


def _last_sign_in_at(value: str, now: datetime, faults: list[Fault]) -> datetime | None:
    if not value:
        return None
    found = shown(value)
    if _INSTANT.fullmatch(value):
        try:
            instant = datetime.fromisoformat(value)
            at = (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            found = f"no such instant ({value})"
        else:
            if _EARLIEST_SIGN_IN <= at <= now:
                return at
            found = f"in the future ({value})" if at > now else f"before 1990 ({value})"
    expected = "ISO 8601 expected, in UTC where it names no zone"
    faults.append(Fault("last_sign_in_at", found, expected))
    return None


def _found(value: str) -> str:
    return shown(value) if value else "missing"
