"""``idp accounts``: the help desk's view of one account, and the acts that mend it.

What it prints of an account is French, for whoever reads it out on the phone (docs/help-desk.md).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import click

from idp.audit import Actor
from idp.cli import migrated_parts
from idp.cli.account_page import QUALITES
from idp.cli.account_page import facts
from idp.cli.account_page import page
from idp.cli.account_page import printable
from idp.identity.contact import letter_fault
from idp.identity.dossier import InvalidNumeroDossier
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import NumeroOfOtherQualite
from idp.identity.dossier import Qualite
from idp.identity.franceconnect_desk import FranceConnectDesk
from idp.identity.freeze import NotFrozen
from idp.identity.help_desk import HelpDesk
from idp.identity.help_desk import NoSuchAccount
from idp.identity.help_desk import NotPromised
from idp.identity.help_desk import Refusal
from idp.identity.help_desk import UnfitReason
from idp.identity.temporary_password import Channel
from idp.identity.timeline import valid
from idp.identity.timeline import waits_until
from idp.identity.timeline import when
from idp.identity.timeline_words import fault_in_words
from idp.parts import Parts
from idp.spoken_of import word_of
from idp.wiring.members import build_freeze
from idp.wiring.members import build_linking
from idp.wiring.members import numero_patterns
from idp.wiring.protocol import build_farewell

_QUALITE = click.argument("qualite", type=click.Choice([str(q) for q in Qualite]))
_NUMERO = click.argument("numero")
_REASON = click.option(
    "--reason", required=True, help="Why, for the audit log: no name, number or address."
)
_AGAIN = click.option("--again", is_flag=True, help="Even when one is on its way already.")


@click.group()
def accounts() -> None:
    """One account for the help desk: what happened to it, what can be done next.

    No command shows or sets a secret; each is audited with your name.
    """


@accounts.command()
@_QUALITE
@_NUMERO
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for a program.")
@click.pass_obj
def show(operator: str, qualite: str, numero: str, limit: int, as_json: bool) -> None:
    """Tell what happened to an account and what can be done, as in: show affilie 1234567."""
    with _help_desk() as (desk, built):
        wanted = _parse(built, qualite, numero)
        with _refusals_in_french(Qualite(qualite)):
            seen = desk.look(Qualite(qualite), wanted, events=limit, actor=Actor(operator=operator))
        word = word_of(built.secrets.decoy_key, seen.contact.account_id)
    if as_json:
        print(json.dumps({**facts(seen), "in_logs": word}, indent=2, ensure_ascii=False))
        return
    for line in page(seen, " ".join(numero.split()), word):
        print(printable(line))


@accounts.command()
@_QUALITE
@_NUMERO
@_REASON
@click.pass_obj
def unlock(operator: str, qualite: str, numero: str, reason: str) -> None:
    """Lift the waiting time of an account; a locked letter no longer holds the next one back."""
    with _help_desk() as (desk, built):
        wanted = _parse(built, qualite, numero)
        with _refusals_in_french(Qualite(qualite)):
            lifted = desk.unlock(
                Qualite(qualite), wanted, reason=reason, actor=Actor(operator=operator)
            )
        at = built.now()
    before = lifted.before
    if before.until is not None:
        print(f"L'attente, qui courait {waits_until(before.until, at=at)}, est levée.")
    if before.known is not None and before.known.until is not None:
        print("L'attente des navigateurs déjà connus est levée.")
    if before.until is None and before.known is None:
        print("Le compte n'était pas en attente ; ses échecs ne comptent plus.")
    if lifted.letter:
        print("La dernière lettre est bloquée : une autre peut être demandée dès maintenant.")


@accounts.command()
@_QUALITE
@_NUMERO
@_REASON
@click.option("--without-letter", is_flag=True, help="The postal address is wrong, or watched.")
@click.pass_obj
def freeze(operator: str, qualite: str, numero: str, reason: str, without_letter: bool) -> None:
    """Freeze an account that somebody else is in; a letter leaves that opens it again."""
    with _help_desk() as (desk, built):
        wanted = _parse(built, qualite, numero)
        try:
            with _refusals_in_french(Qualite(qualite)):
                frozen = desk.freeze(
                    Qualite(qualite),
                    wanted,
                    letter=not without_letter,
                    reason=reason,
                    actor=Actor(operator=operator),
                )
        except NotFrozen:
            raise click.ClickException(
                "Rien n'a été fait : le compte est déjà bloqué, ou vient de changer. Regardez-le"
                " par `show`."
            ) from None
    print("Le compte est bloqué ; ses connexions, ses accès et ses envois sont fermés.")
    if frozen.promise:
        print(f"Une lettre qui permet de le rouvrir partira (envoi {frozen.promise}).")
    elif without_letter:
        print("Aucune lettre ne part : corrigez l'adresse dans le dossier, puis send-letter.")
    else:
        fault = fault_in_words(letter_fault(frozen.contact))
        print(f"Aucune lettre ne peut partir : {fault}.")


@accounts.command()
@_QUALITE
@_NUMERO
@_REASON
@click.option("--keep-password", is_flag=True, help="It was a mistake: nobody else knows it.")
@click.pass_obj
def reopen(operator: str, qualite: str, numero: str, reason: str, keep_password: bool) -> None:
    """Let a frozen account be opened by mail again, once you are sure whom you speak to."""
    with _help_desk() as (desk, built):
        wanted = _parse(built, qualite, numero)
        with _refusals_in_french(Qualite(qualite)):
            done = desk.reopen(
                Qualite(qualite),
                wanted,
                keep_password=keep_password,
                reason=reason,
                actor=Actor(operator=operator),
            )
    if not done:
        raise click.ClickException("Rien n'a été fait : le compte n'est pas bloqué.")
    if keep_password:
        print("Le compte est rouvert : le mot de passe d'avant l'ouvre de nouveau.")
    else:
        print("Le compte est rouvert : un mot de passe provisoire, par mail ou par lettre,")
        print("permet d'en choisir un nouveau. Celui d'avant reste refusé.")


@accounts.command("franceconnect-unlink")
@_QUALITE
@_NUMERO
@_REASON
@click.pass_obj
def franceconnect_unlink(operator: str, qualite: str, numero: str, reason: str) -> None:
    """Have FranceConnect open an account no more, until its member links it again."""
    with _help_desk() as (_, built):
        wanted = _parse(built, qualite, numero)
        desk = FranceConnectDesk(built.contacts, build_linking(built), built.database.transaction)
        with _refusals_in_french(Qualite(qualite)):
            done = desk.unlink(
                Qualite(qualite), wanted, reason=reason, actor=Actor(operator=operator)
            )
    if not done:
        raise click.ClickException("Rien n'a été fait : FranceConnect n'ouvre pas ce compte.")
    print(
        "FranceConnect n'ouvre plus ce compte, jusqu'à ce que la personne le rattache de nouveau."
    )
    print("Ses connexions ouvertes continuent : si quelqu'un d'autre est entré, voir freeze.")


@accounts.command("send-mail")
@_QUALITE
@_NUMERO
@_REASON
@_AGAIN
@click.pass_obj
def send_mail(operator: str, qualite: str, numero: str, reason: str, again: bool) -> None:
    """Have a temporary password sent by mail, as the member's own request would."""
    _send(operator, qualite, numero, Channel.MAIL, reason, again=again)


