"""What can be asked of ``bin/start``: four ports and a folder."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

USUAL_DATA = Path(__file__).resolve().parents[1] / "data"


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked on the command line."""

    port: int
    demo_port: int
    mailbox_port: int
    franceconnect_port: int
    data: Path

    @property
    def issuer(self) -> str:
        """The provider, on another site than what it speaks to, as in production."""
        return f"http://localhost:{self.port}"

    @property
    def demo_origin(self) -> str:
        """The services."""
        return f"http://127.0.0.1:{self.demo_port}"

    @property
    def mailbox_origin(self) -> str:
        """The mailbox."""
        return f"http://127.0.0.1:{self.mailbox_port}"

    @property
    def franceconnect_origin(self) -> str:
        """The simulator of FranceConnect."""
        return f"http://127.0.0.1:{self.franceconnect_port}"


def read_options(arguments: Sequence[str] | None, *, described: str) -> Options:
    """Read the command line; leaves with status 2 when it cannot be."""
    parser = argparse.ArgumentParser(prog="bin/start", description=described)
    parser.add_argument("--port", type=_port, default=8000, help="of the provider (8000)")
    parser.add_argument("--demo-port", type=_port, default=8001, help="of the services (8001)")
    parser.add_argument("--mailbox-port", type=_port, help="of the mailbox (one above the others)")
    parser.add_argument(
        "--franceconnect-port",
        type=_port,
        help="of the simulator of FranceConnect (one above the others)",
    )
    parser.add_argument("--data", type=Path, default=USUAL_DATA, help="data folder (data)")
    given = parser.parse_args(arguments)
    if given.mailbox_port is None:
        given.mailbox_port = max(given.port, given.demo_port) + 1
    if given.franceconnect_port is None:
        given.franceconnect_port = max(given.port, given.demo_port, given.mailbox_port) + 1
    options = Options(**vars(given))
    ports = {options.port, options.demo_port, options.mailbox_port, options.franceconnect_port}
    if len(ports) < 4:
        parser.error("--port, --demo-port, --mailbox-port, --franceconnect-port must differ")
    return options


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        message = f"{text!r} is not a port: 1 to 65535 expected"
        raise argparse.ArgumentTypeError(message)
    return int(text)
