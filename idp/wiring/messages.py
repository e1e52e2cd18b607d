"""Join the parts that write mails and hand them over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idp.identity.composers import TemporaryPasswordMail
from idp.identity.composers import notices
from idp.identity.delivery import Delivery
from idp.identity.delivery import Mailer
from idp.identity.email_address import AddressCodeMail
from idp.identity.mask import mask_email
from idp.identity.outbox import Kind

if TYPE_CHECKING:
    from idp.infra.mail import SmtpMailer
    from idp.parts import Parts


def build_mailer(parts: Parts) -> SmtpMailer | None:
    """Build what hands mails over; None while no mail server is set. Nothing is opened yet.

    Raises:
        InvalidSender, UnsafeMailServer: a setting of the mail is wrong.
    """
    from idp.infra.mail import SmtpMailer
    from idp.infra.mail import SmtpSecurity
    from idp.infra.mail import SmtpServer
    from idp.infra.mail_text import Letterhead
    from idp.infra.mail_text import MailText

    settings = parts.settings
    if not settings.smtp_host:
        return None
    letterhead = Letterhead(
        fund_name=settings.fund_name,
        mail_from=settings.mail_from,
        sign_in_url=f"{settings.issuer}/connexion",
        reply_to=settings.mail_reply_to,
        support_phone=settings.support_phone,
    )
    server = SmtpServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=SmtpSecurity(settings.smtp_security),
        user=settings.smtp_user,
        password_file=settings.smtp_password_file,
        ca_file=settings.smtp_ca_file,
        timeout=settings.smtp_timeout.total_seconds(),
    )
    return SmtpMailer(server, MailText(parts.templates, letterhead))


def build_delivery(parts: Parts, mailer: Mailer) -> Delivery:
    """Build what the worker sends mails with."""
    return Delivery(
        outbox=parts.outbox,
        contacts=parts.contacts,
        composers={
            Kind.TEMPORARY_PASSWORD: TemporaryPasswordMail(parts.temporaries, parts.passwords),
            Kind.ADDRESS_CODE: AddressCodeMail(parts.pending_addresses, parts.secrets.decoy_key),
            **notices(mask_email),
        },
        mailer=mailer,
        audit=parts.audit,
        transaction=parts.database.transaction,
        now=parts.now,
    )
