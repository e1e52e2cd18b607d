"""``idp accounts``: what the help desk reads of an account, and what it does about it."""

import json
import re
from collections.abc import Callable
from collections.abc import Iterator
from datetime import UTC
from datetime import datetime

import pytest
from click.testing import CliRunner
from click.testing import Result
from sqlalchemy import select

from idp.audit import Actor
from idp.audit import Event
from idp.cli import main
from idp.identity.franceconnect_links import Link
from idp.identity.franceconnect_links import Rule
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import fold
from idp.infra.tables import AuditRow
from tests.functional.test_reset import CHOSEN
from tests.functional.test_reset import ask
from tests.functional.test_reset import open_choice
from tests.functional.test_reset import submit_new
from tests.instance import Instance
from tests.instance import Person
from tests.instance import text_of
from tests.mailbox import Mailbox
from tests.mailbox import deliver
from tests.post import Post

EMAIL = "anne.lefevre@exemple.example"
MASK = "a***re@e*****.example"
REASON = "appel du matin"

Idp = Callable[..., Result]


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A mail server that works."""
    box = Mailbox()
    box.start()
    yield box
    box.stop()


@pytest.fixture
def instance(make_instance: Callable[..., Instance], mailbox: Mailbox) -> Instance:
    """A provider that sends mail, at the real time: the command has no other clock."""
    made = make_instance(signing_algs=("ES256",), **mailbox.settings)
    made.clock.at = datetime.now(UTC)
    return made


@pytest.fixture
def person(instance: Instance) -> Person:
    """Somebody with a password and both addresses."""
    return add_person(instance)


@pytest.fixture
def idp(instance: Instance) -> Idp:
    """The command; the provider's clock goes on behind it, so that what it promised is due."""

    def run(*words: str, operator: str = "jeanne") -> Result:
        result = CliRunner(env=Post(instance).env).invoke(main, ["--operator", operator, *words])
        instance.clock.at = datetime.now(UTC)
        return result

    return run


def add_person(instance: Instance, **dossier: object) -> Person:
    values = {
        "email": EMAIL,
        "address_1": "MME ANNE LEFÈVRE",
        "address_4": "12 RUE DES LILAS",
        "address_6": "75010 PARIS",
        **dossier,
    }
    return instance.add_person(**values)  # type: ignore[arg-type]


def show(idp: Idp, *words: str) -> str:
    shown = idp("accounts", "show", "affilie", "1234567", *words)
    assert shown.exit_code == 0, shown.output
    return shown.stdout


def act(idp: Idp, name: str, *words: str, reason: str = REASON) -> Result:
    return idp("accounts", name, "affilie", "1234567", "--reason", reason, *words)


def fail(instance: Instance, times: int) -> None:
    visitor = instance.visitor("198.51.100.7")
    page = visitor.open_sign_in()
    for _ in range(times):
        page = visitor.submit_sign_in(page, "affilie", "1234567", "un mauvais mot de passe")


def audited(instance: Instance, event: str) -> list[tuple[str, dict[str, object]]]:
    with instance.app.app_context(), instance.parts.database.transaction():
        wanted = select(AuditRow.operator, AuditRow.detail).where(AuditRow.event == event)
        return [(row.operator, row.detail) for row in instance.parts.database.execute(wanted)]


def texts(idp: Idp) -> list[str]:
    """The events as told to a program, oldest first."""
    events = json.loads(show(idp, "--json"))["events"]
    return [event["text"].partition(" (réseau")[0] for event in reversed(events)]


