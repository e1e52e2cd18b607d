"""What the help desk reads: each sentence from the facts it stands for, in Paris time."""

import re
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from idp.audit import Event
from idp.identity.account import Protection
from idp.identity.audit_trail import UNTOLD
from idp.identity.audit_trail import PastEvent
from idp.identity.contact import Contact
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.franceconnect import Refused
from idp.identity.franceconnect_links import Link
from idp.identity.franceconnect_links import Rule
from idp.identity.login import Cause
from idp.identity.outbox import Kind
from idp.identity.outbox import Promise
from idp.identity.password import PasswordHash
from idp.identity.password_policy import PolicyFault
from idp.identity.reset_quotas import Quota
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import State
from idp.identity.temporary_password import TemporaryPassword
from idp.identity.timeline import Act
from idp.identity.timeline import OnItsWay
from idp.identity.timeline import Seen
from idp.identity.timeline import Step
from idp.identity.timeline import day_of
from idp.identity.timeline import history
from idp.identity.timeline import letter_fault
from idp.identity.timeline import on_its_way
from idp.identity.timeline import standing
from idp.identity.timeline import steps
from idp.identity.timeline import until
from idp.identity.timeline import waits_until
from idp.identity.timeline import when
from idp.identity.timeline_words import MESSAGES
from idp.identity.timeline_words import duration_in_words
from idp.identity.timeline_words import words_of
from idp.limits import Waiting
from idp.promise import PromiseState

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)  # 13 h in Paris, a Tuesday
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MASK = "a***re@e*****.example"
NOTHING = ["Rien n'est en route, et rien ne bloque ce compte."]

SOMEBODY = Contact(
    account_id="account",
    qualite=Qualite.AFFILIE,
    numero=NumeroDossier("1234567"),
    status=DossierStatus.ACTIVE,
    credential_version=2,
    has_password=True,
    email="anne.lefevre@exemple.example",
    confirmed_email="",
    former_email="",
    given_names="Anne",
    usage_name="",
    family_name="LEFÈVRE",
    birthdate="1950-05-12",
    address=("MME ANNE LEFÈVRE", "", "", "12 RUE DES LILAS", "", "75010 PARIS"),
)


def contact(**changes):
    return replace(SOMEBODY, **changes)


NOT_WAITING = Waiting()


def seen(*, waiting=NOT_WAITING, temporaries=(), promises=(), at=NOON, **changes):
    return Seen(at, contact(**changes), waiting, temporaries, promises, ())


def test_a_link_to_franceconnect_is_told_with_what_it_rests_on():
    link = Link("account", "sub", Rule.PROOF, "digest", 2, NOON - DAY, NOON)
    told = "FranceConnect est rattaché à ce compte, le lundi 23 novembre à 13 h 00 (preuve par le"

    assert standing(replace(seen(), link=link)) == [*NOTHING, f"{told} mot de passe)."]


def temporary(channel=Channel.MAIL, **changes):
    kept = TemporaryPassword(
        account_id="account",
        channel=channel,
        state=State.SENT,
        promise=7,
        newest=7,
        credential_version=2,
        hash=PasswordHash("argon2id", "$argon2id$"),
        requested_at=NOON - 2 * HOUR,
        expires_at=NOON + 22 * HOUR,
    )
    return replace(kept, **changes)


def letter(**changes):
    midnight = datetime(2026, 12, 25, tzinfo=ZoneInfo("Europe/Paris"))
    return temporary(Channel.LETTER, **{"expires_at": midnight, **changes})


def promise(channel=Channel.MAIL, state=PromiseState.WAITING, **changes):
    row = Promise(
        id=7,
        kind=Kind.TEMPORARY_PASSWORD,
        channel=channel,
        account_id="account",
        credential_version=2,
        state=state,
        created_at=NOON - HOUR,
        due_at=NOON - HOUR,
        tries=0,
        lease="",
        message_id="m",
    )
    return replace(row, **changes)


def past(event, *, network="", operator="", **detail):
    return PastEvent(NOON, str(event), network, operator, detail)


def acts(given):
    return [step.act for step in steps(given) if step.act is not None]


