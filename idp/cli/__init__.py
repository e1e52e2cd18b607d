"""``idp``: what operators do. Each command says what it did, or what is wrong and how to mend it.

Exit status: 0 done, 1 refused or found something wrong, 2 wrong use. Every act that changes
something is audited with the operator's name (``--operator``, IDP_OPERATOR, or the login name).
"""

import getpass
import importlib
import os
import resource

import click

from idp import IdpError
from idp.identity.free_text import holds_what_no_log_may
from idp.parts import Parts
from idp.settings import read_settings

COMMANDS = {
    "accounts": "one account for the help desk: show, unlock, send-mail, send-letter",
    "audit": "refused requests of services: why; the audit log: verify, export, head",
    "backup": "copies for the day when a machine is lost: data, secrets",
    "clients": "relying services: add, list, show, update, remove, new-secret",
    "doctor": "check settings, stores, clock, keys and permissions, one line each",
    "dossiers": "the directory: import, show",
    "franceconnect": "what to declare at FranceConnect: addresses, our public key",
    "keys": "signing keys: rotate, list, drill, add, revoke, rewrap, prune",
    "letters": "letters: print, list, reissue, purge, release, campaign",
    "migrate": "bring the SQL schema up to date",
    "outbox": "what was promised by mail and letter: list, retry",
    "restore": "bring a service back from its copies: data, secrets",
    "secrets": "generate the secrets that are missing",
    "settings": "show what is in force and what each setting means",
    "worker": "run the worker: mails that wait, retention",
}


class _Commands(click.Group):
    """Commands are loaded when named: ``idp keys list`` opens no database driver."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"idp.cli.{cmd_name}")
        command = getattr(module, cmd_name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except IdpError as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--operator", default="", help="Your name in the audit log (default: login name).")
@click.pass_context
def main(ctx: click.Context, operator: str) -> None:
    """Operate the fund's identity provider. Settings: IDP_… or the file in IDP_ENV_FILE."""
    # The image of a process that crashed would hold the secrets of that moment in clear.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    named = operator or os.environ.get("IDP_OPERATOR", "")
    if not named.isprintable() or holds_what_no_log_may(named):
        raise click.ClickException(
            "--operator, IDP_OPERATOR: the audit log keeps a name, not an address, a number of"
            " 7 digits or a password"
        )
    ctx.obj = named or _login_name()


def _login_name() -> str:
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def parts() -> Parts:
    """Build the parts a command needs from the settings in force.

    Raises:
        InvalidSettings: shown by ``main`` as one sentence a setting.
    """
    return Parts(read_settings())


def migrated_parts() -> Parts:
    """Build the parts of a command that reads or writes SQL.

    Raises:
        ClickException: the schema is behind.
        IdpError: as ``parts``; or SQL is away, or its schema of a newer version.
    """
    from idp.infra import migrations

    built = parts()
    if migrations.pending(built.settings.sql_url):
        raise click.ClickException("the SQL schema is behind this version: run idp migrate")
    return built
