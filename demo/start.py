"""``bin/start``: the whole product on one machine, with invented people and services to try.

The store's server starts first and reads its file while the rest is imported; the web servers
start once the data is ready. They are children of this process, stopped in reverse order by Ctrl-C,
and by the kernel should this process be killed.
"""

import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from types import FrameType

from demo.children import Child
from demo.configuration import mail_settings
from demo.data_folder import DataFolder
from demo.data_folder import FolderInUse
from demo.data_folder import UnusableFolder
from demo.options import USUAL_DATA
from demo.options import Options
from demo.options import read_options
from demo.ports import BusyPort
from demo.ports import addresses
from demo.screen import screen
from demo.valkey import ServerDidNotStart
from demo.valkey import ValkeyServer
from idp import IdpError

ROOT = Path(__file__).resolve().parents[1]
GUNICORN_CONF = ROOT / "deploy" / "gunicorn.conf.py"
WORKERS = 2
ALLOCATOR = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4194304"
    ":glibc.malloc.arena_max=1"
}
"""As in the image: a hash's 19 MiB go back to the system. Other C libraries do not read it."""
READY_WITHIN_SECONDS = 40
LAST_LINES = 20
PINNED = (
    "IDP_ISSUER",
    "IDP_DATA_DIR",
    "IDP_DATABASE_URL",
    "IDP_REDIS_URL",
    "IDP_KEYS_DIR",
    "IDP_SECRETS_DIR",
    "IDP_DEFAULT_CLIENT_ID",
    "IDP_SMTP_HOST",
    "IDP_SMTP_PORT",
    "IDP_SMTP_SECURITY",
    "IDP_SMTP_USER",
    "IDP_SMTP_PASSWORD_FILE",
    "IDP_SMTP_CA_FILE",
    "IDP_MAIL_FROM",
    "IDP_MAIL_REPLY_TO",
    "IDP_SERVICES_PRIVATE_NETWORKS",
    "IDP_FRANCECONNECT_ISSUER",
    "IDP_FRANCECONNECT_CLIENT_ID",
    "IDP_FRANCECONNECT_CLIENT_SECRET_FILE",
    "IDP_FRANCECONNECT_PRIVATE_KEY_FILE",
    "IDP_FRANCECONNECT_SCOPE",
    "IDP_FRANCECONNECT_ACR",
    "IDP_FRANCECONNECT_CA_FILE",
    "IDP_ENV_FILE",
    "IDP_BIND",
    "GUNICORN_CMD_ARGS",
)
"""What this start decides, whatever stands in the environment."""


class StopAsked(BaseException):
    """Ctrl-C, or the signal of a service manager."""


class ChildDied(Exception):
    """A server ended by itself; the text says which and what it wrote last."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Start everything and stay until it is asked to stop; 1 when something is wrong."""
    started = time.monotonic()
    os.umask(0o077)
    options = read_options(arguments, described=(__doc__ or "").split("\n")[0])
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, _ask_to_stop)
    try:
        return _run(options, started)
    except StopAsked:
        return 0
    except (BusyPort, FolderInUse, UnusableFolder, ServerDidNotStart, ChildDied, IdpError) as error:
        print(f"bin/start: {error}", file=sys.stderr)
        return 1


def _ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
    # Asked once is enough: impatience must not leave half of the servers behind.
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.SIG_IGN)
    raise StopAsked


def _run(options: Options, started: float) -> int:
    # "localhost" may be either.
    binds = addresses(options.port, "--port", ipv6=True)
    demo_binds = addresses(options.demo_port, "--demo-port", ipv6=False)
    addresses(options.mailbox_port, "--mailbox-port", ipv6=False)
    franceconnect_binds = addresses(options.franceconnect_port, "--franceconnect-port", ipv6=False)
    folder = DataFolder(options.data)
    folder.make()
    with ExitStack() as stack:
        lock = stack.enter_context(folder.held())
        try:
            valkey = ValkeyServer(
                folder.valkey,
                socket_path=stack.enter_context(folder.valkey_socket()),
                keep=(lock,),
            )
            valkey.start()
            stack.callback(valkey.stop)
            mailbox, smtp_port = _open_mailbox(folder, options.mailbox_port)
            stack.callback(mailbox.end)
            environment = _prepare(folder, valkey, options, smtp_port)
            web = _serve(
                "The identity provider", "idp.app:create_app()", binds, environment, folder
            )
            stack.callback(web.end)
            demo = _serve(
                "The demo service",
                "demo.relying_service:create_app()",
                demo_binds,
                environment | {"IDP_WORKERS": "1", "DEMO_CONFIGURATION": str(folder.demo_file)},
                folder,
            )
            stack.callback(demo.end)
            franceconnect = _serve(
                "The simulator of FranceConnect",
                "demo.franceconnect:create_app()",
                franceconnect_binds,
                environment
                | {
                    "IDP_WORKERS": "1",
                    "FRANCECONNECT_CONFIGURATION": str(folder.franceconnect_file),
                },
                folder,
            )
            stack.callback(franceconnect.end)
            for server in (web, demo, franceconnect):  # all asked before any is waited for
                stack.callback(server.ask_to_end)
            _wait_until_ready(web, options.port, "/readyz")
            _wait_until_ready(demo, options.demo_port, "/")
            _wait_until_ready(franceconnect, options.franceconnect_port, "/")
            _wait_until_ready(mailbox, options.mailbox_port, "/")
            worker = Child(  # nobody waits for it: it starts when the others have
                "The worker",
                [sys.executable, "-m", "idp", "worker"],
                log=folder.logs / "idp.worker.log",
                env=environment,
                cwd=ROOT,
            )
            stack.callback(worker.end)
            seconds = time.monotonic() - started
            print(
                screen(
                    issuer=options.issuer,
                    demo_origin=options.demo_origin,
                    mailbox_origin=options.mailbox_origin,
                    franceconnect_origin=options.franceconnect_origin,
                    data=folder.path,
                    seconds=seconds,
                    is_usual=folder.path == USUAL_DATA.resolve(),
                )
            )
            sys.stdout.flush()
            _watch([worker, demo, franceconnect, web, mailbox, valkey.child])
        except StopAsked:
            print("\n  Stopping.", flush=True)
    return 0