def test_instants_are_told_in_paris_time_with_the_day_where_it_is_another():
    assert when(NOON) == "le mardi 24 novembre à 13 h 00"
    assert until(NOON + HOUR, at=NOON) == "jusqu'à 14 h 00"
    assert until(NOON + 11 * HOUR, at=NOON) == "jusqu'au mercredi 25 novembre à 0 h 00"
    assert when(datetime(2026, 7, 1, 12, tzinfo=UTC)) == "le mercredi 1er juillet à 14 h 00"


def test_the_end_of_a_wait_is_never_told_too_early():
    assert waits_until(NOON + MINUTE, at=NOON) == "jusqu'à 13 h 01"
    assert waits_until(NOON + MINUTE + timedelta(milliseconds=1), at=NOON) == "jusqu'à 13 h 02"


def test_an_account_where_nothing_happens_says_so():
    assert standing(seen()) == NOTHING


def test_an_account_that_waits_says_until_when_and_how_it_gets_out():
    given = seen(waiting=Waiting(7, NOON + 92 * MINUTE))

    assert standing(given) == ["Le compte est en attente jusqu'à 14 h 32 (7 échecs de suite)."]
    assert steps(given)[:2] == [
        Step("Un nouveau mot de passe choisi lève l'attente."),
        Step("Vous pouvez lever l'attente maintenant", Act.UNLOCK),
    ]


def test_a_known_browser_that_waits_is_told_apart_and_can_be_let_go():
    given = seen(waiting=Waiting(known=Waiting(1, NOON + MINUTE)))

    assert standing(given) == [
        "Un navigateur déjà connu attend jusqu'à 13 h 01 (1 échec de suite)."
    ]
    assert Act.UNLOCK in acts(given)


def test_failures_without_a_wait_hold_nobody():
    given = seen(waiting=Waiting(4, None, Waiting(2, None)))

    assert standing(given) == NOTHING


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (DossierStatus.CLOSED, "Le dossier est clos : personne ne peut se connecter à ce compte."),
        (
            DossierStatus.DECEASED,
            "Un décès est signalé : personne ne peut se connecter à ce compte.",
        ),
    ],
)
def test_a_dossier_that_is_not_active_says_that_alone_and_offers_nothing(status, told):
    given = seen(
        status=status, waiting=Waiting(5, NOON + HOUR), temporaries=[letter()], promises=[promise()]
    )

    assert standing(given) == [told]
    assert acts(given) == []


def test_a_first_connection_is_told_as_one():
    told = "Aucun mot de passe n'a encore été choisi : c'est une première connexion."

    assert standing(seen(has_password=False)) == [told]


def test_both_channels_are_offered_where_there_are_both_addresses():
    assert acts(seen()) == [Act.SEND_MAIL, Act.SEND_LETTER]
    assert f"Vous pouvez envoyer un mot de passe provisoire à {MASK}" in [
        step.text for step in steps(seen())
    ]


def test_a_dossier_without_a_mail_address_is_offered_the_letter():
    assert acts(seen(email="")) == [Act.SEND_LETTER]
    assert "aucune adresse utilisable, proposez la lettre." in steps(seen(email=""))[0].text


def test_an_address_recorded_an_hour_ago_is_told_to_wait_and_never_shown():
    told = steps(seen(email="", confirmed_email="nouvelle@exemple.example"))[0].text

    assert "celle qui vient d'être enregistrée attend 10 jours" in told
    assert "nouvelle" not in told.replace("une nouvelle", "")


def test_a_dossier_without_a_postal_address_is_told_what_is_wrong_with_it():
    given = seen(address=("MME ANNE LEFÈVRE", "", "", "", "", ""))

    assert acts(given) == [Act.SEND_MAIL]
    assert letter_fault(given.contact) == "address_incomplete"
    assert "l'adresse postale est incomplète, à corriger dans le dossier" in steps(given)[1].text


def test_a_mail_that_left_says_when_and_until_when_its_secret_opens():
    done = promise(state=PromiseState.DONE, done_at=NOON - HOUR)
    given = seen(temporaries=[temporary()], promises=[done])

    assert standing(given) == [
        "Un mail est parti le mardi 24 novembre à 12 h 00 ; mot de passe provisoire valable"
        " jusqu'au mercredi 25 novembre à 11 h 00."
    ]
    assert on_its_way(given, Channel.MAIL) == OnItsWay(NOON - HOUR, NOON + 22 * HOUR)
    assert on_its_way(given, Channel.LETTER) is None
    mail, post, _ = steps(given)
    assert (mail.act, mail.again, post.again) == (Act.SEND_MAIL, True, False)
    assert "dans les indésirables aussi" in mail.text


