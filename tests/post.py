"""The post office of a test: the operator's command on a provider's stores, and a PDF read back."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from click.testing import Result
from pypdf import PdfReader
from sqlalchemy import select

from idp.cli import main
from idp.identity.outbox import Kind
from idp.identity.outbox import Promise
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import fold
from idp.infra.outbox import promise_of
from idp.infra.tables import OutboxRow
from idp.promise import PromiseState
from tests.instance import ISSUER
from tests.instance import Instance
from tests.instance import Person

Matrix = Sequence[float]

MM = 72 / 25.4
SECRET_FACE = "DejaVuSansMono-Bold"
ADDRESS_FACE = "DejaVuSansMono"


@dataclass(frozen=True)
class Run:
    """A run of text: millimetres from the left and the top, its face, its points."""

    x: float
    y: float
    face: str
    points: float
    text: str


class Page:
    """One page as a reader sees it."""

    def __init__(self, page: Any) -> None:
        self.runs: list[Run] = []
        height = float(page.mediabox.height)

        def visit(
            text: str, cm: Sequence[float], tm: Sequence[float], font: Any, size: float
        ) -> None:
            if not text.strip():
                return
            x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
            y = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
            face = font["/BaseFont"].rpartition("+")[2] if font else ""
            self.runs.append(Run(x / MM, (height - y) / MM, face, size, text.strip("\n")))

        page.extract_text(visitor_text=visit)

    @property
    def text(self) -> str:
        """All of it, in reading order, spaces folded."""
        ordered = sorted(self.runs, key=lambda run: (round(run.y), run.x))
        return " ".join(" ".join(run.text for run in ordered).split())

    @property
    def address(self) -> list[str]:
        """The lines in the window."""
        return [run.text for run in self.runs if run.face == ADDRESS_FACE]

    @property
    def secrets(self) -> list[str]:
        """What a person would type from it, folded."""
        return [fold(run.text) for run in self.runs if run.face == SECRET_FACE]


def read_pages(document: Path) -> list[Page]:
    """Read a PDF."""
    return [Page(page) for page in PdfReader(document).pages]


class Post:
    """``idp letters`` on an instance's stores, in real time: the command has no other clock."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        settings = instance.settings
        self.spool = settings.spool_path
        self.env = {
            "IDP_ISSUER": ISSUER,
            "IDP_DATA_DIR": str(settings.data_dir),
            "IDP_DATABASE_URL": settings.sql_url,
            "IDP_REDIS_URL": settings.redis_url,
            "IDP_LETTER_SENDER": "6 place Charles de Gaulle|78882 Saint-Quentin-en-Yvelines Cedex",
            "IDP_LETTER_PLACE": "Saint-Quentin-en-Yvelines",
            "IDP_SUPPORT_PHONE": "01 23 45 67 89",
            "IDP_ENV_FILE": None,
        }

    def idp(self, *words: str, operator: str = "jeanne") -> Result:
        """Run ``idp letters``."""
        self.instance.clock.at = datetime.now(UTC)
        command = ["--operator", operator, "letters", *words]
        return CliRunner(env=self.env).invoke(main, command)

    def add_person(self, numero: str = "1234567", **dossier: object) -> Person:
        """Put somebody with a postal address into the directory."""
        address = {
            "address_1": "MME ANNE LEFÈVRE",
            "address_4": "12 RUE DES LILAS",
            "address_6": "35000 RENNES",
        }
        return self.instance.add_person(numero=numero, **{**address, **dossier})  # type: ignore[arg-type]

    def promise(
        self,
        person: Person | None,
        kind: Kind = Kind.TEMPORARY_PASSWORD,
        *,
        version: int = 1,
        held: bool = False,
    ) -> int:
        """Promise somebody a letter, as the reset does; nobody is a decoy."""
        self.instance.clock.at = datetime.now(UTC)
        parts = self.instance.parts
        account_id = person.account_id if person else None
        with self.instance.app.app_context(), parts.database.transaction():
            promise = parts.outbox.add(
                kind, Channel.LETTER, account_id=account_id, credential_version=version, held=held
            )
        if person and kind is Kind.TEMPORARY_PASSWORD:
            parts.temporaries.request(person.account_id, Channel.LETTER, promise, version=version)
        return promise

    def rows(self) -> list[Promise]:
        """The outbox, by number."""
        with self.instance.app.app_context(), self.instance.parts.database.transaction():
            wanted = select(OutboxRow.__table__).order_by(OutboxRow.id)
            return [promise_of(row) for row in self.instance.parts.database.execute(wanted)]

    def states(self) -> list[PromiseState]:
        """The states of the outbox, by number."""
        return [row.state for row in self.rows()]

    def manifests(self) -> list[dict[str, Any]]:
        """What the printer may take, oldest first."""
        found = [p for p in sorted(self.spool.glob("*.json")) if ".noted" not in p.name]
        return [json.loads(path.read_text()) for path in found]

    def pages(self) -> list[Page]:
        """Every page that the printer may take."""
        return [
            page
            for manifest in self.manifests()
            for page in read_pages(self.spool / manifest["document"]["name"])
        ]

    def opens(self, person: Person, secret: str) -> bool:
        """Tell whether a secret from a letter would open this account now."""
        self.instance.clock.at = datetime.now(UTC)
        parts = self.instance.parts
        kept = [k for k in parts.temporaries.look(person.account_id) if k.hash is not None]
        return any(parts.passwords.verify(k.hash, secret) for k in kept if k.hash is not None)
