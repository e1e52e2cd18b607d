"""``idp letters``: from the promise to the printer's folder, and what to do when paper is lost.

Run ``idp letters print`` once a working day, before the post leaves, from a timer or by hand; and
``idp letters purge`` after it.
"""

import os
import sys
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from datetime import datetime
from datetime import time
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from idp.audit import Actor
from idp.audit import Event
from idp.cli import migrated_parts
from idp.identity.letters import Printed
from idp.identity.letters import PrintLetters
from idp.identity.letters_again import ReissueLetters
from idp.identity.temporary_password import Channel
from idp.identity.working_days import FRANCE
from idp.identity.working_days import day_in_france
from idp.infra.letter_desk import SqlLetterDesk
from idp.infra.letter_spool import LetterSpool
from idp.parts import Parts
from idp.promise import PromiseState

if TYPE_CHECKING:
    from idp.infra.letter import LetterPress

EVERYTHING = sys.maxsize
_STATES = {
    PromiseState.WAITING: "waiting for `idp letters print`",
    PromiseState.HELD: "held by the breaker: `idp letters release` lets them go",
    PromiseState.DEAD: "given up: `idp outbox list --state dead` says why",
}


@click.group()
def letters() -> None:
    """Letters: print what waits, look after what was printed."""


@letters.command("print")
@click.option("--limit", type=click.IntRange(min=1), help="Take so many promises at most.")
@click.pass_obj
def print_(operator: str, limit: int | None) -> None:
    """Print the letters that wait, oldest first, into the printer's folder.

    What a run that was killed had begun is brought to its end first. Exit status 1 when a letter
    could not be addressed.
    """
    with _current_parts() as built:
        use_case = print_letters(built)
        with _progress(_waiting(built), limit) as on_letter:
            printed = use_case.run(
                limit=limit or EVERYTHING, actor=Actor(operator=operator), on_letter=on_letter
            )
    _print_summary(printed, built)
    if printed.refused:
        sys.exit(1)


@letters.command("list")
def list_() -> None:
    """Tell how many letters wait, are held or given up, and which batches were printed."""
    with _current_parts() as built:
        with built.database.transaction():
            waiting = SqlLetterDesk(built.database).waiting()
        now = built.now()
        for state, meaning in _STATES.items():
            found = waiting.get(state)
            oldest = f", the oldest for {_age(now - found.oldest)}" if found else ""
            print(f"{found.letters if found else 0:>7}  {meaning}{oldest}")
        for batch in _spool(built).printed():
            document = f"{batch.bytes // 1024} KiB" if batch.bytes else "erased"
            unsettled = "" if batch.settled else "; broken off: run `idp letters print`"
            print(
                f"{batch.letters:>7}  in {batch.id}, printed {_age(now - batch.printed_at)} ago,"
                f" PDF {document}{unsettled}"
            )


@letters.command()
@click.option("--batch", default="", help="Every letter of this batch, whatever Redis knows.")
@click.pass_obj
def reissue(operator: str, batch: str) -> None:
    """Promise again the letters whose secrets died with Redis, or a whole lost batch.

    The next print draws and prints them; run twice, nothing is promised twice. Letters whose
    password was used, or that are past their 30 days, are left alone.
    """
    with _current_parts() as built:
        use_case = ReissueLetters(
            printed=SqlLetterDesk(built.database),
            outbox=built.outbox,
            temporaries=built.temporaries,
            spool=_spool(built),
            audit=built.audit,
            transaction=built.database.transaction,
            now=built.now,
        )
        actor = Actor(operator=operator)
        promised = use_case.of_batch(batch, actor=actor) if batch else use_case.lost(actor=actor)
    if promised:
        print(f"{promised} promised again; `idp letters print` prints them")
    else:
        print("nothing to promise again: every letter that can still be used has its secret")


@letters.command()
@click.pass_obj
def purge(operator: str) -> None:
    """Erase the PDFs that were printed long enough ago (IDP_LETTER_RETENTION, 72 hours)."""
    with _current_parts() as built:
        spool, now = _spool(built), built.now()
        with spool.locked():
            erased = spool.purge(before=now - built.settings.letter_retention, now=now)
        if erased:
            with built.database.transaction():
                built.audit.record(
                    Event.LETTERS_PURGED,
                    actor=Actor(operator=operator),
                    detail={"batches": len(erased), "last": erased[-1]},
                )
    for batch in erased:
        print(f"erased the PDF of {batch}")
    if not erased:
        print("nothing to erase")