def test_a_secret_typed_wrong_tells_how_often():
    assert "3 fois mal tapé" in standing(seen(temporaries=[temporary(wrong_tries=3)]))[0]


def test_a_mail_among_other_rows_is_dated_by_its_own():
    other = promise(id=9, kind=Kind.PASSWORD_CHANGED, state=PromiseState.DONE, done_at=NOON)
    done = promise(state=PromiseState.DONE, done_at=NOON - HOUR)

    told = standing(seen(temporaries=[temporary()], promises=[other, done]))

    assert told[0].startswith("Un mail est parti le mardi 24 novembre à 12 h 00")


def test_a_mail_whose_row_was_forgotten_is_told_by_its_request():
    told = standing(seen(temporaries=[temporary()]))[0]

    assert told.startswith("Un mail est parti le mardi 24 novembre à 11 h 00")


def test_a_letter_that_was_printed_says_by_which_working_day_it_arrives():
    done = promise(Channel.LETTER, PromiseState.DONE, done_at=NOON, batch="B")
    given = seen(temporaries=[letter()], promises=[done])

    assert standing(given) == [
        "Une lettre a été imprimée le mardi 24 novembre, elle arrive au plus tard le vendredi 27"
        " novembre ; mot de passe provisoire valable jusqu'au jeudi 24 décembre inclus."
    ]
    assert [step.again for step in steps(given)] == [False, True, False]
    late = replace(given, at=NOON + 4 * DAY)
    assert "elle devait arriver au plus tard le vendredi 27 novembre" in standing(late)[0]


def test_a_secret_that_was_typed_says_until_when_the_new_password_can_be_chosen():
    opened = temporary(state=State.OPENED, opened_until=NOON + 9 * MINUTE)

    assert standing(seen(temporaries=[opened])) == [
        "Le mot de passe provisoire envoyé par mail a été tapé : le nouveau peut être choisi"
        " jusqu'à 13 h 09."
    ]


def test_an_expired_secret_is_told_and_holds_nothing_back():
    given = seen(temporaries=[temporary(expires_at=NOON)])

    assert standing(given) == [
        "Le mot de passe provisoire envoyé par mail a expiré le mardi 24 novembre à 12 h 59."
    ]
    assert on_its_way(given, Channel.MAIL) is None


def test_a_locked_letter_is_told_holds_nothing_back_and_another_may_be_asked_for():
    given = seen(temporaries=[temporary(wrong_tries=1), letter(state=State.LOCKED)])

    assert standing(given)[1] == (
        "Le mot de passe provisoire envoyé par lettre est bloqué après trop d'essais faux."
    )
    assert acts(given)[0] is Act.UNLOCK
    assert on_its_way(given, Channel.LETTER) is None


def test_a_secret_that_a_new_password_killed_is_not_told():
    given = seen(temporaries=[temporary(credential_version=1)])

    assert standing(given) == NOTHING
    assert on_its_way(given, Channel.MAIL) is None


def test_a_request_that_is_not_drawn_is_told_by_its_row_alone():
    requested = temporary(state=State.REQUESTED, hash=None, expires_at=None)
    given = seen(temporaries=[requested], promises=[promise()])

    assert standing(given) == [
        "Mot de passe provisoire par mail, promis le mardi 24 novembre à 12 h 00, part dans un"
        " instant."
    ]
    assert on_its_way(given, Channel.MAIL) == OnItsWay(NOON - HOUR, None)
    assert "pas encore parti" in steps(given)[0].text
    assert on_its_way(seen(temporaries=[requested]), Channel.MAIL) is None


def test_a_mail_that_waits_for_the_server_says_why_and_when_it_is_tried_again():
    given = seen(promises=[promise(fault="smtp_unreachable", due_at=NOON + 5 * MINUTE)])

    assert standing(given) == [
        "Mot de passe provisoire par mail, promis le mardi 24 novembre à 12 h 00, pas encore"
        " parti : le serveur de mail ne répond pas ; prochain essai le mardi 24 novembre à"
        " 13 h 05."
    ]


