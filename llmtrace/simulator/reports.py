"""What a report of an admin API is asked for: a period cut into buckets, groups, filters and a page."""

from abc import abstractmethod
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from llmtrace.simulator.ledger import Ledger, Use
from llmtrace.simulator.protocol import JSON, Asked, Protocol

WIDTHS: Mapping[str, timedelta] = {"1m": timedelta(minutes=1), "1h": timedelta(hours=1), "1d": timedelta(days=1)}
# The usual and the greatest number of buckets on a page, by their width.
PAGES: Mapping[str, tuple[int, int]] = {"1m": (60, 1_440), "1h": (24, 168), "1d": (7, 31)}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Field = Callable[[Use], Any]


class Refused(ValueError):
    """A parameter that the report does not take; `name` is the parameter."""

    def __init__(self, name: str, message: str) -> None:
        """Say MESSAGE about the parameter NAME."""
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, slots=True)
class Shape:
    """What a report takes: the names of its period, its widths, its groups and its filters.

    `parse` reads a moment, `pages` the usual and the greatest number of buckets by width.
    """

    start: str
    end: str
    parse: Callable[[str], datetime]
    groups: Mapping[str, Field]
    filters: Mapping[str, Field]
    pages: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Question:
    """One page of a report that was asked for."""

    first: datetime
    end: datetime
    width: timedelta
    limit: int
    groups: Mapping[str, Field]
    filters: tuple[tuple[Field, frozenset[str]], ...]

    def buckets(self, uses: Iterable[Use]) -> tuple[list[tuple[datetime, datetime, list[Use]]], str | None]:
        """Start, end and uses of each bucket, and the token of the next page, if there is one."""
        known = [use for use in uses if all(str(read(use)) in wanted for read, wanted in self.filters)]
        found: list[tuple[datetime, datetime, list[Use]]] = []
        at = self.first
        while at < self.end and len(found) < self.limit:
            found.append((at, at + self.width, [use for use in known if at <= use.at < at + self.width]))
            at += self.width
        return found, _write_page(at) if at < self.end else None

    def grouped(self, uses: Iterable[Use]) -> list[tuple[dict[str, Any], list[Use]]]:
        """USES by what they are grouped by; without groups, all of them at once."""
        found: dict[tuple[Any, ...], list[Use]] = {}
        for use in uses:
            found.setdefault(tuple(read(use) for read in self.groups.values()), []).append(use)
        return [(dict(zip(self.groups, values, strict=True)), group) for values, group in found.items()]


class Report(Protocol):
    """A report of an organization: what is in a ledger, by buckets of time."""

    speaks = False
    streams = False
    shape: ClassVar[Shape]

    def __init__(self, ledger: Ledger) -> None:
        """Report what is in LEDGER."""
        self._ledger = ledger

    def serves(self, method: str, path: str) -> bool:
        """Whether a request of METHOD to PATH is for this report."""
        return method == "GET" and path.endswith(self.suffixes)

    @abstractmethod
    def results(self, question: Question, uses: list[Use]) -> list[JSON]:
        """The results of a bucket with USES."""


def read_question(shape: Shape, asked: Asked) -> Question:
    """What ASKED wants to know of a report with SHAPE.

    Raises:
        Refused: a parameter is missing or makes no sense.
    """
    width = asked.query.get("bucket_width", "1d")
    if width not in shape.pages:
        raise Refused("bucket_width", f"bucket_width must be one of {', '.join(shape.pages)}")
    usual, most = shape.pages[width]
    limit = asked.query.get("limit", str(usual))
    if not limit.isdigit() or not 1 <= int(limit) <= most:
        raise Refused("limit", f"limit must be from 1 to {most} for buckets of {width}")
    if shape.start not in asked.query:
        raise Refused(shape.start, f"{shape.start} is required")
    first = _moment(shape, shape.start, asked.query[shape.start])
    end = _moment(shape, shape.end, asked.query[shape.end]) if shape.end in asked.query else datetime.now(UTC)
    if "page" in asked.query:
        first = _read_page(asked.query["page"])
    groups = asked.values("group_by")
    if unknown := [name for name in groups if name not in shape.groups]:
        raise Refused("group_by", f"group_by {unknown[0]} is not one of {', '.join(shape.groups)}")
    filters = [(read, frozenset(asked.values(name))) for name, read in shape.filters.items()]
    return Question(
        EPOCH + (first - EPOCH) // WIDTHS[width] * WIDTHS[width],
        end,
        WIDTHS[width],
        int(limit),
        {name: shape.groups[name] for name in groups},
        tuple((read, wanted) for read, wanted in filters if wanted),
    )


def _moment(shape: Shape, name: str, text: str) -> datetime:
    try:
        return shape.parse(text)
    except (ValueError, OverflowError):
        raise Refused(name, f"{name} {text!r} is no time") from None


def _write_page(at: datetime) -> str:
    return "page_" + urlsafe_b64encode(at.isoformat().encode()).decode()


def _read_page(token: str) -> datetime:
    try:
        return datetime.fromisoformat(urlsafe_b64decode(token.removeprefix("page_")).decode())
    except ValueError:
        raise Refused("page", "page is none that was given out") from None