def test_a_reset_by_mail_is_told_from_the_failures_to_the_new_password(
    idp: Idp, instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    visitor = instance.visitor()
    fail(instance, 5)
    ask(visitor, person.numero)
    deliver(instance)
    submit_new(visitor, open_choice(visitor, person, mailbox.newest_secret()))
    deliver(instance)

    told = texts(idp)

    assert told[4:] == [
        "Connexion refusée : le mot de passe n'est pas le bon ; 5e échec de suite,"
        " navigateur inconnu ; attente de 1 min",
        "Page « Mot de passe oublié » : numéro saisi, choix de l'envoi proposé",
        "Mot de passe provisoire demandé par mail",
        "Mot de passe provisoire envoyé par mail",
        "Mot de passe provisoire tapé, reçu par mail : il est juste",
        "Nouveau mot de passe choisi ; l'attente est levée et les autres sessions sont fermées",
        "Envoyé : avis « votre mot de passe a changé » par mail",
    ]
    assert "Rien n'est en route, et rien ne bloque ce compte." in show(idp)


def test_the_page_says_how_the_account_stands_what_to_do_and_what_happened_by_day(
    idp: Idp, instance: Instance, person: Person
) -> None:
    fail(instance, 6)

    lines = show(idp).splitlines()

    assert lines[0] == "Affilié 1234567 : dossier actif"
    assert lines[1] == f"Mail {MASK} ; adresse postale complète"
    waits = lines[lines.index("Maintenant") + 1]
    assert re.fullmatch(r"  Le compte est en attente jusqu'.*\(5 échecs de suite\)\.", waits), waits
    unlock = '`idp accounts unlock affilie NUMERO --reason "…"`'
    assert f"  Vous pouvez lever l'attente maintenant : {unlock}" in lines
    began = next(n for n, line in enumerate(lines) if line.startswith("Ce qui s'est passé"))
    assert re.fullmatch(r"  \w+ \d+(er)? \w+ \d{4}", lines[began + 1]), lines[began + 1]
    assert re.fullmatch(r" +\d+ h \d\d  Essai refusé sans lire .*", lines[began + 2])


def test_no_address_and_no_secret_is_shown_and_the_number_stands_in_the_title_alone(
    idp: Idp, instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    ask(instance.visitor(), person.numero)
    deliver(instance)
    act(idp, "send-letter")
    Post(instance).idp("print")
    secrets = [mailbox.newest_secret(), *Post(instance).pages()[0].secrets]

    title, _, rest = show(idp).partition("\n")
    as_json = show(idp, "--json")

    assert title.startswith("Affilié 1234567")
    for shown in (rest, as_json):
        assert MASK in shown
        hidden = [person.numero, "anne.lefevre", "exemple.", "LILAS", "LEFÈVRE", "$argon2"]
        assert not [part for part in [*hidden, *secrets] if part in shown]
        assert not [secret for secret in secrets if fold(secret) in fold_all(shown)]


def test_the_number_may_be_typed_as_members_type_it(idp: Idp, person: Person) -> None:
    shown = idp("accounts", "show", "affilie", "123 45\t67")

    assert shown.stdout.startswith("Affilié 123 45 67 : dossier actif\n")


def test_a_look_is_audited_with_the_operators_name_and_is_no_part_of_the_story(
    idp: Idp, instance: Instance, person: Person
) -> None:
    assert "rien depuis 12 mois" in show(idp)
    assert "rien depuis 12 mois" in show(idp)

    assert audited(instance, "account.shown") == [("jeanne", {}), ("jeanne", {})]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("affilie", "7654321"), "Aucun dossier d'affilié ne porte ce numéro."),
        (("ayant_droit", "1234567"), "Un dossier d'affilié le porte"),
        (("affilie", "123456"), "Ce n'est pas un numéro de dossier d'affilié"),
        (("affilie", "123456789"), "essayez ayant_droit"),
    ],
)
@pytest.mark.parametrize("name", ["show", "unlock", "send-mail", "send-letter"])
def test_a_number_of_nobody_is_told_in_a_clear_sentence(
    idp: Idp, instance: Instance, person: Person, name: str, words: tuple[str, ...], told: str
) -> None:
    reason = () if name == "show" else ("--reason", REASON)

    refused = idp("accounts", name, *words, *reason)

    assert (refused.exit_code, refused.stdout) == (1, "")
    assert told in refused.stderr
    assert instance.audit() == []