@accounts.command("send-letter")
@_QUALITE
@_NUMERO
@_REASON
@_AGAIN
@click.pass_obj
def send_letter(operator: str, qualite: str, numero: str, reason: str, again: bool) -> None:
    """Have a temporary password sent by letter, as the member's own request would."""
    _send(operator, qualite, numero, Channel.LETTER, reason, again=again)


def _send(
    operator: str, qualite: str, numero: str, channel: Channel, reason: str, *, again: bool
) -> None:
    with _help_desk() as (desk, built):
        wanted = _parse(built, qualite, numero)
        try:
            with _refusals_in_french(Qualite(qualite)):
                promised = desk.send(
                    Qualite(qualite),
                    wanted,
                    channel,
                    reason=reason,
                    again=again,
                    actor=Actor(operator=operator),
                )
        except NotPromised as refused:
            told = _not_promised(refused, channel, at=built.now())
            raise click.ClickException(told) from None
    if channel is Channel.MAIL:
        print(f"Un mot de passe provisoire part à {promised.mask} (envoi {promised.promise}).")
    else:
        print(f"Un mot de passe provisoire partira par lettre (envoi {promised.promise}).")
    print("Le mot de passe actuel reste valable jusqu'à ce qu'un nouveau soit choisi.")


@contextmanager
def _help_desk() -> Iterator[tuple[HelpDesk, Parts]]:
    built = migrated_parts()
    desk = HelpDesk(
        accounts=built.accounts,
        contacts=built.contacts,
        freezing=build_freeze(built, build_farewell(built)),
        temporaries=built.temporaries,
        outbox=built.outbox,
        promises=built.outbox,
        attempts=built.attempts,
        quotas=built.reset_quotas,
        links=built.franceconnect_links,
        trail=built.audit,
        audit=built.audit,
        decoy_key=built.secrets.decoy_key,
        transaction=built.database.transaction,
        now=built.now,
    )
    with built.flask.app_context():
        try:
            yield desk, built
        finally:
            built.database.engine.dispose()


