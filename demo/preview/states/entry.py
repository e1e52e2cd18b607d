"""The pages on the way in, what may go wrong there, and errors."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime

from demo.preview.states.makers import error
from demo.preview.states.makers import login
from demo.preview.states.makers import member_page
from demo.preview.states.samples import ALL_WAYS
from demo.preview.states.samples import AWAY
from demo.preview.states.samples import BY_LETTER
from demo.preview.states.samples import CHALLENGE
from demo.preview.states.samples import HELD
from demo.preview.states.samples import LATE_LETTER
from demo.preview.states.samples import MANY_CODES
from demo.preview.states.samples import MANY_REQUESTS
from demo.preview.states.samples import NINE_DIGITS
from demo.preview.states.samples import RESET
from demo.preview.states.samples import SEVEN_DIGITS
from demo.preview.states.samples import TYPED
from demo.preview.states.samples import WAIT
from demo.preview.states.samples import WEAK
from demo.preview.states.shapes import REFUSAL
from demo.preview.states.shapes import Fault
from demo.preview.states.shapes import LoginForm
from idp.identity.working_days import hour_in_words
from idp.sentence import say
from idp.web import address_code
from idp.web import reset
from idp.web.anti_robot import ROBOT
from idp.web.franceconnect_words import NOTICES
from idp.web.franceconnect_words import Said
from idp.web.login_form import BUSY
from idp.web.login_form import COOKIES_REFUSED
from idp.web.login_form import NO_COOKIES
from idp.web.login_form import STALE_FORM
from idp.web.login_form import STALE_PASSWORD

ENTRY = [
    login("first"),
    login("alone", service_name="", support_phone=""),
    login("filled", form=TYPED),
    login("service-logo", service_logo="/static/favicon.svg?v=0123abcd"),
    login("all-ways", **ALL_WAYS),
    login("all-ways-alone", **ALL_WAYS | {"service_name": ""}),
    login("franceconnect-failed", wrong=True, notice=NOTICES[Said.CANCELLED], **ALL_WAYS),
    login("franceconnect-wished", **ALL_WAYS, franceconnect_wished=True),
    login("franceconnect-alone", **ALL_WAYS, password_answers=False),
    login("franceconnect-away", **AWAY),
    login("franceconnect-alone-away", **AWAY, password_answers=False),
    login(
        "empty",
        wrong=True,
        errors=[
            Fault("qualite", "Choisissez « Affilié » ou « Ayant droit »."),
            Fault("numero", "Saisissez votre numéro de dossier."),
            Fault("password", "Saisissez votre mot de passe."),
        ],
    ),
    login(
        "one-fault",
        wrong=True,
        form=LoginForm(qualite="affilie", numero="12A"),
        errors=[SEVEN_DIGITS],
    ),
    login(
        "switch-to-ayant-droit",
        wrong=True,
        form=NINE_DIGITS,
        errors=[Fault("numero", "Ce numéro a la forme d’un numéro d’ayant droit.")],
        switch_to="ayant_droit",
    ),
    login(
        "switch-to-affilie",
        wrong=True,
        form=LoginForm(qualite="ayant_droit", numero="1234567"),
        errors=[Fault("numero", "Ce numéro a la forme d’un numéro d’affilié.")],
        switch_to="affilie",
    ),
    login("refused", wrong=True, form=TYPED, errors=[Fault("", REFUSAL)]),
    login("refused-all-ways", wrong=True, errors=[Fault("", REFUSAL)], **ALL_WAYS),
    login("wait", wrong=True, form=TYPED, notice=WAIT),
    login("wait-all-ways", wrong=True, notice=WAIT, **ALL_WAYS),
    login("wait-no-way-out", wrong=True, notice=WAIT, support_phone=""),
    login("no-cookies", notice=NO_COOKIES),
    login("stale", wrong=True, form=TYPED, notice=STALE_PASSWORD),
    login(
        "long-words",
        service_name="Déclaration des revenus professionnels anticonstitutionnellement régularisés",
        form=LoginForm(numero="9" * 64),
    ),
    login("slip", wrong=True, form=TYPED, errors=[Fault("", REFUSAL)], slip=True, **RESET),
    login("robot", wrong=True, errors=[Fault("", REFUSAL)], challenge=CHALLENGE, slip=False),
    login("robot-all-ways", wrong=True, errors=[ROBOT], challenge=CHALLENGE, **ALL_WAYS),
    login("robot-refused", wrong=True, form=TYPED, errors=[ROBOT], challenge=CHALLENGE),
    member_page("reset", "first"),
    member_page(
        "reset",
        "first-with-links",
        service_name="Mes cotisations",
        privacy_url="https://fonds.example/confidentialite",
        terms_url="https://fonds.example/conditions",
    ),
    member_page("reset", "first-with-one-link", terms_url="https://fonds.example/conditions"),
    member_page(
        "reset",
        "empty",
        wrong=True,
        errors=(
            Fault("qualite", "Choisissez « Affilié » ou « Ayant droit »."),
            Fault("numero", "Saisissez votre numéro de dossier."),
            ROBOT,
        ),
    ),
    member_page("reset", "robot", wrong=True, form=TYPED, errors=(ROBOT,)),
    member_page(
        "reset",
        "switch",
        wrong=True,
        form=NINE_DIGITS,
        errors=(Fault("numero", "Ce numéro a la forme d’un numéro d’ayant droit."),),
        switch_to="ayant_droit",
    ),
    member_page("reset", "wait", wrong=True, form=TYPED, notice=MANY_REQUESTS),
    member_page("reset", "no-cookies", wrong=True, notice=COOKIES_REFUSED),
    member_page("reset_channel", "both"),
    member_page("reset_channel", "long", mail_mask="j***dy@c*****.associations-francaises"),
    member_page("reset_channel", "both-no-phone", support_phone=""),
    member_page("reset_channel", "post-only", mail_mask=""),
    member_page("reset_channel", "post-only-no-phone", mail_mask="", support_phone=""),
    member_page(
        "reset_channel",
        "none-chosen",
        wrong=True,
        errors=(reset.CHOOSE,),
    ),
    member_page(
        "reset_channel",
        "post-only-refused",
        wrong=True,
        mail_mask="",
        errors=(reset.CHOOSE,),
    ),
    member_page("reset_channel", "held", wrong=True, chosen="letter", notice=HELD),
    member_page("reset_channel", "held-post-only", wrong=True, mail_mask="", notice=HELD),
    member_page("reset_sent", "mail"),
    member_page("reset_sent", "letter", **BY_LETTER),
    member_page("reset_sent", "letter-no-phone", support_phone="", **BY_LETTER),
    member_page("reset_ended", "ended", wrong=True),
    member_page("new_password", "renewed"),
    member_page("new_password", "first", first=True),
    member_page("new_password", "keeps-number", form=LoginForm(numero="1234567")),
    member_page("new_password", "stale", wrong=True, notice=STALE_FORM),
    member_page("new_password", "busy", wrong=True, notice=BUSY),
    member_page(
        "new_password",
        "weak",
        wrong=True,
        errors=WEAK,
    ),
    member_page(
        "new_password",
        "typed-otherwise",
        wrong=True,
        errors=(Fault("confirm", "Les deux saisies ne sont pas identiques. Recommencez."),),
    ),
    member_page("choice_ended", "ended", wrong=True),
    member_page("email_address", "first"),
    member_page("email_address", "by-letter", by_letter=True),
    member_page("email_address", "renewed", first=False),
    member_page("email_address", "wrong", wrong=True, errors=(address_code.NO_ADDRESS,)),
    member_page("email_address", "wait", wrong=True, notice=MANY_CODES),
    member_page("email_address", "over", wrong=True, notice=address_code.OVER),
    member_page("email_code", "sent"),
    member_page("email_code", "wrong", wrong=True, errors=(address_code.WRONG,)),
    *(error(str(status), status) for status in (400, 403, 404, 405, 413, 429, 500, 503)),
    error("unknown-status", 418),
    error(
        "service-unknown",
        400,
        title="Ce service ne peut pas vous connecter",
        message="La demande que le service nous a transmise n’est pas valable. Retournez sur le "
        "site du service et recommencez. Si cela continue, prévenez ce service en lui donnant les "
        "informations ci-dessous.",
        code="invalid_client: unknown client_id",
        incident="2f6c91b0a4d84c6e",
        link="",
    ),
    error("store-away", 503, link="/connexion?demande=abc", link_label="Réessayer"),
    error(
        "maintenance",
        503,
        title="Le service est en maintenance",
        message=say(
            "Rien n’est perdu : votre dossier et votre mot de passe restent tels quels. "
            "Le service rouvre le %(day)s à %(hour)s.",
            day=LATE_LETTER,
            hour=hour_in_words(datetime(2026, 12, 1, 7, tzinfo=UTC)),
        ),
        link="/connexion",
        link_label="Réessayer",
    ),
    error("incident", 500, incident="2f6c-91b0"),
    error(
        "protocol",
        400,
        title="Ce service ne peut pas vous connecter",
        code="invalid_request",
        incident="2f6c-91b0",
        link="",
    ),
    error(
        "protocol-with-words",
        400,
        title="Ce service ne peut pas vous connecter",
        message="Retournez à la page de connexion et recommencez.",
        code="invalid_request_uri_with_a_rather_long_name",
        incident="2f6c91b0a4d84c6eb2f0d7a3c5e19f66",
        link="https://service.example/",
        link_label="Revenir au service",
    ),
]