def test_an_account_unlocked_takes_the_right_password_at_once(
    idp: Idp, instance: Instance, person: Person
) -> None:
    fail(instance, 5)
    assert instance.visitor("203.0.113.9").sign_in(person).status_code == 429

    lifted = act(idp, "unlock")

    assert re.fullmatch(r"L'attente, qui courait jusqu'.*, est levée\.\n", lifted.stdout)
    assert instance.visitor("203.0.113.9").sign_in(person).headers["Location"] == "/compte"
    assert audited(instance, "account.unlocked") == [
        ("jeanne", {"reason": REASON, "failures": 5, "letter": 0})
    ]
    assert f"Attente levée par jeanne, motif : {REASON}" in show(idp)


def test_an_account_that_does_not_wait_is_told_so(idp: Idp, person: Person) -> None:
    assert "Le compte n'était pas en attente" in act(idp, "unlock").stdout


def test_a_known_browsers_waiting_time_is_lifted_too(
    idp: Idp, instance: Instance, person: Person
) -> None:
    visitor = instance.visitor()
    visitor.sign_in(person)
    visitor.post("/logout", {})
    visitor.restart()
    page = visitor.open_sign_in()
    for _ in range(5):
        page = visitor.submit_sign_in(page, "affilie", "1234567", "un mauvais mot de passe")
    assert json.loads(show(idp, "--json"))["known_browser_waits_until"] is not None

    assert act(idp, "unlock").stdout == "L'attente des navigateurs déjà connus est levée.\n"
    assert json.loads(show(idp, "--json"))["known_browser_waits_until"] is None


def test_a_locked_letter_is_told_and_the_next_one_may_be_asked_for(
    idp: Idp, instance: Instance, person: Person
) -> None:
    visitor = instance.visitor()
    ask(visitor, person.numero, "letter")
    assert Post(instance).idp("print").exit_code == 0
    for n in range(50):
        instance.parts.temporaries.reserve_try(
            person.account_id, Channel.LETTER, version=1, network=f"n{n}", browser=f"b{n}"
        )
    assert "envoyé par lettre est bloqué après trop d'essais faux." in show(idp)

    lifted = act(idp, "unlock")

    assert "La dernière lettre est bloquée : une autre peut être demandée" in lifted.stdout
    ask(instance.visitor(), person.numero, "letter")


