"""The sign-in of a pension fund: an OpenID Connect provider.

Four rings, and in each of them one file for each flow, with the same name (ADR 0001):

=============  ===============================  =====================  =============================
mission        rule                             page or endpoint       world
=============  ===============================  =====================  =============================
sign in        ``identity/login``               ``web/login``          ``infra/accounts``
reset          ``identity/reset``               ``web/reset``          ``infra/reset_quotas``
secret         ``identity/temporary_password``  ``web/login``          ``infra/temporary_passwords``
new password   ``identity/new_password``        ``web/new_password``   ``infra/accounts``
FranceConnect  ``identity/franceconnect``       ``web/franceconnect``  ``infra/franceconnect``
freeze         ``identity/freeze``              ``web/freeze``         ``infra/accounts``
anti-robot     ``identity/anti_robot``          ``web/anti_robot``     ``infra/anti_robot``
address        ``identity/email_address``       ``web/email_address``  ``infra/pending_addresses``
outbox, mail   ``identity/delivery``            ``worker``             ``infra/outbox``, ``mail``
letters        ``identity/letters``             ``cli/letters``        ``infra/letter``
help desk      ``identity/help_desk``           ``cli/accounts``       ``infra/audit``
OpenID         ``oidc/*``                       ``web/oidc``           ``infra/codes``
refresh        ``oidc/refresh``                 ``web/oidc``           ``infra/refresh_families``
machines       ``oidc/client_credentials``      ``web/oidc``           ``infra/service_grants``
services       ``oidc/clients``                 ``cli/clients``        ``infra/clients``
refusals       ``oidc/refusals``                ``web/refused``        ``infra/refusals``
keys           ``oidc/keys``                    ``cli/keys``           ``infra/key_files``
directory      ``identity/directory``           ``cli/dossiers``       ``infra/directory``
sessions       ``session``, ``oidc/logout``     ``web/browser``        ``infra/sessions``
limits         ``limits``                       ``web/login``          ``infra/attempts``
audit          ``audit``                        everywhere             ``infra/audit``
=============  ===============================  =====================  =============================

This file imports nothing: every ring may import the errors below.
"""


class IdpError(Exception):
    """Base of every error of ours.

    ``str(error)`` is for operators; a page shows the sentence of ``code``, never the text.
    """

    code = "error"


class StoreUnavailable(IdpError):
    """A store (SQL or Redis) does not answer: nothing was decided, try again later."""

    code = "unavailable"


class Busy(IdpError):
    """More work at once than this process may take on; nothing was done, nothing is lost."""

    code = "busy"
