"""``IDP_THEME_FOLDER``: colours, drawings and templates of a fund, without a line of Python.

=====================  ====================================================================
``colours.toml``       tables ``[light]`` and ``[dark]``, names of ``idp.theme.NAMES``
``static/``            ``wordmark.svg``, ``wordmark-dark.svg``, ``favicon.svg``
``templates/``         templates that stand before ours, under the names that ours have
=====================  ====================================================================
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from idp import IdpError
from idp.infra.drawings import UnsafeDrawing
from idp.infra.drawings import harmless
from idp.theme import NAMES
from idp.theme import SCHEMES
from idp.theme import Colours
from idp.theme import Theme

DRAWINGS = frozenset({"wordmark.svg", "wordmark-dark.svg", "favicon.svg"})
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_ROOT = re.compile(r":root \{(.*?)\}", re.DOTALL)
_DECLARED = re.compile(r"--([\w-]+): (#\w{6});")


class InvalidTheme(IdpError):
    """A theme holds what nothing would read, or what no page may show; the text says where."""

    code = "invalid_theme"


def read_theme(folder: Path, templates: Path) -> Theme:
    """Read a theme; ``templates`` are ours, which its own may replace.

    Raises:
        InvalidTheme: names the first thing that is wrong.
    """
    if not folder.is_dir():
        message = f"IDP_THEME_FOLDER: no such folder: {folder}"
        raise InvalidTheme(message)
    own = folder / "templates"
    for path in _files(own):
        if not (templates / path.relative_to(own)).is_file():
            message = f"{path}: no template of that name is there to be replaced"
            raise InvalidTheme(message)
    return Theme(
        colours=_colours(folder / "colours.toml"),
        files=dict(_drawings(folder / "static")),
        templates=str(own) if own.is_dir() else "",
    )


def standard_colours(style_sheet: str) -> dict[str, dict[str, str]]:
    """Read the colours that ``pages.css`` declares, by scheme."""
    found = _ROOT.findall(style_sheet)
    return {
        scheme: dict(_DECLARED.findall(block))
        for scheme, block in zip(SCHEMES, found, strict=False)
    }


def _colours(path: Path) -> dict[str, Colours]:
    try:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path}: {error}"
        raise InvalidTheme(message) from None
    for scheme, colours in read.items():
        if scheme not in SCHEMES or not isinstance(colours, dict):
            message = f"{path}: {scheme}: expected the tables [light] and [dark]"
            raise InvalidTheme(message)
        for name, value in colours.items():
            if name not in NAMES:
                message = f"{path}: {name}: expected one of {', '.join(sorted(NAMES))}"
                raise InvalidTheme(message)
            if not isinstance(value, str) or not _COLOUR.fullmatch(value):
                message = f"{path}: {name}: expected a colour like #0e4b4f"
                raise InvalidTheme(message)
    return read


def _drawings(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in _files(folder):
        name = str(path.relative_to(folder))
        if name not in DRAWINGS:
            message = f"{path}: expected one of {', '.join(sorted(DRAWINGS))}"
            raise InvalidTheme(message)
        try:
            yield name, harmless(path.read_bytes())[1]
        except UnsafeDrawing as unsafe:
            message = f"{path}: {unsafe}"
            raise InvalidTheme(message) from None


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
