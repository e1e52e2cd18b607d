"""The import directions of the package, checked on every test run (ADR 0001)."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "idp"
KERNEL = {
    "session",
    "limits",
    "audit",
    "audit_chain",
    "audit_export",
    "audit_sealing",
    "audit_walk",
    "hops",
    "sealed",
    "legal",
    "maintenance",
    "theme",
    "promise",
    "sentence",
}
RINGS = {
    # ring      : (rings and modules of ours,                third-party roots)
    "kernel": (KERNEL, {"cryptography"}),  # sealed alone needs it
    "identity": (KERNEL | {"identity"}, {"cryptography", "argon2", "bcrypt", "zxcvbn_rs_py"}),
    "oidc": (KERNEL | {"oidc"}, {"authlib", "joserfc", "cryptography"}),
    "web": (
        KERNEL | {"identity", "oidc", "web"},
        {"flask", "flask_babel", "werkzeug", "markupsafe", "authlib"},
    ),
    "infra": (KERNEL | {"identity", "oidc", "infra"}, None),
}
WIRING = {
    "app",
    "settings",
    "cli",
    "logs",
    "metrics",
    "spoken_of",
    "parts",
    "probes",
    "draining",
    "server",
    "wiring",
    "worker",
    "notifier",
    "sealer",
    "whole_requests",
    "__main__",
}
ERRORS = {"IdpError", "StoreUnavailable", "Busy"}
"""What the root package offers to every ring."""


def ring_of(module: Path) -> str:
    """The ring of a module, by its path inside the package."""
    first = module.parts[0].removesuffix(".py")
    return "kernel" if first in KERNEL else first


def imports_of(source: str) -> Iterator[str]:
    """Every dotted name imported, wherever in the file and for whatever purpose."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield "." * node.level + (node.module or "")
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def faults_of(module: Path, source: str) -> list[str]:
    """The imports of ``module`` (its path inside the package) that its ring may not have."""
    ring = ring_of(module)
    if ring in WIRING:
        return [name for name in imports_of(source) if name.startswith(".")]
    if ring == "__init__":
        return list(imports_of(source))
    ours, third_party = RINGS[ring]
    faults = []
    for name in imports_of(source):
        root, _, rest = name.partition(".")
        if root == "idp":
            allowed = rest.split(".")[0] in ours | ERRORS
        elif root in sys.stdlib_module_names:
            allowed = True
        else:
            allowed = third_party is None or root in third_party
        if ring == "infra" and root in {"flask", "werkzeug"}:
            # The SQL store needs the application that Flask-SQLAlchemy is bound to, nothing else.
            allowed = module == Path("infra/sql.py") and name == "flask.Flask"
        if name.startswith("authlib.integrations") and ring != "web":
            allowed = False
        if ring == "web" and root == "authlib" and not name.startswith("authlib.integrations."):
            allowed = False
        if not allowed:
            faults.append(name)
    return faults


MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_imports_only_what_its_ring_may(module):
    source = (PACKAGE / module).read_text(encoding="utf-8")

    assert faults_of(module, source) == []


def test_every_module_belongs_to_a_ring_or_to_the_wiring():
    strangers = {ring_of(module) for module in MODULES} - set(RINGS) - WIRING - {"__init__"}

    assert not strangers


PLANTED = {
    "identity imports the protocol": ("identity/login.py", "from idp.oidc.clients import Client"),
    "identity imports redis": ("identity/login.py", "import redis"),
    "identity imports flask": ("identity/login.py", "from flask import request"),
    "identity reads settings": ("identity/login.py", "from idp.settings import Settings"),
    "identity imports authlib": ("identity/login.py", "import authlib"),
    "the protocol imports identity": (
        "oidc/claims.py",
        "from idp.identity.dossier import Qualite",
    ),
    "the protocol imports flask glue": (
        "oidc/grants.py",
        "from authlib.integrations.flask_oauth2 import current_token",
    ),
    "the protocol imports flask glue whole": ("oidc/grants.py", "import authlib.integrations"),
    "the protocol imports SQL": ("oidc/grants.py", "import sqlalchemy"),
    "a page imports the world": ("web/login.py", "from idp.infra.accounts import SqlAccounts"),
    "a page imports redis": ("web/login.py", "import redis"),
    "a page builds its parts": ("web/login.py", "from idp.app import Parts"),
    "a page reads settings": ("web/login.py", "from idp.settings import read_settings"),
    "a page imports the protocol library": ("web/login.py", "import authlib.oauth2"),
    "the world imports a page": ("infra/accounts.py", "from idp.web.login import submit"),
    "the world imports flask": ("infra/accounts.py", "from flask import g"),
    "the SQL store looks at requests": ("infra/sql.py", "from flask import request"),
    "a shared word imports a ring": ("limits.py", "from idp.identity.account import Account"),
    "a shared word imports a library": ("session.py", "import redis"),
    "the root imports anything": ("__init__.py", "import logging"),
    "a ring imports the whole package": ("web/login.py", "import idp"),
    "an import hidden in a function": ("identity/login.py", "def f():\n    import flask"),
    "an import for types only": (
        "identity/login.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import flask",
    ),
    "a relative import": ("identity/login.py", "from .dossier import Qualite"),
    "a relative import in the wiring": ("cli/keys.py", "from . import parts"),
}


@pytest.mark.parametrize(("module", "source"), PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_fault_is_found(module, source):
    assert faults_of(Path(module), source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "identity/login.py",
            "from idp import Busy\nfrom idp.limits import Attempts\nimport argon2",
        ),
        ("oidc/grants.py", "from authlib.oauth2.rfc6749 import grants\nimport joserfc.jwt"),
        ("web/login.py", "from flask import request\nfrom idp.identity.login import SignIn"),
        ("infra/accounts.py", "import sqlalchemy\nfrom idp.oidc.claims import Subject"),
        ("infra/sql.py", "from flask import Flask\nfrom flask_sqlalchemy import SQLAlchemy"),
        ("app.py", "from idp.infra.sql import Database\nfrom flask import Flask"),
    ],
)
def test_a_lawful_import_is_left_alone(module, source):
    assert faults_of(Path(module), source) == []
