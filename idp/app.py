"""The web application: ``gunicorn "idp.app:create_app()"``."""

import logging
from collections.abc import Callable
from datetime import datetime

from flask import Flask

from idp import StoreUnavailable
from idp import logs
from idp.infra.template_folders import read_templates
from idp.metrics.begin import begin_counting
from idp.metrics.begin import serve_web
from idp.parts import Parts
from idp.parts import utc_now
from idp.settings import Settings
from idp.settings import read_settings
from idp.web import register
from idp.wiring.services import build_services


def create_app(settings: Settings | None = None, now: Callable[[], datetime] = utc_now) -> Flask:
    """Build the web application; gunicorn calls it without arguments.

    Raises:
        InvalidSettings: a setting is missing or dangerous.
        UnsafeStore: the Redis store may evict.
        IdpError: a secret or a key is missing or unreadable.
    """
    parts = Parts(settings or read_settings(), now=now)
    logs.configure(parts.settings.log_level)
    try:
        parts.redis.refuse_unsafe_store()
    except StoreUnavailable as away:
        # It may come back before the first request; /readyz says so meanwhile, and looks again.
        logging.getLogger("idp").warning("started without it: %s", away)
    parts.flask.jinja_loader = read_templates(parts.templates)
    counts = begin_counting(parts, parts.settings.metrics_bind)
    services = build_services(parts, counts)
    register(parts.flask, services)
    if parts.settings.metrics_bind:
        serve_web(parts, counts, services.probes)
    parts.flask.extensions["idp"] = parts
    return parts.flask