def test_a_mail_that_the_server_refused_is_not_on_its_way_though_its_secret_was_drawn():
    dead = promise(state=PromiseState.DEAD, fault="recipient_refused", done_at=NOON)
    given = seen(temporaries=[temporary(state=State.ISSUED)], promises=[dead])

    assert standing(given) == [
        "Mot de passe provisoire par mail, promis le mardi 24 novembre à 12 h 00, abandonné :"
        " le serveur de mail refuse cette adresse. Une fois la cause réparée :"
        " `idp outbox retry 7`."
    ]
    assert on_its_way(given, Channel.MAIL) is None
    assert steps(given)[0] == Step(
        f"L'adresse {MASK} a été refusée : proposez la lettre, ou essayez-la une fois corrigée",
        Act.SEND_MAIL,
    )


@pytest.mark.parametrize(
    "newest",
    [
        promise(id=9, state=PromiseState.DONE, done_at=NOON),
        promise(id=9, state=PromiseState.DEAD, done_at=NOON, fault="content_refused"),
    ],
)
def test_an_address_is_told_as_refused_by_the_newest_mail_alone(newest):
    refused = promise(state=PromiseState.DEAD, fault="recipient_refused", done_at=NOON)

    assert "a été refusée" not in steps(seen(promises=[newest, refused]))[0].text


def test_a_secret_typed_though_its_row_was_never_noted_as_done_is_alive():
    dropped = promise(state=PromiseState.DROPPED, fault="superseded", done_at=NOON)
    given = seen(temporaries=[temporary()], promises=[dropped])

    assert on_its_way(given, Channel.MAIL) is not None


def test_a_dead_row_older_than_a_promise_may_be_is_not_offered_for_another_try():
    old = promise(state=PromiseState.DEAD, created_at=NOON - 14 * DAY)

    assert standing(seen(promises=[old])) == NOTHING


def test_a_promise_that_outlived_its_days_is_not_on_its_way():
    assert on_its_way(seen(promises=[promise(created_at=NOON - 14 * DAY)]), Channel.MAIL) is None


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (PromiseState.WAITING, "attend l'impression."),
        (PromiseState.HELD, "retenu : trop de lettres ce jour-là (`idp letters release`)."),
    ],
)
def test_a_letter_that_is_not_printed_says_what_it_waits_for(state, told):
    given = seen(promises=[promise(Channel.LETTER, state)])

    assert standing(given)[0].endswith(told)
    assert on_its_way(given, Channel.LETTER) == OnItsWay(NOON - HOUR, None)


def test_a_letter_whose_secret_died_with_redis_is_told_with_how_to_print_it_again():
    done = promise(Channel.LETTER, PromiseState.DONE, done_at=NOON - DAY, batch="20261123-1300")
    given = seen(promises=[done])

    assert standing(given) == [
        "La lettre imprimée le lundi 23 novembre à 13 h 00 (lot 20261123-1300) n'ouvre plus rien :"
        " `idp letters reissue`, ou une autre lettre."
    ]
    assert standing(seen(promises=[replace(done, done_at=NOON - 31 * DAY)])) == NOTHING
    waiting = promise(Channel.LETTER, id=8)
    assert len(standing(seen(promises=[waiting, done]))) == 1
    assert standing(seen(promises=[done], credential_version=3)) == NOTHING
    assert standing(seen(promises=[replace(done, channel=Channel.MAIL)])) == NOTHING


def test_a_frozen_account_is_told_first_and_offers_the_letter_and_the_reopening():
    given = seen(protection=Protection.FROZEN)

    assert standing(given)[0].startswith("Le compte est bloqué")
    assert acts(given) == [Act.REOPEN, Act.SEND_LETTER]


def test_a_reopened_account_says_that_the_password_of_before_stays_refused():
    given = seen(protection=Protection.REOPENED)

    assert "le mot de passe d'avant reste refusé" in standing(given)[0]
    assert acts(given) == [Act.SEND_MAIL, Act.SEND_LETTER]


def test_a_notice_that_waits_is_told_and_is_no_temporary_password_on_its_way():
    given = seen(promises=[promise(kind=Kind.PASSWORD_CHANGED)])

    assert standing(given)[0].startswith("Avis « votre mot de passe a changé » par mail, promis")
    assert on_its_way(given, Channel.MAIL) is None


