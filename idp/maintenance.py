"""A closure that the operator asked for: what it says, and for whom it is."""

from dataclasses import dataclass
from datetime import datetime

from idp import IdpError


@dataclass(frozen=True, slots=True)
class Closure:
    """The service is closed on purpose; ``until`` is None where nobody said for how long."""

    until: datetime | None = None


class UnderMaintenance(IdpError):
    """Refused because the operator closed the service."""

    code = "temporarily_unavailable"

    def __init__(self, closure: Closure) -> None:
        super().__init__("closed for maintenance")
        self.closure = closure
