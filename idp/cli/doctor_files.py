"""``idp doctor`` on what lies in files: the data folder, secrets, signing keys, printed letters."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from idp.cli.findings import Finding
from idp.cli.findings import Level
from idp.cli.findings import Unusable
from idp.cli.findings import exposed
from idp.infra.key_passphrase import unencrypted
from idp.infra.secret_files import NAMES
from idp.oidc.clients import SIGNING_ALGS
from idp.oidc.keys import NoSigningKey
from idp.oidc.rotation import due
from idp.parts import Parts

ROTATION_LATENESS = timedelta(days=3)
"""The timer runs daily; it may miss a night."""


def data_folder(built: Parts) -> Iterator[Finding]:
    """Whether what the embedded start keeps is its owner's."""
    folder = built.settings.data_dir.absolute()
    if not folder.exists():
        used = built.settings.sql_url.startswith("sqlite")
        yield Finding(
            Level.FAIL if used else Level.OK,
            "data folder",
            f"{folder} does not exist"
            + ("; run idp migrate" if used else ", and nothing needs it"),
        )
        return
    faults = [
        finding for path in folder.glob("idp.sqlite*") for finding in exposed("data folder", path)
    ]
    # What is in it is private by itself; but who may write to a folder may put other files there.
    faults += exposed("data folder", folder, forbidden=0o022)
    yield from faults or [Finding(Level.OK, "data folder", f"{folder} is its owner's to change")]


def secrets(built: Parts) -> Iterator[Finding]:
    """Whether the four secrets are there, random, apart, and their owner's."""
    folder = built.settings.secrets_path.absolute()
    _ = built.secrets
    faults = list(exposed("secrets", folder))
    yield from faults or [
        Finding(Level.OK, "secrets", f"{', '.join(NAMES)} in {folder}, their owner's alone")
    ]


def keys(built: Parts) -> Iterator[Finding]:
    """Whether keys can be read by us alone, sign, and are followed."""
    folder = built.settings.keys_path.absolute()
    if trouble := built.key_files.trouble:
        message = f"{trouble} (docs/operate/keys.md)"
        raise Unusable(message)
    yield from exposed("keys", folder)
    if oddity := built.key_files.oddity:
        yield Finding(Level.WARN, "keys", oddity)
    if open_keys := unencrypted(built.key_files):
        what = f"{len(open_keys)} of them lie in clear on this disk; run idp keys rewrap"
        yield Finding(Level.WARN, "keys", what)
    ring = built.key_files.ring()
    for alg in SIGNING_ALGS:
        try:
            key = ring.signing_key(alg, now=built.now())
        except NoSigningKey:
            yield Finding(Level.FAIL, "keys", f"no {alg} key signs now; run idp keys rotate")
        else:
            since = f"{key.signs_from:%Y-%m-%d %H:%M} UTC"
            yield Finding(Level.OK, "keys", f"{alg} signs with {key.kid} since {since}")
    now = built.now()
    late = {
        one.alg
        for one in due(ring, built.rotation_policy, now - ROTATION_LATENESS)
        if len(ring.of_alg(one.alg))
    }
    for alg in sorted(late):
        what = f"no {alg} key follows the one that signs; run idp keys rotate, daily by a timer"
        yield Finding(Level.WARN, "keys", what)


def letters(built: Parts) -> Iterator[Finding]:
    """Whether the folder of printed letters is private, ours, and in no backup."""
    spool = built.settings.spool_path
    backed_up = [built.settings.keys_path, built.settings.secrets_path]
    if not (built.settings.letter_sender or built.settings.is_loopback):
        what = "IDP_LETTER_SENDER is not set: letters would leave without the fund's address"
        yield Finding(Level.WARN, "letters", what)
    if any(spool.resolve().is_relative_to(folder.resolve()) for folder in backed_up):
        yield Finding(
            Level.FAIL,
            "letters",
            f"{spool} lies in a folder that is backed up, and holds secrets in clear: set"
            " IDP_SPOOL_DIR to a place of its own",
        )
    elif spool.exists() and not (spool.is_dir() and os.access(spool, os.W_OK)):
        what = f"{spool} is no folder that we may write to; set IDP_SPOOL_DIR, or its owner"
        yield Finding(Level.FAIL, "letters", what)
    elif not (spool.exists() or _can_be_made(spool)):
        what = f"{spool} cannot be made where it is; set IDP_SPOOL_DIR, or make it ours"
        yield Finding(Level.FAIL, "letters", what)
    elif not spool.exists():
        what = f"{spool} is made by the first idp letters print"
        yield Finding(Level.OK, "letters", what)
    elif open_to_others := list(exposed("letters", spool)):
        yield from open_to_others
    else:
        yield Finding(Level.OK, "letters", f"{spool} is private")


def _can_be_made(folder: Path) -> bool:
    """Tell whether the nearest folder above that exists is one that we may write to."""
    above = next(parent for parent in folder.absolute().parents if parent.exists())
    return above.is_dir() and os.access(above, os.W_OK | os.X_OK)