def _open_mailbox(folder: DataFolder, port: int) -> tuple[Child, int]:
    """Start the mailbox; give it and the port that takes its mails, which no other can take."""
    with socket.create_server(("127.0.0.1", 0)) as smtp:
        mailbox = Child(
            "The mailbox",
            [
                *(sys.executable, "-m", "demo.mailbox", str(folder.mailbox)),
                *("--port", str(port), "--smtp-fd", str(smtp.fileno())),
            ],
            log=folder.logs / "demo.mailbox.log",
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            keep=(smtp.fileno(),),
        )
        smtp_port: int = smtp.getsockname()[1]
        return mailbox, smtp_port


def _prepare(
    folder: DataFolder, valkey: ValkeyServer, options: Options, smtp_port: int
) -> dict[str, str]:
    """Prepare the data and give the environment of the servers."""
    # Imported here: it takes a second, during which the store's server reads its file.
    from demo.franceconnect.embedded import register
    from demo.prepare import DEFAULT_CLIENT_ID
    from demo.prepare import prepare

    for name in PINNED:
        os.environ.pop(name, None)
    folder.write_env(
        {
            "IDP_ISSUER": options.issuer,
            "IDP_DATA_DIR": str(folder.path),
            "IDP_REDIS_URL": valkey.url,
            "IDP_DEFAULT_CLIENT_ID": DEFAULT_CLIENT_ID,
            "IDP_SUPPORT_PHONE": "01 23 45 67 89",
            "IDP_PRIVACY_URL": f"{options.demo_origin}/confidentialite",
            "IDP_TERMS_URL": f"{options.demo_origin}/conditions",
            "IDP_SERVICES_PRIVATE_NETWORKS": "127.0.0.0/8",  # the two services are told there
            **mail_settings(smtp_port),
            **register(
                folder.franceconnect_file,
                folder.franceconnect_secret,
                origin=options.franceconnect_origin,
                provider=options.issuer,
            ),
        }
    )
    os.environ["IDP_ENV_FILE"] = str(folder.env_file)
    valkey.wait()
    prepare(demo_origin=options.demo_origin, demo_file=folder.demo_file)
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "IDP_WORKERS": str(WORKERS),
        "IDP_GRACEFUL_SECONDS": "5",
    }


def _serve(
    name: str,
    application: str,
    binds: Sequence[str],
    environment: Mapping[str, str],
    folder: DataFolder,
) -> Child:
    module = application.partition(":")[0]
    return Child(
        name,
        [sys.executable, "-m", "gunicorn", "-c", str(GUNICORN_CONF), application],
        log=folder.logs / f"{module}.log",
        env={**ALLOCATOR, **environment, "IDP_BIND": " ".join(binds)},
        stop=signal.SIGTERM,
        cwd=ROOT,
    )


def _wait_until_ready(child: Child, port: int, path: str) -> None:
    end = time.monotonic() + READY_WITHIN_SECONDS
    status: int | None = None
    while status != HTTPStatus.OK:
        if child.exit_status is not None:
            raise ChildDied(_obituary(child))
        if time.monotonic() > end:
            answer = "nothing" if status is None else status
            message = f"{child.name} is not ready: {path} answers {answer}.\n{_last_lines(child)}"
            raise ServerDidNotStart(message)
        time.sleep(0.03)
        status = _status(port, path)


def _status(port: int, path: str) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _watch(children: Sequence[Child | None]) -> None:
    """Stay until a signal comes; a server that ends by itself ends all."""
    while True:
        for child in children:
            if child is not None and child.exit_status is not None:
                raise ChildDied(_obituary(child))
        time.sleep(0.2)


def _obituary(child: Child) -> str:
    return (
        f"{child.name} ended by itself (status {child.exit_status}); everything is stopped. "
        f"What it wrote last, from {child.log}:\n{_last_lines(child)}"
    )


def _last_lines(child: Child) -> str:
    return "\n".join(child.said().splitlines()[-LAST_LINES:])


if __name__ == "__main__":
    sys.exit(main())
