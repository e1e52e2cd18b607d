"""Registration of relying services."""

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from idp.oidc.clients import Client


def to_metadata(client: Client) -> dict[str, object]:
    """Write a client as RFC 7591 metadata, without its secrets; ``parse`` reads back the same."""
    metadata: dict[str, object] = {}
    for name in (field.name for field in fields(Client)):
        value = getattr(client, name)
        if name == "secret_hashes" or value in ("", (), None):
            continue
        if name == "scope":
            metadata[name] = " ".join(sorted(client.scope, key=lambda s: (s != "openid", s)))
        else:
            metadata[name] = list(value) if isinstance(value, tuple) else value
    return metadata


def from_stored(metadata: Mapping[str, object], secret_hashes: Iterable[str]) -> Client:
    """Read back what ``to_metadata`` wrote.

    It is trusted: a rule that became stricter since must not make a running service unknown. What a
    newer version wrote beside is left out.
    """
    known: dict[str, Any] = {}  # Any: each value has the type of its field, as written
    for field in fields(Client):
        if field.name in metadata:
            value = metadata[field.name]
            known[field.name] = tuple(value) if isinstance(value, list) else value
    known["scope"] = frozenset(str(known["scope"]).split())
    return Client(**known, secret_hashes=tuple(secret_hashes))