def _parse(built: Parts, qualite: str, numero: str) -> NumeroDossier:
    wanted = Qualite(qualite)
    try:
        return NumeroDossier.parse(numero, wanted, numero_patterns(built))
    except NumeroOfOtherQualite:
        other = QUALITES[wanted.other]
        message = f"Ce numéro ne peut être que celui d'un {other} : essayez {wanted.other}."
    except InvalidNumeroDossier:
        message = f"Ce n'est pas un numéro de dossier d'{QUALITES[wanted]} : faites-le relire."
    raise click.ClickException(message)


@contextmanager
def _refusals_in_french(qualite: Qualite) -> Iterator[None]:
    try:
        yield
    except NoSuchAccount as nobody:
        raise click.ClickException(_nobody(qualite, other=nobody.other)) from None
    except UnfitReason:
        raise click.ClickException(
            "Motif refusé : de 3 à 120 caractères, sans adresse, moins de 7 chiffres en tout"
            " (ni dossier, ni téléphone ; une date s'écrit 24/11/2026), sans mot de passe."
        ) from None


def _nobody(qualite: Qualite, *, other: bool) -> str:
    told = (
        f"Aucun dossier d'{QUALITES[qualite]} ne porte ce numéro. Les pages ne le disent à"
        " personne : qui le saisit y voit une adresse inventée, et rien ne part."
    )
    if other:
        return (
            f"{told} Un dossier d'{QUALITES[qualite.other]} le porte : faites vérifier la case"
            f" cochée, et regardez {qualite.other}."
        )
    return f"{told} Faites relire le numéro."


def _not_promised(refused: NotPromised, channel: Channel, *, at: datetime) -> str:
    by = "mail" if channel is Channel.MAIL else "lettre"
    if refused.refusal is Refusal.NOT_ACTIVE:
        return "Rien n'est parti : le dossier n'est pas actif."
    if refused.refusal is Refusal.FROZEN:
        return f"Rien n'est parti : {fault_in_words(refused.fault)} (voir reopen)."
    if refused.way is None:
        return f"Rien n'est parti par {by} : {fault_in_words(refused.fault)}."
    if refused.way.valid_until is None:
        return (
            f"Un envoi par {by} attend déjà son départ, promis {when(refused.way.since)} ;"
            " --again en promet un autre à sa place."
        )
    end = valid(channel, refused.way.valid_until, at=at)
    return (
        f"Un envoi par {by}, parti {when(refused.way.since)}, est valable {end} ; --again en"
        " promet un autre, qui le remplacera."
    )
