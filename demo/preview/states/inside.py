"""The pages of who is signed in, of FranceConnect, of services; the way out; legal pages."""

from __future__ import annotations

from datetime import UTC
from datetime import date
from datetime import datetime

from demo.preview.states.makers import account
from demo.preview.states.makers import account_choice
from demo.preview.states.makers import consent
from demo.preview.states.makers import legal
from demo.preview.states.makers import member_page
from demo.preview.states.samples import ACCESSES
from demo.preview.states.samples import ACTIVITY
from demo.preview.states.samples import AUDIT
from demo.preview.states.samples import CHALLENGE
from demo.preview.states.samples import DEVICES
from demo.preview.states.samples import FILLED
from demo.preview.states.samples import FRAMES
from demo.preview.states.samples import GIFTS
from demo.preview.states.samples import LINKED
from demo.preview.states.samples import LONG_NAME
from demo.preview.states.samples import MANY_CODES
from demo.preview.states.samples import MASK
from demo.preview.states.samples import TYPED
from demo.preview.states.samples import VISITS
from demo.preview.states.samples import WAIT
from demo.preview.states.samples import WEAK
from demo.preview.states.samples import WRONG_PASSWORD
from demo.preview.states.shapes import REFUSAL
from demo.preview.states.shapes import Fault
from demo.preview.states.shapes import State
from idp.identity.working_days import in_words
from idp.legal import Legal
from idp.sentence import say
from idp.web import account_data
from idp.web import account_devices
from idp.web import account_email
from idp.web import account_franceconnect
from idp.web import account_password
from idp.web import account_services
from idp.web import address_code
from idp.web import franceconnect_dossier
from idp.web.account_topics import moment
from idp.web.anti_robot import ROBOT
from idp.web.franceconnect_words import NOTICES
from idp.web.franceconnect_words import SOMEBODY_ELSE_ALONE
from idp.web.franceconnect_words import Said
from idp.web.login_form import STALE_FORM
from idp.web.login_form import FormError
from idp.web.login_form import Notice

