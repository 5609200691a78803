"""`llmtrace import`: spans from files into the journal, and from there into the database."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from llmtrace import config, receiving, wire
from llmtrace.cli import options
from llmtrace.client import Client
from llmtrace.errors import ConfigError, StoreError
from llmtrace.journal import CounterFile, JournalWriter, journal_folder, new_process_name
from llmtrace.journal.writer import make_private
from llmtrace.otlp_files import STDIN, Found, read_file
from llmtrace.rendering import to_json

EXIT_BAD_INPUT = 1
SHOWN_PROBLEMS = 20
STALLED_AFTER_S = 60.0
POLL_S = 0.2
REJECTED = "rejected"


@click.command("import")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@options.place
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(paths: tuple[str, ...], home: Path | None, db: Path | None, as_json: bool) -> int:
    """Store the spans in OTLP files: JSON, JSON lines, protobuf, each also as .gz; '-' is the standard input.

    A span that is stored already is left as it is, so that a file may be imported again.
    """
    missing = [path for path in paths if path != STDIN and not Path(path).is_file()]
    if missing:
        raise click.UsageError(f"there is no file '{missing[0]}'")
    where = home or config.default_home()
    result = _Import(journal_folder(where))
    try:
        for path in paths:
            result.read(path)
    except OSError as err:
        raise ConfigError(f"{err.filename or path} cannot be used: {err.strerror or err}") from err
    finally:
        result.close()
    stored, duplicate = _wait_until_stored(Client(where, db, None, config.token(), "import"), result)
    if as_json:
        click.echo(to_json(result.figures(stored, duplicate), indent=2))
    else:
        _print(result, stored, duplicate)
    return EXIT_BAD_INPUT if result.problems or result.rejected else 0


@dataclass(frozen=True, slots=True)
class _Problem:
    """Where something could not be read, and why."""

    path: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        at = f":{self.line}" if self.line is not None else ""
        return f"{self.path}{at}: {self.reason}"


@dataclass
class _Import:
    """Writes what is read to the journal in `folder`, as a process of its own."""

    folder: Path
    process: str = field(default_factory=lambda: new_process_name("-imported"))
    spans: int = 0
    rejected: int = 0
    problems: list[_Problem] = field(default_factory=list)
    faults: list[_Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._writer = JournalWriter(self.folder, self.process, syncs=True)

    def read(self, path: str) -> None:
        """Take what is in the file at PATH. Raises OSError."""
        for found in read_file(path):
            self._take(path, found)

    def _take(self, path: str, found: Found) -> None:
        if found.request is None:
            self.problems.append(_Problem(path, found.line, found.reason or "no trace request"))
            return
        kept, faults = wire.keep_usable(found.request)
        faults = found.faults + faults
        self.rejected += len(faults)
        self.faults += [_Problem(path, found.line, f"a span was left out: {reason}") for reason in faults]
        if kept:
            receiving.make_fit(found.request, found.request.SerializeToString(), self.folder.parent)
            self._writer.append(found.request.SerializeToString(), kept)
            self.spans += kept

    def close(self) -> None:
        """Have all of it on disk, and its figures beside it."""
        if self.spans:
            self._writer.sync()
            self._writer.close()
        if self.spans or self.rejected:
            make_private(self.folder)
            counter = CounterFile(self.folder, self.process, None)
            counter.write(self.spans + self.rejected, {REJECTED: self.rejected} if self.rejected else {})
            counter.close()

    def figures(self, stored: int, duplicate: int) -> dict[str, Any]:
        """What `--json` prints."""
        shown: Iterable[_Problem] = [*self.problems, *self.faults]
        return {
            "spans": self.spans + self.rejected,
            "stored": stored,
            "already_stored": duplicate,
            "rejected": self.rejected,
            "unreadable": len(self.problems),
            "problems": [{"path": p.path, "line": p.line, "reason": p.reason} for p in shown],
        }


def _wait_until_stored(client: Client, result: _Import) -> tuple[int, int]:
    """How many of the spans are new in the database, and how many were there, once its owner has read them.

    Raises:
        StoreError: the owner does not read on.
    """
    if not result.spans:
        return 0, 0
    seen, moved_at = -1, time.monotonic()
    while True:
        stored, duplicate, other = _account(client, result.process)
        if stored + duplicate + other >= result.spans:
            return stored, duplicate
        if stored + duplicate > seen:
            seen, moved_at = stored + duplicate, time.monotonic()
        elif time.monotonic() - moved_at > STALLED_AFTER_S:
            raise StoreError("the spans are in the journal, but the database's owner does not read them; see 'doctor'")
        time.sleep(POLL_S)


def _account(client: Client, process: str) -> tuple[int, int, int]:
    """How many spans of PROCESS were stored, had been stored before, or were lost otherwise."""
    for row in client.sql_rows("SELECT process, stored, dropped FROM journal_processes ORDER BY process DESC").dicts():
        if row["process"] == process:
            dropped: dict[str, int] = json.loads(row["dropped"])
            duplicate = dropped.pop("duplicate", 0)
            return int(row["stored"]), duplicate, sum(dropped.values())
    return 0, 0, 0


def _print(result: _Import, stored: int, duplicate: int) -> None:
    click.echo(
        f"{result.spans + result.rejected:,} spans: {stored:,} stored, {duplicate:,} stored already, "
        f"{result.rejected:,} rejected"
    )
    problems = [*result.problems, *result.faults]
    for problem in problems[:SHOWN_PROBLEMS]:
        click.echo(f"llmtrace: {problem}", err=True)
    if len(problems) > SHOWN_PROBLEMS:
        click.echo(f"llmtrace: and {len(problems) - SHOWN_PROBLEMS} more; --json names them all", err=True)
