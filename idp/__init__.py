"""The sign-in of a pension fund: an OpenID Connect provider.

Four rings, and in each of them one file for each flow, with the same name (ADR 0001):

=====================  =================================  ====================  ========================
mission                rule                               page or endpoint      world
=====================  =================================  ====================  ========================
sign in                ``identity/login``, ``password``   ``web/login``         ``infra/accounts``
OpenID Connect         ``oidc/*``                         ``web/oidc``          ``infra/codes``, ``clients``
keys                   ``oidc/keys``                      ``/jwks``, ``cli``    ``infra/key_files``
dossier directory      ``identity/directory``             ``cli/dossiers``      ``infra/directory``
sessions, sign-out     ``session``, ``oidc/logout``       ``web/security``      ``infra/sessions``
limits                 ``limits``                         ``web/login``         ``infra/attempts``
audit                  ``audit``                          everywhere            ``infra/audit``
=====================  =================================  ====================  ========================

This file imports nothing: every ring may import the errors below.
"""


class IdpError(Exception):
    """Base of every error of ours.

    ``str(error)`` is for operators; a page shows the sentence of ``code``, never the text.
    """

    code = "error"


class StoreUnavailable(IdpError):
    """A store (SQL or Redis) does not answer: the request must be refused, and tried again later."""

    code = "unavailable"


class Busy(IdpError):
    """More work at once than this process may take on; nothing was done, nothing is lost."""

    code = "busy"