EVENTS = [
    (
        past(Event.SIGN_IN_SUCCEEDED, network="192.0.2.0/24"),
        "Connexion réussie (réseau 192.0.2.0/24)",
    ),
    (
        past(Event.SIGN_IN_REFUSED, cause="wrong_password", streak=1, known_device=1),
        "Connexion refusée : le mot de passe n'est pas le bon ; 1er échec de suite,"
        " navigateur déjà connu",
    ),
    (
        past(Event.SIGN_IN_REFUSED, cause="must_reset", streak=10, known_device=0),
        "Connexion refusée : compte inutilisé depuis la refonte de mars 2021, à réinitialiser ;"
        " 10e échec de suite, navigateur inconnu ; attente de 1 h",
    ),
    (past(Event.SIGN_IN_REFUSED), "Connexion refusée : "),
    (
        past(Event.SIGN_IN_DELAYED, held_by="account"),
        "Essai refusé sans lire le mot de passe : le compte est en attente",
    ),
    (
        past(Event.SIGN_IN_DELAYED, held_by="network"),
        "Essai refusé sans lire le mot de passe : trop d'échecs venus du même réseau",
    ),
    (past(Event.SESSION_ENDED), "Déconnexion"),
    (
        past(Event.REFRESH_REUSED),
        "Accès prolongé d'un service coupé : un jeton a servi deux fois",
    ),
    (past(Event.REFRESH_REVOKED), "Accès prolongé rendu par un service"),
    (past(Event.SESSIONS_ENDED, cause="deceased"), "Sessions fermées : le décès a été signalé"),
    (
        past(Event.SESSIONS_ENDED, cause="device", sessions=1),
        "Sessions fermées : un appareil, depuis l'espace personnel",
    ),
    (
        past(Event.SESSIONS_ENDED, cause="other_devices", sessions=2),
        "Sessions fermées : tous les autres appareils, depuis l'espace personnel",
    ),
    (
        past(Event.SESSIONS_ENDED, cause="too_many", sessions=1),
        "Sessions fermées : trop d'appareils à la fois, le plus ancien a cédé la place",
    ),
    (past(Event.LOGOUT_DEAD), "Un service n'a pas pu être prévenu d'une déconnexion"),
    (
        past(Event.RESET_BEGUN),
        "Page « Mot de passe oublié » : numéro saisi, choix de l'envoi proposé",
    ),
    (
        past(Event.RESET_HELD, quota="letter"),
        "Demande refusée : une lettre a été demandée il y a peu pour ce compte",
    ),
    (
        past(Event.RESET_REQUESTED, channel="letter", held=1),
        "Mot de passe provisoire demandé par lettre ; la lettre est retenue",
    ),
    (
        past(Event.RESET_REQUESTED, operator="jeanne", channel="mail", reason="appel"),
        "Mot de passe provisoire demandé par mail par jeanne, motif : appel",
    ),
    (past(Event.TEMPORARY_SENT, channel="mail"), "Mot de passe provisoire envoyé par mail"),
    (
        past(Event.TEMPORARY_SENT, channel="letter", batch="B"),
        "Mot de passe provisoire imprimé pour la poste, lot B",
    ),
    (
        past(Event.TEMPORARY_OPENED, channel="letter"),
        "Mot de passe provisoire tapé, reçu par lettre : il est juste",
    ),
    (
        past(Event.TEMPORARY_REFUSED, cause="wrong_temporary"),
        "Mot de passe provisoire refusé : ce n'est pas le dernier envoyé, ou il est mal recopié",
    ),
    (past(Event.TEMPORARY_LOCKED), "Mot de passe provisoire bloqué : trop d'essais faux"),
    (
        past(Event.PASSWORD_CHOSEN, first=1),
        "Premier mot de passe choisi ; l'attente est levée et les autres sessions sont fermées",
    ),
    (
        past(Event.PASSWORD_CHOSEN, first=0),
        "Nouveau mot de passe choisi ; l'attente est levée et les autres sessions sont fermées",
    ),
    (
        past(Event.PASSWORD_CHANGED),
        "Mot de passe changé depuis l'espace personnel ; les autres sessions sont fermées",
    ),
    (
        past(Event.DATA_DOWNLOADED),
        "Informations téléchargées depuis l'espace personnel",
    ),
    (
        past(Event.PASSWORD_CHOICE_REFUSED, faults="too_short leaked"),
        "Mot de passe proposé refusé : trop court, figure dans les listes de mots de passe volés",
    ),
    (
        past(Event.NOTICE_SENT, kind="password_changed", channel="mail"),
        "Envoyé : avis « votre mot de passe a changé » par mail",
    ),
    (
        past(Event.NOTICE_SENT, kind="address_recorded", channel="letter", batch="B"),
        "Imprimé pour la poste : avis « nouvelle adresse mail » par lettre, lot B",
    ),
    (
        past(Event.MESSAGE_FAILED, kind="temporary_password", channel="mail", fault="smtp_timeout"),
        "Pas parti : mot de passe provisoire par mail, le serveur de mail est trop lent",
    ),
    (
        past(
            Event.MESSAGE_DEAD, kind="sign_in_failures", channel="mail", fault="recipient_refused"
        ),
        "Abandonné : avis « connexions refusées » par mail, le serveur de mail refuse cette"
        " adresse",
    ),
    (
        past(Event.MESSAGE_RETRIED, operator="jeanne", kind="temporary_password", channel="mail"),
        "Remis en route par jeanne : mot de passe provisoire par mail",
    ),
    (past(Event.ADDRESS_REQUESTED), "Adresse mail proposée, un code y est envoyé"),
    (past(Event.ADDRESS_RECORDED), "Adresse mail confirmée"),
    (
        past(Event.ADDRESS_RECORDED, channel="mail"),
        "Adresse mail confirmée ; l'ancienne est prévenue",
    ),
    (
        past(Event.ADDRESS_RECORDED, channel="letter"),
        "Adresse mail confirmée ; une lettre en avertit",
    ),
    (past(Event.ADDRESS_REFUSED), "Code de confirmation d'adresse refusé"),
    (
        past(Event.LETTERS_REISSUED, operator="jeanne", batch="B"),
        "Lettre promise à nouveau par jeanne, lot B",
    ),
    (
        past(Event.SIGN_IN_SUCCEEDED, by="franceconnect", rule="sub"),
        "Connexion réussie par FranceConnect (personne déjà rattachée)",
    ),
    (
        past(
            Event.SIGN_IN_SUCCEEDED,
            by="franceconnect",
            rule="pivot",
            given_names="reordered",
            birthdate="presumed",
        ),
        "Connexion réussie par FranceConnect (l'identité est celle du dossier, prénoms dans un"
        " autre ordre, date de naissance présumée)",
    ),
    (
        past(Event.SIGN_IN_REFUSED, by="franceconnect", cause="franceconnect_frozen"),
        "Connexion refusée : FranceConnect a reconnu la personne, mais le compte est bloqué",
    ),
    (
        past(Event.FRANCECONNECT_LINKED, rule="pivot", by="sign_in", network="192.0.2.0/24"),
        "FranceConnect rattaché (l'identité est celle du dossier) (réseau 192.0.2.0/24)",
    ),
    (
        past(Event.FRANCECONNECT_RELINKED, rule="proof", differs="family_name birthplace"),
        "FranceConnect rattaché à une autre identité, qui remplace la précédente (preuve par le mot"
        " de passe, diffère du dossier : nom de naissance, commune de naissance)",
    ),
    (
        past(Event.FRANCECONNECT_UNLINKED, why="member", rule="pivot"),
        "FranceConnect retiré par la personne elle-même",
    ),
    (
        past(Event.FRANCECONNECT_UNLINKED, why="help_desk", operator="jeanne", reason="appel reçu"),
        "FranceConnect retiré par jeanne, motif : appel reçu",
    ),
    (past(Event.FRANCECONNECT_SEVERAL, dossiers=2), "FranceConnect : plusieurs dossiers à choisir"),
    (past(Event.FRANCECONNECT_UNMATCHED, why="nobody"), "FranceConnect : aucun dossier reconnu"),
    (
        past(Event.ACCOUNT_UNLOCKED, operator="jeanne", reason="appel"),
        "Attente levée par jeanne, motif : appel",
    ),
    (past(Event.ACCOUNT_UNLOCKED, operator="jeanne"), "Attente levée par jeanne"),
    (past(Event.CONSENT_GIVEN), "Autorisation donnée à un service extérieur"),
    (past(Event.CONSENT_REFUSED), "Autorisation refusée à un service extérieur"),
    (past(Event.ACCESS_TAKEN_BACK), "Accès retiré à un service, depuis l'espace personnel"),
    (past("account.moved"), "Événement account.moved"),
    (
        past(Event.ACCOUNT_FROZEN, letter=1, franceconnect=1, network="192.0.2.0/24"),
        "Compte bloqué par la personne elle-même ; une lettre part ; FranceConnect retiré"
        " (réseau 192.0.2.0/24)",
    ),
    (
        past(Event.ACCOUNT_FROZEN, letter=0, operator="jeanne", reason="a rappelé"),
        "Compte bloqué par jeanne, motif : a rappelé",
    ),
    (
        past(Event.ACCOUNT_REOPENED, password_kept=0, operator="jeanne", reason="lettre perdue"),
        "Compte rouvert aux mots de passe provisoires par jeanne, motif : lettre perdue",
    ),
    (
        past(Event.ACCOUNT_REOPENED, password_kept=1, operator="jeanne", reason="par erreur"),
        "Compte rouvert avec le mot de passe d'avant par jeanne, motif : par erreur",
    ),
]