@letters.command()
@click.option("--all", "everything", is_flag=True, help="Every letter that is held.")
@click.argument("count", type=click.IntRange(min=1), required=False)
@click.pass_obj
def release(operator: str, everything: bool, count: int | None) -> None:
    """Let held letters wait for the print again: COUNT of them, the oldest first, or --all."""
    if everything == (count is not None):
        raise click.UsageError("say how many, or --all")
    with _current_parts() as built, built.database.transaction():
        gone = built.outbox.let_go(Channel.LETTER, limit=count or 1_000_000)
        if gone:
            built.audit.record(
                Event.LETTERS_RELEASED, actor=Actor(operator=operator), detail={"letters": gone}
            )
    print(f"{gone} released" if gone else "no letter is held")


@letters.command()
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    required=True,
    help="The last day of the campaign, in France.",
)
@click.option("--per-day", type=click.IntRange(min=1), required=True, help="Letters in 24 hours.")
@click.pass_obj
def campaign(operator: str, until: datetime, per_day: int) -> None:
    """Let more letters leave in a day until a date, then as the setting says again."""
    with _current_parts() as built:
        last = until.date()
        if last < day_in_france(built.now()):
            raise click.UsageError(f"--until {last}: that day has passed")
        built.reset_quotas.raise_breaker(per_day, until=_end_of(last))
        with built.database.transaction():
            built.audit.record(
                Event.LETTERS_RELEASED,
                actor=Actor(operator=operator),
                detail={"per_day": per_day, "until": last.isoformat()},
            )
    print(f"{per_day} letters in 24 hours until the end of {last}; those already held stay held")


@contextmanager
def _current_parts() -> Iterator[Parts]:
    built = migrated_parts()
    with built.flask.app_context():
        try:
            yield built
        finally:
            built.database.engine.dispose()


def _spool(built: Parts) -> LetterSpool:
    return LetterSpool(built.settings.spool_path)


def print_letters(built: Parts) -> PrintLetters:
    """Join the use case of the print."""
    return PrintLetters(
        contacts=built.contacts,
        temporaries=built.temporaries,
        outbox=built.outbox,
        spool=_spool(built),
        press=_press(built),
        hash=built.passwords.hash,
        threads=len(os.sched_getaffinity(0)),
        audit=built.audit,
        transaction=built.database.transaction,
        now=built.now,
    )


def _press(built: Parts) -> "LetterPress":
    # Here and not above: reportlab takes its time to load, and only the print needs it.
    from idp.infra.letter import LetterPress
    from idp.infra.letter import LetterSender

    settings = built.settings
    lines = tuple(line.strip() for line in settings.letter_sender.split("|"))
    sender = LetterSender(
        fund_name=settings.fund_name,
        address=tuple(filter(None, lines)),
        place=settings.letter_place,
        issuer=settings.issuer,
        support_phone=settings.support_phone,
    )
    press = LetterPress(built.templates, sender)
    press.check(built.now())
    return press


def _waiting(built: Parts) -> int:
    with built.database.transaction():
        found = SqlLetterDesk(built.database).waiting().get(PromiseState.WAITING)
    return found.letters if found else 0


@contextmanager
def _progress(waiting: int, limit: int | None) -> Iterator[Callable[[int], None]]:
    if not waiting or not sys.stderr.isatty():
        yield lambda _letters: None
        return
    length = min(waiting, limit or waiting)
    with click.progressbar(length=length, label="Printing", file=sys.stderr) as bar:
        yield bar.update


def _print_summary(printed: Printed, built: Parts) -> None:
    if printed.adopted:
        print(f"{printed.adopted:>7}  of a run that broke off, noted as printed")
    if printed.drawn_again:
        print(f"{printed.drawn_again:>7}  of a run that broke off, begun again")
    print(f"{printed.letters:>7}  printed")
    for fault, count in sorted(printed.dropped.items()):
        print(f"{count:>7}  not printed: {fault}")
    for fault, count in sorted(printed.refused.items()):
        print(f"{count:>7}  not printed, look at the directory: {fault}")
    for batch in printed.batches:
        print(built.settings.spool_path / f"{batch}.pdf")


def _end_of(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time.min, tzinfo=FRANCE)


def _age(span: timedelta) -> str:
    if span < timedelta(hours=2):
        return f"{span // timedelta(minutes=1)} min"
    if span < timedelta(days=2):
        return f"{span // timedelta(hours=1)} h"
    return f"{span.days} days"