def test_a_mail_sent_by_the_help_desk_opens_the_account_and_names_who_sent_it(
    idp: Idp, instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    sent = act(idp, "send-mail")
    deliver(instance)

    assert sent.stdout.startswith(f"Un mot de passe provisoire part à {MASK} (envoi ")
    assert mailbox.recipients == [EMAIL]
    visitor = instance.visitor()
    submit_new(visitor, open_choice(visitor, person, mailbox.newest_secret()))
    renewed = Person(person.account_id, "affilie", "1234567", CHOSEN)
    assert instance.visitor().sign_in(renewed).headers["Location"] == "/compte"
    ((operator, detail),) = audited(instance, "reset.requested")
    assert (operator, detail["reason"], detail["channel"]) == ("jeanne", REASON, "mail")


def test_a_second_mail_leaves_only_when_one_insists_and_the_first_dies(
    idp: Idp, instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    act(idp, "send-mail")
    waiting = act(idp, "send-mail")
    deliver(instance)
    first = mailbox.newest_secret()
    alive = act(idp, "send-mail")
    again = act(idp, "send-mail", "--again")
    deliver(instance)

    assert (waiting.exit_code, alive.exit_code, again.exit_code) == (1, 1, 0)
    assert "Un envoi par mail attend déjà son départ" in waiting.stderr
    assert re.search(r"parti le .* est valable jusqu'.* --again en promet un autre", alive.stderr)
    assert len(mailbox.mails) == 2
    assert not Post(instance).opens(person, fold(first))
    assert Post(instance).opens(person, fold(mailbox.newest_secret()))


def test_the_help_desk_is_not_bound_by_the_members_quotas(
    idp: Idp, instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    for _ in range(4):
        assert act(idp, "send-mail", "--again").exit_code == 0
    deliver(instance)

    assert MASK in text_of(ask(instance.visitor(), person.numero)), "nor does it use them up"


def test_a_letter_sent_by_the_help_desk_is_printed_and_told_with_its_batch(
    idp: Idp, instance: Instance, person: Person
) -> None:
    sent = act(idp, "send-letter")
    post = Post(instance)
    assert post.idp("print").exit_code == 0

    assert sent.stdout.startswith("Un mot de passe provisoire partira par lettre (envoi ")
    (batch,) = [manifest["batch"] for manifest in post.manifests()]
    assert texts(idp) == [
        f"Mot de passe provisoire demandé par lettre par jeanne, motif : {REASON}",
        f"Mot de passe provisoire imprimé pour la poste, lot {batch}",
    ]
    assert "Une lettre a été imprimée le " in show(idp)
    assert "est valable jusqu'au" in act(idp, "send-letter").stderr


def test_a_mail_that_the_server_refused_is_told_with_how_to_send_it_again(
    idp: Idp, instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    instance.change_dossier(person, email="anne@@exemple.example")
    act(idp, "send-mail")
    deliver(instance)

    told = show(idp)

    assert "Abandonné : mot de passe provisoire par mail, l'adresse mail" in told
    assert "`idp outbox retry 1`" in told
    assert act(idp, "send-mail").exit_code == 0, "what never left is not on its way"


@pytest.mark.parametrize(
    ("dossier", "name", "told"),
    [
        ({"status": "closed"}, "send-mail", "Rien n'est parti : le dossier n'est pas actif."),
        ({"status": "deceased"}, "send-letter", "Rien n'est parti : le dossier n'est pas actif."),
        ({"email": ""}, "send-mail", "par mail : le dossier n'a pas d'adresse mail."),
        (
            {"address_4": "", "address_6": ""},
            "send-letter",
            "par lettre : l'adresse postale est incomplète.",
        ),
    ],
)
def test_what_cannot_be_sent_is_refused_with_the_reason_and_promises_nothing(
    idp: Idp, instance: Instance, dossier: dict[str, object], name: str, told: str
) -> None:
    add_person(instance, **dossier)

    refused = act(idp, name)

    assert (refused.exit_code, refused.stdout) == (1, "")
    assert told in refused.stderr
    assert Post(instance).rows() == []
    assert instance.audit() == []


@pytest.mark.parametrize("name", ["unlock", "send-mail", "send-letter"])
@pytest.mark.parametrize(
    "reason", ["", "demande de anne@exemple.example", "dossier 123 45 67", "SE2K-ABCD-EFGA"]
)
def test_a_reason_that_the_audit_log_must_not_hold_is_refused_and_nothing_is_done(
    idp: Idp, instance: Instance, person: Person, name: str, reason: str
) -> None:
    refused = act(idp, name, reason=reason)

    assert refused.exit_code == 1
    assert "Motif refusé" in refused.stderr
    assert instance.audit() == []


def test_an_act_without_a_reason_is_refused(idp: Idp, person: Person) -> None:
    refused = idp("accounts", "unlock", "affilie", "1234567")

    assert refused.exit_code == 2
    assert "--reason" in refused.stderr


def test_an_operators_name_moves_no_cursor_of_another_operators_terminal(
    idp: Idp, instance: Instance, person: Person
) -> None:
    # As an older version kept it, or whoever writes to the table.
    with instance.app.app_context(), instance.parts.database.transaction():
        instance.parts.audit.record(
            Event.ACCOUNT_UNLOCKED,
            account_id=person.account_id,
            actor=Actor(operator="\x1b[2Jjeanne"),
            detail={"reason": REASON},
        )

    assert "\x1b" not in show(idp)
    assert "Attente levée par ?[2Jjeanne" in show(idp)


@pytest.mark.parametrize(
    "name", ["\x1b[2Jjeanne", "jeanne@caisse.example", "jeanne 1204/816", "SE2K-ABCD-EFGA"]
)
def test_an_operators_name_that_the_audit_log_must_not_hold_is_refused_and_nothing_is_done(
    idp: Idp, instance: Instance, person: Person, name: str
) -> None:
    act = ("accounts", "unlock", "affilie", "1234567", "--reason", REASON)

    refused = idp(*act, operator=name)

    assert refused.exit_code == 1
    assert "IDP_OPERATOR" in refused.stderr
    assert name not in refused.stderr
    assert audited(instance, "account.unlocked") == []


def fold_all(text: str) -> str:
    """Fold a long text as a typed secret is folded: no dash hides one."""
    return "".join(character for character in text.upper() if character.isalnum())


def test_a_freeze_and_its_end_by_the_help_desk(
    instance: Instance, idp: Idp, person: Person, mailbox: Mailbox
) -> None:
    frozen = act(idp, "freeze")

    assert frozen.exit_code == 0, frozen.output
    assert "Le compte est bloqué" in frozen.stdout
    assert "Une lettre qui permet de le rouvrir partira" in frozen.stdout
    assert instance.visitor().sign_in(person).status_code == 403
    shown = show(idp)
    assert "ni mot de passe ni mail ne l'ouvrent" in shown
    assert "Compte bloqué par jeanne ; une lettre part, motif : appel du matin" in shown
    refused = act(idp, "send-mail")
    assert refused.exit_code == 1
    assert "seule une lettre peut l'ouvrir (voir reopen)" in refused.output
    assert act(idp, "freeze").exit_code == 1

    reopened = act(idp, "reopen")

    assert reopened.exit_code == 0, reopened.output
    assert instance.visitor().sign_in(person).status_code == 403
    assert act(idp, "send-mail").exit_code == 0
    assert act(idp, "reopen").exit_code == 1
    deliver(instance)
    assert "Tant que vous ne l’avez pas choisi, votre espace reste fermé" in mailbox.newest_text()
    assert [row[0] for row in audited(instance, "account.reopened")] == ["jeanne"]


def test_a_link_to_franceconnect_is_seen_and_ended_by_the_help_desk(
    instance: Instance, idp: Idp, person: Person
) -> None:
    at = instance.clock()
    assert act(idp, "franceconnect-unlink").exit_code == 1
    with instance.app.app_context(), instance.parts.database.transaction():
        link = Link(person.account_id, "sub", Rule.PIVOT, "digest", 0, at, at)
        assert instance.parts.franceconnect_links.put(link)
    assert "FranceConnect est rattaché à ce compte" in show(idp)

    ended = act(idp, "franceconnect-unlink")

    assert ended.exit_code == 0, ended.output
    assert "FranceConnect n'ouvre plus ce compte" in ended.stdout
    shown = show(idp)
    assert "FranceConnect est rattaché" not in shown
    assert "FranceConnect retiré par jeanne, motif : appel du matin" in shown
    assert [row[0] for row in audited(instance, "franceconnect.unlinked")] == ["jeanne"]


def test_a_freeze_by_mistake_ends_with_the_password_of_before(
    instance: Instance, idp: Idp, person: Person
) -> None:
    frozen = act(idp, "freeze", "--without-letter")
    assert "Aucune lettre ne part" in frozen.stdout

    reopened = act(idp, "reopen", "--keep-password")

    assert "le mot de passe d'avant l'ouvre de nouveau" in reopened.stdout
    assert instance.visitor().sign_in(person).headers["Location"] == "/compte"


def test_a_freeze_without_a_postal_address_says_that_no_letter_leaves(
    instance: Instance, idp: Idp
) -> None:
    add_person(instance, address_1="", address_4="", address_6="")

    assert "Aucune lettre ne peut partir" in act(idp, "freeze").stdout