@pytest.mark.parametrize(("event", "told"), EVENTS, ids=[event.event for event, _ in EVENTS])
def test_an_event_is_told_in_plain_french(event, told):
    assert words_of(event) == told


ELSEWHERE = {"client", "key", "directory", "code", "letters", "audit", "backup"}
"""What happens to services, keys, batches and the log itself: no part of an account's story."""


def test_every_event_of_an_account_has_a_sentence_of_its_own():
    told = {event.event for event, _ in EVENTS}
    of_accounts = {event for event in Event if event.partition(".")[0] not in ELSEWHERE} - set(
        UNTOLD
    )

    assert of_accounts <= told
    assert not [event for event in of_accounts if words_of(past(event)).startswith("Événement")]


@pytest.mark.parametrize(
    ("event", "name", "words"),
    [
        (Event.SIGN_IN_REFUSED, "cause", set(Cause) - {Cause.UNKNOWN_DOSSIER}),
        (Event.SIGN_IN_REFUSED, "cause", set(Refused)),
        (Event.RESET_HELD, "quota", set(Quota)),
        (Event.PASSWORD_CHOICE_REFUSED, "faults", set(PolicyFault)),
    ],
)
def test_no_word_of_the_code_is_told_as_it_is(event, name, words):
    for word in words:
        told = words_of(past(event, **{name: str(word)}))
        assert not re.search(rf"\b{re.escape(str(word))}\b", told)


