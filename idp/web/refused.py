"""What a refused request leaves: its id in the answer, and a note for operators who are asked why.

The note is worth no failure: a refusal is answered as it would be without the store.
"""

import logging
from collections.abc import Mapping

from flask import g
from flask import request

from idp import StoreUnavailable
from idp.limits import audited_network
from idp.oidc.clients import Client
from idp.oidc.refusals import Finding
from idp.oidc.refusals import Refusal
from idp.oidc.refusals import Standing
from idp.oidc.refusals import finding_of
from idp.oidc.response import AuthorizationResponse
from idp.oidc.response import refusal
from idp.oidc.response import with_incident
from idp.oidc.return_address import RefusedByRedirect
from idp.web import Services
from idp.web.browser import network_of_request

GOOD_REQUESTS = frozenset(
    {"login_required", "interaction_required", "consent_required", "access_denied"}
)
"""What is answered to requests that are as they should be, and so in great number."""

log = logging.getLogger("idp.refused")


def refuse(given: Services, refused: RefusedByRedirect) -> AuthorizationResponse:
    """Answer a service with an error by way of the browser, and note why."""
    standing = Standing.ANSWERED if refused.error in GOOD_REQUESTS else Standing.NAMED
    note(
        given,
        refused.error,
        refused.description,
        finding_of(refused),
        client_id=refused.back.client.client_id,
        standing=standing,
    )
    return refusal(refused, issuer=given.issuer, incident=g.request_id)


def note_json(
    given: Services, body: Mapping[str, object], finding: Finding, client: Client | None, named: str
) -> dict[str, object]:
    """Note why an endpoint refuses, and put the id into its answer."""
    description = str(body.get("error_description", ""))
    note(
        given,
        str(body.get("error", "")),
        description,
        finding,
        client_id=client.client_id if client else named,
        standing=Standing.PROVED if client and not client.is_public else Standing.NAMED,
    )
    return {**body, "error_description": with_incident(description, g.request_id)}


def note(
    given: Services,
    error: str,
    description: str,
    finding: Finding,
    *,
    client_id: str = "",
    standing: Standing = Standing.NAMED,
) -> None:
    """Keep what refused this request; without the store, the log line alone tells which check."""
    log.info("refused by %s: %s", finding.check, error or "no error code")
    given.counts.refused(request.endpoint or "unknown", error, finding.check, client_id)
    try:
        given.refusals.note(
            Refusal(
                id=g.request_id,
                at=given.now(),
                request=f"{request.method} {request.path}",
                error=error,
                description=description,
                check=finding.check,
                expected=finding.expected,
                found=finding.found,
                client_id=client_id,
                standing=standing,
                network=audited_network(network_of_request(request, given)),
            )
        )
    except StoreUnavailable as away:
        log.warning("not kept: %s", away)
