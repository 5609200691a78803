"""Options that several commands share, and what they mean."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from llmtrace import config
from llmtrace.client import Client

_F = TypeVar("_F", bound=Callable[..., Any])

FILTERS = ("since", "until", "feature", "model", "provider", "service", "environment")


def place(function: _F) -> _F:
    """`--home` and `--db`: which database."""
    function = click.option(
        "--db", type=click.Path(path_type=Path), help="The database (default: HOME/llmtrace.duckdb)."
    )(function)
    return click.option(
        "--home",
        type=click.Path(path_type=Path),
        help="The directory of journal and database (default: LLMTRACE_HOME).",
    )(function)


def reading(function: _F) -> _F:
    """`--home`, `--db`, `--url`, `--token` and `--json`: what every command has that reads."""
    function = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)
    return place(sidecar(function))


def sidecar(function: _F) -> _F:
    """`--url` and `--token`: who is asked instead of a database here."""
    function = click.option("--token", help="The token of that sidecar (default: LLMTRACE_TOKEN).")(function)
    return click.option("--url", help="Ask the sidecar at this address instead: http://HOST:PORT.")(function)


def filtering(function: _F) -> _F:
    """`--since` and `--until`, and the names to restrict calls to; a name may be given several times."""
    for name in reversed(FILTERS[2:]):
        function = click.option(f"--{name}", multiple=True, help=f"Only this {name}; '' for calls without one.")(
            function
        )
    function = click.option("--until", help="Only calls before this time.")(function)
    return click.option("--since", help="Only calls from this time on: 7d, 24h, 2026-11-01, or an ISO time.")(function)


def client(home: Path | None, db: Path | None, url: str | None, token: str | None, kind: str) -> Client:
    """The client that `place` and `reading` describe."""
    return Client(home or config.default_home(), db, url, token or config.token(), kind)
