"""What a password hash costs."""

from typing import Annotated

from pydantic import BaseModel
from pydantic import Field

from idp.settings.told import Told


class PasswordSettings(BaseModel):
    """What a password hash costs."""

    argon2_memory_kib: Annotated[
        int,
        Told(
            "memory of one hash, 19456 to 131072",
            "KiB",
            "19 MiB with two passes is the least that OWASP advises; existing "
            "hashes follow at the next sign-in",
        ),
    ] = Field(default=19_456, ge=19_456, le=131_072)
    argon2_passes: Annotated[
        int,
        Told(
            "passes over that memory, 2 to 4",
            "passes",
            "as above",
        ),
    ] = Field(default=2, ge=2, le=4)
    hash_pool_size: Annotated[
        int,
        Told(
            "hashes at once in one process, 1 to 64",
            "threads",
            "processes times this, no more than cores; each keeps its memory (19 MiB)",
        ),
    ] = Field(default=1, ge=1, le=64)
    hash_pool_queue: Annotated[
        int,
        Told(
            "sign-ins that may wait for a turn, 1 to 1024, two seconds at most; beyond that 503",
            "requests",
            "with the one that hashes, fewer than the 8 threads of a worker: others"
            " are always served",
        ),
    ] = Field(default=4, ge=1, le=1024)
