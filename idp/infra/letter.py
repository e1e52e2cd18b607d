"""The press: letters on A4 for a C6/5 window envelope, one PDF a batch.

What all letters of a kind and a day say is drawn once and used by every page; a page of its own
adds its address, its reference and its secret. Distances in the code are millimetres from the left
and from the top, as on a ruler laid on the sheet::

    top    20  sender                        place and date
           55  ┌ address: 110–195 × 55–88, nothing else within 5 mm ┐
           99  first fold
          104  subject, text, QR code
          198  second fold: below it, where neither window nor fold shows it,
          205  the secret in its frame

``templates/letters/KIND.txt`` holds the words: the first paragraph is the subject, ``---`` parts
what stands above the frame from what stands in and below it, ``1.`` begins a step, ``**`` is bold.
"""

import re
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import escape

from jinja2 import Environment
from jinja2 import StrictUndefined
from jinja2 import TemplateError
from reportlab.graphics import renderPDF
from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph

from idp import IdpError
from idp.identity.letter_batch import Batch
from idp.identity.letter_batch import Letter
from idp.identity.letters import KINDS
from idp.identity.outbox import Kind
from idp.identity.working_days import day_in_france
from idp.identity.working_days import in_words
from idp.infra.template_folders import read_templates

FONTS = Path(__file__).parent / "fonts"
TEXT, BOLD, FIXED, FIXED_BOLD = "Letter", "Letter-Bold", "Letter-Fixed", "Letter-Fixed-Bold"
_FACES = {
    TEXT: Path("Vera.ttf"),  # reportlab carries it and its bold
    BOLD: Path("VeraBd.ttf"),
    FIXED: FONTS / "DejaVuSansMono.ttf",
    FIXED_BOLD: FONTS / "DejaVuSansMono-Bold.ttf",
}

_WIDTH, _HEIGHT = A4
_LEFT, _RIGHT = 20, 190
_SENDER_LINES = 4
_ADDRESS_LEFT, _ADDRESS_FIRST, _ADDRESS_STEP = 112, 61, 4.5
_FIRST_FOLD, _SECOND_FOLD = 99, 198
_BODY_TOP, _BODY_END = 104, 197
_FRAME_TOP, _FRAME_HEIGHT = 204, 30
_SECRET_LINE, _SECRET_POINTS = 220, 24
_FOOT = 284
_QR_SIZE, _QR_ROOM = 27, 2

_INK, _QUIET, _RULE = HexColor(0x1B1B1B), HexColor(0x4A4A4A), HexColor(0x9A9A9A)
_PLAIN = ParagraphStyle(
    "plain",
    fontName=TEXT,
    bulletFontName=TEXT,
    fontSize=9.5,
    bulletFontSize=9.5,
    leading=13.5,
    textColor=_INK,
    spaceAfter=5.5,
)
_STEP = ParagraphStyle("step", parent=_PLAIN, leftIndent=16, spaceAfter=3.5)
_SUBJECT = ParagraphStyle("subject", parent=_PLAIN, fontName=BOLD, fontSize=10.5, spaceAfter=11)
_CENTRED = ParagraphStyle("centred", parent=_PLAIN, alignment=1)

_NO_BREAK = "\N{NO-BREAK SPACE}"
_BOLD_WORDS = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)
_STEP_NUMBER = re.compile(r"([0-9]{1,2})\.\s+")


class LetterTextUnusable(IdpError):
    """A template of ``templates/letters`` or a face cannot be used; the text says which and why."""

    code = "letter_text_unusable"


@dataclass(frozen=True, slots=True)
class LetterSender:
    """Who writes.

    Attributes:
        address: the lines under the fund's name, the postal address first.
        place: where letters are dated from: ``Saint-Quentin-en-Yvelines, le …``.
        issuer: where members sign in, in clear and as a QR code.
        support_phone: "" for none.
    """

    fund_name: str
    address: tuple[str, ...]
    place: str
    issuer: str
    support_phone: str = ""

    @property
    def sign_in_url(self) -> str:
        """The page that the QR code opens."""
        return f"{self.issuer}/connexion"

    @property
    def sign_in_address(self) -> str:
        """The same as people type it: browsers add the scheme, and loopback needs it."""
        return self.sign_in_url.removeprefix("https://")


@dataclass(frozen=True, slots=True)
class _Words:
    """A letter's text: subject, what stands above the frame, what stands in and below it."""

    subject: str
    upper: tuple[str, ...]
    lower: tuple[str, ...]


