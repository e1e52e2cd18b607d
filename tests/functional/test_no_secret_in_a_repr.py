"""What a log line, an exception or a debugger would show of what this program is built of."""

from base64 import b64encode
from base64 import urlsafe_b64encode
from collections import deque
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path

import pytest

from idp.cli.letters import print_letters
from idp.infra.secret_files import NAMES
from idp.infra.secret_files import read_secrets
from idp.wiring.messages import build_delivery
from tests.fake_outbox import FakeMailer
from tests.instance import Instance

ENOUGH_BYTES = 6
"""Of a secret to know it by, and whole in base64: 2^48, so not there by chance."""

OURS = ("idp", "builtins")
CONTAINERS = (str, bytes, list, tuple, dict, set, frozenset)
"""Shown by whoever holds them, or by nobody."""


def secrets_of(instance: Instance) -> dict[str, bytes]:
    secrets = read_secrets(instance.settings.secrets_path)
    named = {name: getattr(secrets, name) for name in NAMES if name != "cookie_key"}
    return named | {f"cookie_key {n}": key for n, key in enumerate(secrets.cookie_keys)}


def written_as(secret: bytes) -> Iterator[str]:
    """The ways in which the beginning of a secret may stand in a text."""
    beginning = secret[:ENOUGH_BYTES]
    yield beginning.hex()
    yield b64encode(beginning).decode()
    yield urlsafe_b64encode(beginning).decode()
    yield repr(beginning)[2:-1]
    yield ", ".join(map(str, beginning))


def written_in(folder: Path) -> Iterator[str]:
    """Lines of files that hold a secret as text; the first one of a key is that of every key."""
    for path in folder.iterdir():
        lines = path.read_text().splitlines()
        yield from (line[:16] for line in lines[2:4] or lines if "----" not in line)


def held_by(thing: object) -> Iterator[object]:
    """What an object holds: fields, items, and the object of a bound method."""
    if isinstance(thing, Mapping):
        yield from thing.values()
    elif isinstance(thing, list | tuple | set | frozenset):
        yield from thing
    elif hasattr(thing, "__self__"):
        yield thing.__self__
    elif type(thing).__module__.partition(".")[0] == "idp":
        names = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
        yield from (getattr(thing, name, None) for name in names)
        yield from getattr(thing, "__dict__", {}).values()


def everything_from(*roots: object) -> list[object]:
    """All that hangs on the roots, as far as it is ours."""
    found, waiting = {}, deque(roots)
    while waiting:
        thing = waiting.popleft()
        if id(thing) not in found and type(thing).__module__.partition(".")[0] in OURS:
            found[id(thing)] = thing
            waiting.extend(held_by(thing))
    return list(found.values())


@pytest.fixture
def built(instance: Instance) -> list[object]:
    with instance.app.app_context():
        delivery = build_delivery(instance.parts, FakeMailer())
        letters = print_letters(instance.parts)
        return everything_from(instance.services, instance.parts, delivery, letters)


def test_what_is_looked_at_holds_the_use_cases_and_the_secrets(
    instance: Instance, built: list[object]
) -> None:
    kinds = {type(thing).__name__ for thing in built}
    values = {thing for thing in built if isinstance(thing, bytes)}

    assert kinds >= {
        "Services",
        "SignIn",
        "Reset",
        "NewPassword",
        "EmailAddresses",
        "AddressCodeMail",
        "TemporaryPasswordMail",
        "PrintLetters",
        "Tokens",
        "Passwords",
    }
    assert values >= set(secrets_of(instance).values())


def test_no_repr_of_what_the_program_is_built_of_shows_a_byte_of_a_secret_log_leak(
    instance: Instance, built: list[object]
) -> None:
    wanted = {
        text: name for name, secret in secrets_of(instance).items() for text in written_as(secret)
    }
    for folder in (instance.settings.secrets_path, instance.settings.keys_path):
        wanted |= dict.fromkeys(written_in(folder), folder.name)

    shown = {
        f"{type(thing).__name__} shows {name}"
        for thing in built
        if not isinstance(thing, CONTAINERS)
        for text, name in wanted.items()
        if text in repr(thing)
    }

    assert sorted(shown) == []
