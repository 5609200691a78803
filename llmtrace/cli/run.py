"""`llmtrace run -- CMD…`: the same command, with every Python process below it recorded, without a line of code."""

import os
import signal
from pathlib import Path

import click

from llmtrace.config import environment_of_run
from llmtrace.errors import CommandError

# Python ignores these in itself, and what is ignored stays so across exec.
IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ")


@click.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--service-name", metavar="NAME", help="The service's name; default: OTEL_SERVICE_NAME.")
@click.option("--feature", metavar="NAME", help="The feature of calls that name none themselves.")
@click.option("--home", type=click.Path(file_okay=False, path_type=Path), help="Where journal and database are.")
@click.option("--capture-content", is_flag=True, help="Keep prompts and answers.")
@click.option("--http-spans", is_flag=True, help="Record a span for each HTTP attempt.")
@click.option("--share-spans", is_flag=True, help="Give the calls to the app's own OpenTelemetry provider too.")
@click.argument("arguments", metavar="-- CMD...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def command(
    umask: int | None,
    service_name: str | None,
    feature: str | None,
    home: Path | None,
    capture_content: bool,
    http_spans: bool,
    share_spans: bool,
    arguments: tuple[str, ...],
) -> None:
    """Run CMD with llmtrace switched on in it, and in every Python process that it starts.

    CMD takes this process's place: input, output, signals and exit code are its own.
    """
    environment = environment_of_run({
        "OTEL_SERVICE_NAME": service_name,
        "LLMTRACE_FEATURE": feature,
        "LLMTRACE_HOME": str(home.expanduser().absolute()) if home is not None else None,
        "LLMTRACE_CAPTURE_CONTENT": "true" if capture_content else None,
        "LLMTRACE_HTTP_SPANS": "true" if http_spans else None,
        "LLMTRACE_SHARE_SPANS": "true" if share_spans else None,
    })  # fmt: skip
    if umask is not None:
        os.umask(umask)
    for name in IGNORED_BY_PYTHON:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execvpe(arguments[0], arguments, environment)
    except (OSError, ValueError) as err:
        raise CommandError(f"cannot run {arguments[0]!r}: {getattr(err, 'strerror', None) or err}") from err