def test_every_kind_of_message_has_its_words():
    assert set(MESSAGES) == set(Kind)


def test_a_fault_that_this_version_does_not_know_is_told_and_not_hidden():
    told = words_of(past(Event.MESSAGE_DEAD, kind="other", channel="fax", fault="out_of_paper"))

    assert told == "Abandonné : other fax, out_of_paper"


def test_a_count_that_is_none_counts_nothing():
    assert words_of(past(Event.SIGN_IN_REFUSED, cause="wrong_password", streak="many")) == (
        "Connexion refusée : le mot de passe n'est pas le bon"
    )


@pytest.mark.parametrize(("minutes", "told"), [(1, "1 min"), (60, "1 h"), (90, "1 h 30 min")])
def test_a_wait_is_told_in_hours_and_minutes(minutes, told):
    assert duration_in_words(minutes) == told


def test_a_day_is_told_with_its_year_in_paris():
    assert day_of(datetime(2026, 11, 30, 23, 30, tzinfo=UTC)) == "mardi 1er décembre 2026"


def test_the_story_keeps_its_order_and_its_instants():
    first, second = past(Event.SIGN_IN_SUCCEEDED), past(Event.SESSION_ENDED)

    lines = history([first, second])

    assert [(line.at, line.event, line.text) for line in lines] == [
        (NOON, "sign_in.succeeded", "Connexion réussie"),
        (NOON, "session.ended", "Déconnexion"),
    ]