class LetterPress:
    """The port ``Press``."""

    def __init__(self, templates: Path | Sequence[Path], sender: LetterSender) -> None:
        if len(sender.address) > _SENDER_LINES:
            message = f"IDP_LETTER_SENDER: {_SENDER_LINES} lines at most, the window begins below"
            raise LetterTextUnusable(message)
        self._sender = sender
        self._phone = sender.support_phone.replace(" ", _NO_BREAK)
        self._templates = Environment(
            loader=read_templates(templates),
            undefined=StrictUndefined,
            autoescape=False,  # noqa: S701 - text; what a paragraph would read as markup is escaped
        )
        for name, file in _FACES.items():
            if name not in pdfmetrics.getRegisteredFontNames():
                try:
                    pdfmetrics.registerFont(TTFont(name, str(file)))
                except TTFError:
                    message = f"{file} is no typeface; run requirements/browser-code.sh"
                    raise LetterTextUnusable(message) from None
        pdfmetrics.registerFontFamily(TEXT, normal=TEXT, bold=BOLD, italic=TEXT, boldItalic=BOLD)

    def check(self, at: datetime) -> None:
        """Lay out a letter of each kind, for nobody: what is wrong shows before a secret is drawn.

        Raises:
            LetterTextUnusable: as ``lay_out``.
        """
        specimens = [
            Letter(1, kind, ("",), at, secret="-" if kind is Kind.TEMPORARY_PASSWORD else "")
            for kind in sorted(KINDS)
        ]
        frozen = (replace(letter, frozen=True) for letter in specimens if letter.secret)
        self.lay_out(Batch("", at), chain(specimens, frozen), BytesIO())

    def lay_out(self, batch: Batch, letters: Iterator[Letter], sheet: BinaryIO) -> None:
        """Write one PDF, a page a letter.

        Raises:
            LetterTextUnusable: a text cannot be read, or has no room on its page.
        """
        canvas = Canvas(
            sheet,
            pagesize=A4,
            pageCompression=1,
            lang="fr-FR",
            # Each page opens with it: Helvetica, the default, would be named and not embedded.
            initialFontName=TEXT,  # type: ignore[arg-type] # its stub takes it for a size
        )
        canvas.setTitle(f"{self._sender.fund_name} {batch.id}")
        canvas.setAuthor(self._sender.fund_name)
        forms: dict[tuple[Kind, str, bool], str] = {}
        for letter in letters:
            happened = str(in_words(day_in_france(letter.happened_at), year=True))
            # A notice tells its own day; all letters with a secret that open alike say the same.
            common = (letter.kind, "" if letter.secret else happened, letter.frozen)
            if common not in forms:
                forms[common] = f"common{len(forms)}"
                canvas.beginForm(forms[common], 0, 0, _WIDTH, _HEIGHT)
                self._draw_common(canvas, batch, letter, happened)
                canvas.endForm()
            canvas.doForm(forms[common])
            self._draw_own(canvas, batch, letter)
            canvas.showPage()
        canvas.save()

    def _draw_own(self, canvas: Canvas, batch: Batch, letter: Letter) -> None:
        canvas.setFillColor(_INK)
        canvas.setFont(FIXED, 10)
        for place, line in enumerate(letter.address):
            _write(canvas, _ADDRESS_LEFT, _ADDRESS_FIRST + place * _ADDRESS_STEP, line)
        canvas.setFont(TEXT, 8)
        canvas.setFillColor(_QUIET)
        _write(canvas, _LEFT, _FOOT, f"Nos références : {batch.id}/{letter.number:04d}")
        if letter.secret:
            canvas.setFillColor(_INK)
            canvas.setFont(FIXED_BOLD, _SECRET_POINTS)
            canvas.drawCentredString(_WIDTH / 2, _y(_SECRET_LINE), letter.secret)

    def _draw_common(self, canvas: Canvas, batch: Batch, letter: Letter, happened: str) -> None:
        sender = self._sender
        canvas.setFillColor(_INK)
        canvas.setFont(BOLD, 13)
        _write(canvas, _LEFT, 22, sender.fund_name)
        canvas.setFont(TEXT, 8.5)
        canvas.setFillColor(_QUIET)
        for place, line in enumerate(sender.address):
            _write(canvas, _LEFT, 28 + 4 * place, line)
        if sender.support_phone:
            phone = f"Téléphone : {sender.support_phone}"
            _write(canvas, _LEFT, 28 + 4 * len(sender.address), phone)
        canvas.setFillColor(_INK)
        canvas.setFont(TEXT, 9.5)
        place_and_date = f"{sender.place}, le {in_words(batch.day, year=True)}"
        canvas.drawRightString(_RIGHT * mm, _y(22), place_and_date.removeprefix(", "))
        self._draw_folds(canvas)
        words = self._words(batch, letter, happened)
        self._draw_text(canvas, words, has_secret=letter.kind is Kind.TEMPORARY_PASSWORD)

    def _draw_folds(self, canvas: Canvas) -> None:
        canvas.setStrokeColor(_RULE)
        canvas.setLineWidth(0.4)
        for fold in (_FIRST_FOLD, _SECOND_FOLD):
            canvas.line(4 * mm, _y(fold), 8 * mm, _y(fold))
        canvas.line(_LEFT * mm, _y(_FOOT - 5), _RIGHT * mm, _y(_FOOT - 5))

    def _draw_text(self, canvas: Canvas, words: _Words, *, has_secret: bool) -> None:
        top = _flow(canvas, [f"Objet : {words.subject}"], _BODY_TOP, _RIGHT, _SUBJECT)
        end = _BODY_END if has_secret else _FOOT - 10
        qr_top = 0.0
        for paragraph in words.upper:
            steps = _STEP_NUMBER.match(paragraph) is not None
            if steps and not qr_top:
                qr_top = top + _QR_ROOM
                _draw_qr(canvas, self._sender.sign_in_url, _RIGHT - _QR_SIZE, qr_top)
            beside = qr_top and top < qr_top + _QR_SIZE
            right = _RIGHT - _QR_SIZE - 6 if beside else _RIGHT
            top = _flow(
                canvas, paragraph.splitlines() if steps else [paragraph], top, right, _PLAIN
            )
        _check_room(top, end, "above the frame")
        if not has_secret:
            return
        canvas.setStrokeColor(_INK)
        canvas.setLineWidth(0.8)
        canvas.roundRect(
            (_LEFT + 15) * mm,
            _y(_FRAME_TOP + _FRAME_HEIGHT),
            (_RIGHT - _LEFT - 30) * mm,
            _FRAME_HEIGHT * mm,
            2 * mm,
        )
        canvas.setFont(TEXT, 8.5)
        canvas.setFillColor(_QUIET)
        canvas.drawCentredString(_WIDTH / 2, _y(_FRAME_TOP + 6), "Votre mot de passe provisoire")
        validity, *below = words.lower
        _flow(canvas, [validity], _FRAME_TOP + 21.5, _RIGHT, _CENTRED)
        top = _FRAME_TOP + _FRAME_HEIGHT + 5.0
        for paragraph in below:
            top = _flow(canvas, [paragraph], top, _RIGHT, _PLAIN)
        _check_room(top, _FOOT - 6, "below the frame")

    def _words(self, batch: Batch, letter: Letter, happened: str) -> _Words:
        kind = letter.kind
        name = f"letters/{kind}.txt"
        sender = self._sender
        try:
            text = self._templates.get_template(name).render(
                fund_name=sender.fund_name,
                support_phone=self._phone,
                sign_in_address=sender.sign_in_address,
                happened=happened,
                valid_until=str(in_words(batch.valid_until, year=True)),
                frozen=letter.frozen,
            )
        except TemplateError as error:
            raise LetterTextUnusable(f"templates/{name}: {error}") from None
        above, _, below = text.partition("\n---\n")
        subject, *upper = _paragraphs(above) or [""]
        lower = _paragraphs(below)
        if not subject or not upper or bool(lower) != (kind is Kind.TEMPORARY_PASSWORD):
            message = f"templates/{name}: a subject, a text, and --- where there is a secret"
            raise LetterTextUnusable(message)
        return _Words(subject, tuple(upper), tuple(lower))


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]


