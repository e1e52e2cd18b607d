"""The colours of the pages that a fund may choose, and what they must reach together.

``pages.css`` holds the colours of the fund in two schemes. A theme replaces some of them; nothing
that it chooses may make a text too pale to be read.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from types import MappingProxyType

Colours = Mapping[str, str]

TEXT, SHAPE = 4.5, 3.0
"""Spec: WCAG 2.2, 1.4.3 and 1.4.11 (RGAA 3.2 and 3.3)."""

PAIRS: tuple[tuple[str, float, tuple[str, ...]], ...] = (
    ("ink", TEXT, ("surface", "paper", "tint", "error-tint", "wait-tint")),
    ("soft", TEXT, ("surface", "paper", "ring")),
    ("brand", TEXT, ("surface", "paper", "tint", "ring")),
    ("edge", SHAPE, ("surface", "paper")),
    ("action", TEXT, ("surface", "paper")),
    ("action-hover", TEXT, ("surface",)),
    ("on-action", TEXT, ("action", "action-hover")),
    ("focus", SHAPE, ("surface", "paper", "tint", "error-tint", "wait-tint")),
    ("error", TEXT, ("surface", "error-tint")),
    ("wait", TEXT, ("surface", "wait-tint")),
)
"""What is drawn or written, the least contrast it needs, and what it stands on."""

NAMES = frozenset({"line"} | {name for front, _, behind in PAIRS for name in (front, *behind)})
SCHEMES = ("light", "dark")
_NONE: Colours = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Theme:
    """What a fund replaces.

    Attributes:
        colours: by scheme, those that differ from ``pages.css``.
        files: static files of its own, by name: checked drawings.
        templates: the folder of templates that stand before ours, or "".
    """

    colours: Mapping[str, Colours] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    templates: str = ""

    def of(self, scheme: str, standard: Colours) -> dict[str, str]:
        """Give every colour of a scheme."""
        return {**standard, **self.colours.get(scheme, _NONE)}

    def paper(self) -> dict[str, str]:
        """Give its colour of the page, "" where it has none: a browser's own bar takes it too."""
        return {scheme: self.colours.get(scheme, _NONE).get("paper", "") for scheme in SCHEMES}

    def css(self) -> str:
        """Write what stands behind ``pages.css``."""
        light, dark = (_rule(self.colours.get(scheme, _NONE)) for scheme in SCHEMES)
        return light + (f"@media (prefers-color-scheme: dark){{{dark}}}" if dark else "")


def faults_of(colours: Colours) -> Iterator[str]:
    """Name each pair of one scheme that cannot be told apart well enough."""
    for front, least, behind in PAIRS:
        for back in behind:
            ratio = contrast(colours[front], colours[back])
            if ratio < least:
                yield f"{front} on {back} has {ratio:.2f}:1, and needs {least}:1"


def contrast(one: str, other: str) -> float:
    """Compute the contrast of two colours written as ``#rrggbb``.

    Spec: WCAG 2.2, "contrast ratio".
    """
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    def linear(channel: int) -> float:
        part = channel / 255
        return float(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)

    red, green, blue = (linear(int(colour[i : i + 2], 16)) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _rule(colours: Colours) -> str:
    if not colours:
        return ""
    body = ";".join(f"--{name}:{value}" for name, value in sorted(colours.items()))
    return f":root{{{body}}}"
