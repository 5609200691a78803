"""Asks a provider for its usage and its costs of whole UTC days."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from llmtrace.reconcile import anthropic_bill, openai_bill
from llmtrace.reconcile.admin_api import AdminApi, Parameters
from llmtrace.reconcile.figures import Bill, Billed, utc_day

BUCKETS = "31"
Read = Callable[[date, Iterable[Mapping[str, Any]]], Iterator[Billed]]


@dataclass(frozen=True, slots=True)
class Source:
    """How one provider is asked: its address, its reports with what each is grouped by, and how its key is shown.

    A report that is not grouped by key cannot be read for some keys alone.
    """

    base_url: str
    key_name: str
    reports: tuple[tuple[str, tuple[str, ...]], ...]
    headers: Callable[[str], Mapping[str, str]]
    period: Callable[[date, date], Parameters]
    bucket_start: str
    scope_filter: str
    read: Read
    key_filter: str = "api_key_ids[]"
    key_group: str = "api_key_id"


def _openai_period(first: date, end: date) -> Parameters:
    return [("start_time", str(_seconds(first))), ("end_time", str(_seconds(end)))]


def _anthropic_period(first: date, end: date) -> Parameters:
    return [("starting_at", f"{first}T00:00:00Z"), ("ending_at", f"{end}T00:00:00Z")]


SOURCES: Mapping[str, Source] = {
    "openai": Source(
        "https://api.openai.com/v1",
        "OPENAI_ADMIN_KEY",
        (
            (openai_bill.USAGE_PATH, openai_bill.USAGE_GROUPS),
            (openai_bill.EMBEDDINGS_PATH, openai_bill.EMBEDDINGS_GROUPS),
            (openai_bill.COSTS_PATH, openai_bill.COSTS_GROUPS),
        ),
        lambda key: {"Authorization": f"Bearer {key}"},
        _openai_period,
        "start_time",
        "project_ids[]",
        openai_bill.read_results,
    ),
    "anthropic": Source(
        "https://api.anthropic.com",
        "ANTHROPIC_ADMIN_KEY",
        (
            (anthropic_bill.USAGE_PATH, anthropic_bill.USAGE_GROUPS),
            (anthropic_bill.COSTS_PATH, anthropic_bill.COSTS_GROUPS),
        ),
        lambda key: {"x-api-key": key, "anthropic-version": "2023-06-01"},
        _anthropic_period,
        "starting_at",
        "workspace_ids[]",
        anthropic_bill.read_results,
    ),
}


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a bill is compared: days from `first` to before `end`, and projects, workspaces or keys by id."""

    first: date
    end: date
    scopes: Sequence[str] = ()
    keys: Sequence[str] = ()

    def has(self, figure: Billed) -> bool:
        """Whether FIGURE is in it."""
        is_scope = not self.scopes or figure.scope in self.scopes
        return self.first <= figure.day < self.end and is_scope and (not self.keys or figure.key in self.keys)


def fetch_bill(provider: str, key: str, base_url: str | None, part: Part) -> Bill:
    """The figures of PART of PROVIDER's bill, read with the admin key KEY.

    Raises:
        BillUnavailable: the provider refuses, or cannot be reached.
        ConfigError: the address or an answer cannot be used.
    """
    source = SOURCES[provider]
    api = AdminApi(base_url or source.base_url, source.headers(key), source.key_name)
    found: list[Billed] = []
    for path, groups in source.reports:
        if part.keys and source.key_group not in groups:
            continue
        asked = [
            *source.period(part.first, part.end),
            ("bucket_width", "1d"),
            ("limit", BUCKETS),
            *(("group_by[]", group) for group in groups),
            *((source.scope_filter, scope) for scope in part.scopes),
            *((source.key_filter, id_) for id_ in part.keys),
        ]
        found += [f for bucket in api.buckets(path, asked) for f in read_bucket(source, bucket)]
    # Not every report takes every filter: what one left in is left out here.
    return Bill.of(f for f in found if part.has(f))


def read_bucket(source: Source, bucket: Mapping[str, Any]) -> Iterator[Billed]:
    """The figures in BUCKET of one of SOURCE's reports."""
    day = utc_day(bucket.get(source.bucket_start), source.bucket_start)
    return source.read(day, bucket.get("results") or ())


def _seconds(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())
