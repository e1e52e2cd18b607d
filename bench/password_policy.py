"""What the password policy costs: an estimate, a look-up, the memory of both, a decoy.

.venv/bin/python -m bench.password_policy
"""

from __future__ import annotations

import statistics
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from idp.identity.contact import Contact
from idp.identity.contact import MailMix
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 200
USUAL = ("les glycines du moulin", "Marguerite2024!", "xkq7 vbn2 pl9z mm4", "jetaimemonchat")
HOSTILE = ("marguerite4@0$!1" * 8, "p4ssw0rd@$1l!0" * 9, "@$1!|0" * 21, "lesglycinesdumoulin" * 6)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
ANNE = Contact(
    "account", Qualite.AFFILIE, NumeroDossier("1234567"), DossierStatus.ACTIVE, 1, True,
    "bleuet.moulin@example.org", "", "", "Anne Marie Louise", "MARTIN", "LEFÈVRE", "1950-05-12",
    ("MME ANNE MARTIN", "", "12 RUE DES LILAS", "", "75012 PARIS", ""),
)  # fmt: skip


class Mixes:
    """A directory with many domains and every pair of letters."""

    def mail_mix(self, _qualite: Qualite) -> MailMix:
        """The same for both."""
        domains = {f"{first}*****.{last}": 9 for first in LETTERS for last in ("fr", "com", "org")}
        pairs = {one + two: 3 for one in LETTERS for two in LETTERS}
        return MailMix(0.3, domains, dict.fromkeys(LETTERS, 5), pairs)


def resident_kib() -> int:
    """Resident memory of this process."""
    [line] = [
        line
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        if line.startswith("VmRSS")
    ]
    return int(line.split()[1])


def median_ms(act: Callable[[], object]) -> str:
    """The median and the worst of many rounds."""
    took = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        act()
        took.append((time.perf_counter() - started) * 1000)
    return f"{statistics.median(took):.3f} ms (p99 {sorted(took)[int(ROUNDS * 0.99)]:.3f})"


def main() -> None:
    """Print the figures."""
    before = resident_kib()
    from idp.identity import password_lists
    from idp.identity.mask import Decoys
    from idp.identity.password_policy import PasswordPolicy

    imported = resident_kib()
    policy = PasswordPolicy()
    policy.faults(USUAL[0], about=ANNE)
    loaded = resident_kib()
    print(f"memory: import {imported - before} KiB, first verdict {loaded - imported} KiB")
    for kind, proposals in (("usual", USUAL), ("hostile", HOSTILE)):
        for clear in proposals:
            verdict = policy.faults(clear, about=ANNE)
            cost = median_ms(partial(policy.faults, clear, about=ANNE))
            print(f"{kind:8} {clear[:24]:26} {cost}  {', '.join(verdict) or 'good'}")
    leaked = password_lists.leaked()
    print(f"leaked list, one look-up: {median_ms(lambda: 'xqzwkvbjfmpl' in leaked)}")
    decoys = Decoys(b"k" * 32, Mixes(), post_only_share=None)
    print(f"a decoy: {median_ms(lambda: decoys.contact_mask('subject', Qualite.AFFILIE))}")


if __name__ == "__main__":
    main()
