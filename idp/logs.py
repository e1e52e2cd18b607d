"""Logs: one JSON object a line on standard error, with the request they belong to, without secrets.

Nothing of ours logs a secret or a full dossier number. The redaction here is the last net, for what
a library or a traceback would say: it rather hides a harmless number than shows a person's.
"""

import logging
import re
import sys
import traceback
from contextvars import ContextVar
from typing import Any

from pythonjsonlogger.json import JsonFormatter

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The identifier of the request being answered; the pages show it with an incident."""

account: ContextVar[str] = ContextVar("account", default="")
"""The word for the member of this request: never the account's identifier (idp/spoken_of.py)."""

_LOUDEST_AUTHLIB = logging.WARNING
_OURS = frozenset({"time", "level", "logger", "request_id"})
_FAULT, _UNREAD = "Error handling request", "Invalid request"  # as gunicorn begins them
_HIDDEN = "[hidden]"
_PHRASES = "password|mot[ _-]de[ _-]passe|secret|pepper"
_WORDS = "numero_dossier|token|assertion|verifier|cookie|authorization"
_TELLING_NAME = re.compile(rf"(?:.*_)?(?:{_PHRASES}|{_WORDS})s?", re.IGNORECASE)
# Between a name and its value: name=…, 'name': …, ('name', …), name%3D….
_IS = r"""(?:\\*['"]?\s*[=:]|['"]\s*,|(?:%(?:25)*2[27])?%(?:25)*3[ad])\s*"""
_STRING = r"""[bu]?(?:'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+")"""
# A phrase has spaces: as Python writes it, one or a list of them; else to the end of the line. A
# quote with neither an end nor a delimiter behind it is an apostrophe.
_PHRASE = (
    rf"(?:(?:\[hidden\]|{_STRING}|\[{_STRING}(?:, {_STRING})*+\])(?=\s*(?:[,;&)\]}}\n]|\Z))"
    r"|(?:[^&\n]|&(?![\w.-]+=))+)"
)
_VALUE = r"""\\*(?:'[^']*'|"[^"]*"|[^\s&;,'"]+)"""
_SPACE = r"(?:[^\S\r\n]|\+|%20|%C2%A0)"
_ESCAPED = r"(?<=%[0-9a-f]{2})"
_DASH = r"[.\u2010-\u2015\u2212-]"
_NETS = (
    # JWT, whole or cut.
    (re.compile(r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*"), _HIDDEN),
    # Password hashes: crypt's and PHC's notations.
    (re.compile(r"""\$(?:argon2[a-z]*|2[aby])\$[^\s'"]+"""), _HIDDEN),
    (re.compile(r"\b(basic|bearer|dpop)\s+[\w+/.=~-]{8,}", re.IGNORECASE), rf"\1 {_HIDDEN}"),
    # What stands in the password place of an address, up to the last @: it may hold / and @.
    (re.compile(r"(://[^/\s:]*:)\S{1,400}@"), rf"\1{_HIDDEN}@"),
    (re.compile(rf"((?:{_PHRASES})s?{_IS}){_PHRASE}", re.IGNORECASE), rf"\1{_HIDDEN}"),
    (re.compile(rf"((?:{_WORDS})s?{_IS}){_VALUE}", re.IGNORECASE), rf"\1{_HIDDEN}"),
    # The same of an address's query alone: "status code: 404" says nothing secret.
    (
        re.compile(
            rf"((?:\b|{_ESCAPED})(?:code|state|nonce|\w*hint|sid)(?:=|%(?:25)*3d)){_VALUE}",
            re.IGNORECASE,
        ),
        rf"\1{_HIDDEN}",
    ),
    # 30 random bytes or more, in hex or base64url; long names of functions are not.
    (re.compile(r"(?<![\w-])[0-9a-f]{40,}(?![\w-])"), _HIDDEN),
    (
        re.compile(
            r"(?<![\w-])(?=[\w-]{0,80}[A-Z])(?=[\w-]{0,80}[a-z])(?=[\w-]{0,80}\d)[\w-]{40,}",
            re.ASCII,
        ),
        _HIDDEN,
    ),
    # A dossier number: 7 or 9 digits, as one run or in groups by spaces of any kind.
    (
        re.compile(
            rf"(?:(?<!\d)|{_ESCAPED})\d(?:{_SPACE}?\d){{6}}(?:(?:{_SPACE}?\d){{2}})?(?!\d)",
            re.IGNORECASE,
        ),
        _HIDDEN,
    ),
    # By dots and dashes in threes alone: an address of the network has four groups.
    (
        re.compile(rf"(?<!\d)(?<!\d{_DASH})\d(?:\d\d)?(?:{_DASH}\d{{3}}){{2}}(?!{_DASH}?\d)"),
        _HIDDEN,
    ),
)

# Most lines hold nothing that one of the nets could catch: one look instead of eleven.
_SUSPECT = re.compile(
    rf"[=:$]|['\"]\s*,|%(?:25)*3[ad]|eyJ|basic|bearer|dpop|[\w-]{{40}}"
    rf"|\d(?:(?:{_SPACE}|{_DASH})?\d){{6}}",
    re.IGNORECASE,
)

_PASSES = 4  # what one net leaves behind, another may catch: 1234567Basic …


def redact(text: str) -> str:
    """Hide what looks like a token, a secret or a dossier number."""
    if not _SUSPECT.search(text):
        return text
    for _ in range(_PASSES):
        before = text
        for pattern, replacement in _NETS:
            text = pattern.sub(replacement, text)
        if text == before:
            break
    return text


def _redact_field(name: str, value: Any) -> Any:  # Any: whatever stands beside a message
    if _TELLING_NAME.fullmatch(name):
        return _HIDDEN
    if isinstance(value, bool | float) or value is None:
        return value
    if isinstance(value, dict):
        return {redact(str(key)): _redact_field(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact_field("", inner) for inner in value]
    hidden = redact(str(value))
    return value if isinstance(value, int) and hidden == str(value) else hidden


class JsonLines(JsonFormatter):
    """A line: time, level, logger, message, request_id, account, then what the caller added."""

    def __init__(self) -> None:
        super().__init__(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="time",
            json_ensure_ascii=False,
        )

    def add_fields(
        self,
        log_data: dict[str, Any],
        record: logging.LogRecord,
        message_dict: dict[str, Any],
    ) -> None:
        """Say which request it was."""
        super().add_fields(log_data, record, message_dict)
        if current := request_id.get():
            log_data["request_id"] = current
        if spoken_of := account.get():
            log_data["account"] = spoken_of

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Hide secrets, in the message, in a traceback and in what was added to them."""
        return {
            name: value if name in _OURS else _redact_field(name, value)
            for name, value in log_data.items()
        }


class WithoutRequest(logging.Filter):
    """Keep of what gunicorn says of a faulty request its kind: it quotes line, address and query.

    The redaction cannot do this: a name in a query has no shape of its own.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the sentence; of a traceback the frames stay and its last words go."""
        if record.name != "gunicorn.error":
            return True
        kind = sys.exc_info()[0]
        said = str(record.msg)
        is_fault = said.startswith(_FAULT)
        is_unread = kind is not None and kind.__module__ == "gunicorn.http.errors"
        if not (is_fault or is_unread or said.startswith(_UNREAD)):
            return True
        name = kind.__name__ if kind else "unknown"
        record.msg, record.args = f"{_FAULT if is_fault else _UNREAD}: {name}", None
        if record.exc_info:
            frames = "".join(traceback.format_tb(record.exc_info[2]))
            record.exc_text = f"Traceback (most recent call last):\n{frames}{name}"
            record.exc_info = None
        return True


def _is_not_authlib_telling_tokens(record: logging.LogRecord) -> bool:
    # Authlib writes whole tokens at DEBUG, in ten places.
    is_authlib = record.name == "authlib" or record.name.startswith("authlib.")
    return not is_authlib or record.levelno >= _LOUDEST_AUTHLIB


def configure(level: str) -> None:
    """Send every log of this process to standard error, at ``level`` and above; again replaces."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler.formatter, JsonLines):
            root.removeHandler(handler)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    handler.addFilter(_is_not_authlib_telling_tokens)
    root.addHandler(handler)
    root.setLevel(level.upper())
    # What no line tells need not be looked up for each of them.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    authlib = logging.getLogger("authlib")
    authlib.setLevel(max(root.level, _LOUDEST_AUTHLIB))
