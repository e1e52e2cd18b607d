"""The address of this provider, and its stores."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator
from pydantic import BaseModel

from idp.settings import formats
from idp.settings.told import Told


class PlaceSettings(BaseModel):
    """The address of this provider, and its stores."""

    issuer: Annotated[
        str,
        AfterValidator(formats.issuer),
        Told(
            "the provider's own address, which every token and every link carries",
            "origin",
            "nothing is ever built from `Host` or a forwarded header; https unless "
            "loopback, without a path for session cookies belong to the whole host",
        ),
    ]
    data_dir: Annotated[
        Path,
        Told(
            "where the embedded start keeps its files",
            "folder",
            "one folder to ignore, to back up and to throw away",
        ),
    ] = Path("data")
    database_url: Annotated[
        str,
        AfterValidator(formats.database_url),
        Told(
            "the durable store: `postgresql+psycopg://…`",
            "URL",
            "empty means an SQLite file in the data folder, good for a demonstration",
        ),
    ] = ""
    redis_url: Annotated[
        str,
        AfterValidator(formats.redis_url),
        Told(
            "the Redis or Valkey store: `redis://…`, `rediss://…` (TLS), `unix://…`",
            "URL",
            "must not evict; with none no page that counts or remembers works",
        ),
    ] = ""
    keys_dir: Annotated[
        Path | None,
        Told(
            "the private signing keys",
            "folder",
            "empty means `keys` in the data folder; in production a mounted secret,"
            " read-only for the web",
        ),
    ] = None
    keys_passphrase_file: Annotated[
        Path | None,
        Told(
            "the file with the passphrase that signing keys are encrypted with",
            "file",
            "empty means `keys_passphrase` in `IDP_SECRETS_DIR`, if there is one: `idp secrets`"
            " draws it; read when a key is: `idp keys rewrap` changes it without a restart",
        ),
    ] = None
    secrets_dir: Annotated[
        Path | None,
        Told(
            "the four secret files",
            "folder",
            "empty means `secrets` in the data folder",
        ),
    ] = None
    logos_folder: Annotated[
        Path | None,
        Told(
            "the logos of services, which `idp clients logo` checks and puts there",
            "folder",
            "empty means `logos` in the data folder; the same on every node",
        ),
    ] = None
    maintenance_file: Annotated[
        Path | None,
        Told(
            "the file that closes the service as long as it is there",
            "file",
            "empty means `maintenance` in the data folder; may hold the instant of the reopening",
        ),
    ] = None
    metrics_bind: Annotated[
        str,
        AfterValidator(formats.bind),
        Told(
            "where the web serves `/metrics` to Prometheus, such as `127.0.0.1:9464`",
            "host:port",
            "empty serves none; it asks for no credential: never let the public reach it",
        ),
    ] = ""
    worker_metrics_bind: Annotated[
        str,
        AfterValidator(formats.bind),
        Told(
            "where `idp worker` serves its own, such as `127.0.0.1:9465`",
            "host:port",
            "as above; another port where both run on one machine",
        ),
    ] = ""
    log_level: Annotated[
        str,
        AfterValidator(formats.log_level),
        Told(
            "`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`",
            "level",
            "Authlib is never heard below WARNING: it logs tokens",
        ),
    ] = "INFO"