INSIDE = [
    account("account"),
    account("account-without-name", name=""),
    member_page("account_data", "first"),
    member_page("account_data", "stale", wrong=True, notice=STALE_FORM),
    member_page("account_data", "just-done", wrong=True, notice=account_data.JUST_DONE),
    member_page("account_devices", "alone"),
    member_page("account_devices", "many", devices=DEVICES),
    member_page(
        "account_devices",
        "ended",
        devices=DEVICES[:2],
        notice=account_devices.ENDED,
    ),
    member_page("account_devices", "stale", wrong=True, devices=DEVICES, notice=STALE_FORM),
    member_page("account_password", "first"),
    member_page("account_password", "none", has_password=False),
    member_page(
        "account_password",
        "none-wrong",
        wrong=True,
        has_password=False,
        errors=(FormError("current", WRONG_PASSWORD),),
    ),
    member_page("account_password", "stale", wrong=True, notice=STALE_FORM),
    member_page("account_password", "wait", wrong=True, notice=WAIT),
    member_page(
        "account_password",
        "changed",
        notice=Notice("done", say("Votre mot de passe est changé"), account_password.BY_MAIL),
    ),
    member_page(
        "account_password",
        "wrong",
        wrong=True,
        errors=(FormError("current", WRONG_PASSWORD),),
    ),
    member_page(
        "account_password",
        "weak",
        wrong=True,
        errors=WEAK,
    ),
    member_page("account_services", "none"),
    member_page("account_services", "accesses", accesses=ACCESSES, visits=VISITS),
    member_page("account_services", "visits", visits=VISITS),
    member_page(
        "account_services",
        "taken-back",
        notice=account_services.TAKEN_BACK,
    ),
    member_page("account_activity", "nothing"),
    member_page("account_activity", "days", days=ACTIVITY, more_url="/compte/activite?voir=100"),
    member_page("account_email", "of-the-dossier"),
    member_page("account_email", "confirmed", confirmed=True),
    member_page("account_email", "none", receives="", by_letter=True),
    member_page("account_email", "pending", pending=MASK),
    member_page(
        "account_email",
        "recorded",
        waits="a***te@l*****.example",
        stands_at=moment(datetime(2026, 12, 3, 13, 32, tzinfo=UTC)),
        notice=account_email.RECORDED,
    ),
    member_page(
        "account_email",
        "wrong",
        wrong=True,
        errors=(address_code.NO_ADDRESS,),
        typed="anne@",
    ),
    member_page("account_email", "wait", wrong=True, notice=MANY_CODES),
    member_page("account_email", "over", wrong=True, notice=address_code.OVER),
    member_page("account_email_code", "first"),
    member_page(
        "account_email_code",
        "wrong",
        wrong=True,
        errors=(address_code.WRONG,),
    ),
    member_page("account_freeze", "letter"),
    member_page("account_freeze", "franceconnect", unlinks=True),
    member_page("account_freeze", "no-address", letter_by=""),
    member_page("account_freeze", "stale", wrong=True, notice=STALE_FORM),
    member_page("account_frozen", "letter"),
    member_page("account_frozen", "no-address", letter_by="", support_phone=""),
    member_page("confirmation", "first"),
    member_page("confirmation", "stale", wrong=True, notice=STALE_FORM),
    member_page(
        "confirmation",
        "wrong",
        wrong=True,
        errors=(FormError("password", WRONG_PASSWORD),),
    ),
    member_page("confirmation", "wait", wrong=True, notice=WAIT),
    member_page("confirmation", "franceconnect", franceconnect_url="/franceconnect?pour=confirm"),
    member_page(
        "confirmation",
        "franceconnect-alone",
        franceconnect_url="/franceconnect?pour=confirm",
        password_answers=False,
    ),
    member_page(
        "confirmation",
        "somebody-else-alone",
        wrong=True,
        notice=SOMEBODY_ELSE_ALONE,
        franceconnect_url="/franceconnect?pour=confirm",
        password_answers=False,
    ),
    member_page("confirmation", "no-way", password_answers=False),
    member_page("confirmation", "no-way-to-freeze", password_answers=False, freezes=True),
    member_page(
        "confirmation",
        "no-way-wrong",
        wrong=True,
        password_answers=False,
        errors=(FormError("password", WRONG_PASSWORD),),
    ),
    member_page(
        "confirmation",
        "franceconnect-away",
        franceconnect_away=True,
        password_answers=False,
    ),
    member_page(
        "confirmation",
        "somebody-else",
        wrong=True,
        notice=NOTICES[Said.SOMEBODY_ELSE],
        franceconnect_url="/franceconnect?pour=confirm",
    ),
    member_page("account_franceconnect", "none"),
    member_page("account_franceconnect", "linked", **LINKED),
    member_page("account_franceconnect", "linked-no-password", **LINKED, has_password=False),
    member_page(
        "account_franceconnect",
        "just-linked",
        **LINKED,
        notice=NOTICES[Said.LINKED],
    ),
    member_page(
        "account_franceconnect",
        "unlinked",
        notice=account_franceconnect.UNLINKED,
    ),
    member_page(
        "account_franceconnect",
        "unlinked-no-password",
        notice=account_franceconnect.UNLINKED_NO_PASSWORD,
        has_password=False,
    ),
    member_page(
        "account_franceconnect",
        "refused",
        wrong=True,
        notice=NOTICES[Said.NOT_LINKED],
    ),
    member_page("account_franceconnect_identity", "first"),
    member_page("account_franceconnect_identity", "stale", wrong=True, notice=STALE_FORM),
    member_page("franceconnect_dossier", "two"),
    member_page("franceconnect_dossier", "alone", service_name=""),
    member_page(
        "franceconnect_dossier",
        "none-chosen",
        wrong=True,
        errors=(franceconnect_dossier.NONE_CHOSEN,),
    ),
    member_page("franceconnect_dossier", "stale", wrong=True, notice=STALE_FORM),
    member_page("franceconnect_proof", "first"),
    member_page("franceconnect_proof", "alone", service_name="", support_phone=""),
    member_page(
        "franceconnect_proof", "refused", wrong=True, form=TYPED, errors=(Fault("", REFUSAL),)
    ),
    member_page(
        "franceconnect_proof",
        "slip",
        wrong=True,
        form=TYPED,
        errors=(Fault("", REFUSAL),),
        slip=True,
    ),
    member_page(
        "franceconnect_proof",
        "empty",
        wrong=True,
        errors=(
            Fault("qualite", "Choisissez « Affilié » ou « Ayant droit »."),
            Fault("numero", "Saisissez votre numéro de dossier."),
            Fault("password", "Saisissez votre mot de passe."),
        ),
    ),
    member_page("franceconnect_proof", "robot", wrong=True, errors=(ROBOT,), challenge=CHALLENGE),
    member_page("franceconnect_proof", "wait", wrong=True, notice=WAIT),
    account_choice("named"),
    account_choice("without-name", name="", service_name=LONG_NAME),
    account_choice("stale", wrong=True, notice=STALE_FORM),
    account_choice("of-an-application", service_name=LONG_NAME, on_device=True),
    account_choice("long-name", name="Marie-Clémentine de La Rochefoucauld-Montmorency"),
    consent("first"),
    consent(
        "all",
        policy_uri="https://agenda.example/confidentialite",
        tos_uri="https://agenda.example/conditions",
        keeps_access=True,
    ),
    consent("policy-alone", policy_uri="https://agenda.example/confidentialite"),
    consent("more", gifts=GIFTS[2:3], granted=["Vous reconnaître", "Votre identité"]),
    consent(
        "long-words",
        service_name=LONG_NAME,
        service_host="declaration-des-revenus.anticonstitutionnellement.regularises.example",
        name="",
    ),
    consent("stale", wrong=True, notice=STALE_FORM),
    consent("application", service_host=""),
    State(
        "logout-confirm",
        "pages/logout_confirm.html",
        {
            "action": "/deconnexion",
            "csrf": "c5f",
            "fields": [("state", "s"), ("client_id", "cotisations")],
            "service_name": "Mes cotisations",
        },
    ),
    State(
        "logout-confirm-alone",
        "pages/logout_confirm.html",
        {"action": "/deconnexion", "csrf": "c5f", "fields": [], "service_name": ""},
    ),
    State(
        "logged-out",
        "pages/logged_out.html",
        {
            "service_name": "Mes cotisations",
            "link": "https://service.example/",
            "link_label": "Revenir au service",
        },
    ),
    State(
        "logged-out-alone",
        "pages/logged_out.html",
        {"service_name": "", "link": "/connexion", "link_label": "Se connecter à nouveau"},
    ),
    State(
        "logged-out-frames",
        "pages/logged_out.html",
        {
            "service_name": "Mes cotisations",
            "link": "https://service.example/",
            "link_label": "Revenir au service",
            "frames": FRAMES,
        },
    ),
    State(
        "logging-out",
        "pages/logging_out.html",
        {
            "service_name": "Mes cotisations",
            "onward": "https://service.example/au-revoir?state=s",
            "frames": FRAMES,
            "franceconnect": False,
        },
    ),
    *(
        State(
            f"logging-out-franceconnect{name}",
            "pages/logging_out.html",
            {
                "service_name": service,
                "onward": "https://franceconnect.example/session/end",
                "frames": (),
                "franceconnect": True,
            },
        )
        for name, service in (("", "Mes cotisations"), ("-alone", ""))
    ),
    State(
        "to-franceconnect",
        "pages/to_franceconnect.html",
        {"service_name": "Mes cotisations", "onward": "/franceconnect?demande=s"},
    ),
    State(
        "expired",
        "pages/expired.html",
        {"link": "/connexion", "link_label": "Aller à la page de connexion"},
    ),
    *(
        legal(page, name, filled)
        for page in ("accessibility", "legal_notices", "personal_data")
        for name, filled in (("to-fill", Legal()), ("filled", FILLED))
    ),
    legal(
        "accessibility",
        "audited",
        FILLED,
        audit=AUDIT,
        audited_on=in_words(date(2026, 3, 3), year=True),
        accessibility_state="partiellement conforme",
    ),
    legal("personal_data", "more", FILLED, privacy_url="https://caisse.example/confidentialite"),
]
