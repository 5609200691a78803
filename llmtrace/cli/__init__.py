"""The command `llmtrace`: one file per command, loaded when it is used."""

import contextlib
import importlib
import io
import keyword
import os
import sys
from typing import Any

import click

from llmtrace.errors import (
    BillUnavailable,
    CommandError,
    LlmtraceError,
    MissingExtra,
    PortTaken,
    SidecarMismatch,
    SidecarUnreachable,
    StoreError,
    TokenRefused,
)
from llmtrace.release import VERSION

EXIT_USAGE, EXIT_CANNOT_RUN = 2, 3
CANNOT_RUN = (
    BillUnavailable,
    CommandError,
    MissingExtra,
    PortTaken,
    SidecarMismatch,
    SidecarUnreachable,
    StoreError,
    TokenRefused,
)

# Name, the extra that it needs, and what the help says, in the order of the help.
COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("demo", "demo", "Fill a database with a month of traffic and live calls, and show it."),
    ("run", "", "Run a command with every call of it recorded, without a line of code."),
    ("report", "server", "Show what each feature costs, how fast it is and how often it fails."),
    ("dashboard", "dashboard", "Show the same in a browser, live."),
    ("serve", "server", "Own the database, receive OTLP, and answer questions over HTTP."),
    ("explain", "server", "Show how the cost of one call adds up, price by price."),
    ("export", "server", "Write calls to a file: Parquet, CSV, JSON lines or OTLP."),
    ("reconcile", "server", "Compare tracked cost with the provider's own figures, and name what differs."),
    ("prices", "server", "Show the prices that calls are priced by, and how fresh they are."),
    ("reprice", "server", "Price stored calls anew, and show what changes."),
    ("query", "server", "Run SQL over calls, spans and cost items."),
    ("import", "server", "Store the spans in OTLP files: JSON, JSON lines or protobuf."),
    ("doctor", "server", "Check that every span that ended is stored, pending or counted as dropped."),
)


class _ReaderLeft(Exception):
    """Whoever read our output has had enough, as `head` does. click would exit with 1, which says more than that."""


class Commands(click.Group):
    """The commands of `COMMANDS`, each imported when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return [name for name, _, _ in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command called CMD_NAME."""
        for name, extra, _ in COMMANDS:
            if name == cmd_name:
                try:
                    module = name + "_" if keyword.iskeyword(name) else name
                    loaded = importlib.import_module(f"llmtrace.cli.{module}")
                except ModuleNotFoundError as err:
                    if (err.name or "").startswith("llmtrace"):
                        raise
                    raise MissingExtra(extra, f"'llmtrace {name}'") from err
                command: click.Command = loaded.command
                return command
        return None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader of its output that left is told from a command that failed."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as err:
            raise _ReaderLeft from err

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, says) for name, _, says in COMMANDS])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that ARGS start with; a near miss is told."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as err:
            import difflib

            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            if not near:
                raise
            raise click.UsageError(f"{err.message} Did you mean '{near[0]}'?", ctx) from None


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="See what every LLM feature costs, how fast it is and how often it fails.",
)
@click.version_option(VERSION, prog_name="llmtrace")
def cli() -> None:
    """The group of all commands."""


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line, and exit: 0 fine, 1 a check said no, 2 usage, 3 cannot run."""
    umask = os.umask(0o077)  # what llmtrace writes is for this user alone
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a sign shows another
    try:
        status = cli.main(args=arguments, prog_name="llmtrace", standalone_mode=False, obj=umask)
        sys.stdout.flush()
    except click.Abort:
        sys.exit(130)
    except click.ClickException as err:
        err.show()
        sys.exit(err.exit_code)
    except LlmtraceError as err:
        click.echo(f"llmtrace: {err}", err=True)
        sys.exit(EXIT_CANNOT_RUN if isinstance(err, CANNOT_RUN) else EXIT_USAGE)
    except (_ReaderLeft, BrokenPipeError):
        _forget_output()
        sys.exit(0)
    except OSError as err:
        _forget_output()
        click.echo(f"llmtrace: {err.strerror or err}{f': {err.filename}' if err.filename else ''}", err=True)
        sys.exit(EXIT_CANNOT_RUN)
    sys.exit(status if isinstance(status, int) else 0)


def _forget_output() -> None:
    """Let what is still to be written go nowhere: the interpreter would try again as it ends, and complain."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
