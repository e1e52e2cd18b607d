"""The parameters of a protocol request, as they came: in order, repeated ones included."""

from collections.abc import Iterable
from dataclasses import dataclass

PARAMETER_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Params:
    """Names and values in the order received.

    A parameter without a value counts as not sent (RFC 6749 §3.1).
    """

    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> "Params":
        """Collect what a framework parsed."""
        return cls(tuple(pairs))

    def get(self, name: str) -> str:
        """Give the first value of ``name``, or ""."""
        return next((value for key, value in self.pairs if key == name and value), "")

    def __contains__(self, name: object) -> bool:
        return any(key == name and value for key, value in self.pairs)

    def count(self, name: str) -> int:
        """Tell how often ``name`` came."""
        return sum(key == name for key, _ in self.pairs)

    def repeated(self) -> list[str]:
        """Name the parameters that came more than once."""
        names = [key for key, _ in self.pairs]
        return sorted({name for name in names if names.count(name) > 1})

    def values(self, name: str) -> tuple[str, ...]:
        """Give every value of ``name``, in order, doubles dropped."""
        return tuple(dict.fromkeys(value for key, value in self.pairs if key == name and value))

    def words(self, name: str) -> tuple[str, ...]:
        """Split a space-delimited value, order kept, doubles dropped."""
        return tuple(dict.fromkeys(word for word in self.get(name).split(" ") if word))

    def __repr__(self) -> str:
        # Values can be secrets.
        return f"Params({', '.join(key for key, _ in self.pairs)})"