def _y(from_top: float) -> float:
    return float(_HEIGHT - from_top * mm)


def _write(canvas: Canvas, left: float, baseline: float, text: str) -> None:
    canvas.drawString(left * mm, _y(baseline), text)


def _flow(
    canvas: Canvas, texts: list[str], top: float, right: float, style: ParagraphStyle
) -> float:
    """Set paragraphs from ``top`` down and give where the next one begins, in mm."""
    for text in texts:
        step = _STEP_NUMBER.match(text)
        used = _STEP if step else style
        marked = _BOLD_WORDS.sub(r"<b>\1</b>", escape(text[step.end() :] if step else text))
        paragraph = Paragraph(marked, used, bulletText=f"{step[1]}." if step else None)
        _, height = paragraph.wrap((right - _LEFT) * mm, _HEIGHT)
        paragraph.drawOn(canvas, _LEFT * mm, _y(top) - height)
        top += (height + used.spaceAfter) / mm
    return float(top)


def _draw_qr(canvas: Canvas, url: str, left: float, top: float) -> None:
    code = QrCodeWidget(url, barLevel="M", barBorder=0)
    x1, y1, x2, y2 = code.getBounds()
    size = _QR_SIZE * mm
    drawing = Drawing(
        size, size, initialFontName=TEXT, transform=[size / (x2 - x1), 0, 0, size / (y2 - y1), 0, 0]
    )
    drawing.add(code)
    renderPDF.draw(drawing, canvas, left * mm, _y(top) - size)


def _check_room(reached: float, end: float, where: str) -> None:
    if reached > end:
        message = f"templates/letters: the text {where} is {reached - end:.0f} mm too long"
        raise LetterTextUnusable(message)
