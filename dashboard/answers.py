"""What the pages ask: questions to the source, cached for as long as nothing in the store changes."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from llmtrace.errors import LlmtraceError

from . import source

CACHE_TTL_S = 15 * 60
CACHE_ENTRIES = 512
HEALTH_TTL_S = 10
MOST_STAMPS = 100
Rows = list[dict[str, Any]]
FAILURES = (LlmtraceError, OSError)


@dataclass(frozen=True, slots=True)
class Stamp:
    """The state of the store when it was looked at: answers with equal stamps are equal.

    `at` is when that was (UTC); `key` names the state, and the minute, on which periods begin.
    """

    key: str
    at: datetime
    calls: int
    first_call_at: datetime | None
    last_call_at: datetime | None


@st.cache_resource
def _last() -> dict[str, Stamp]:
    """The last stamp that this process saw, for the page that says that there are no new ones."""
    return {}


def look() -> Stamp:
    """The state of the store now.

    Raises:
        LlmtraceError: the store does not answer.
    """
    current = source.current()
    found = current.rows("freshness", {}).dicts()[0]
    at = datetime.now(UTC).replace(tzinfo=None)
    parts = (id(current), found["calls"], found["cost_usd"], found["last_call_at"], f"{at:%H:%M}")
    stamp = Stamp("|".join(map(str, parts)), at, found["calls"], found["first_call_at"], found["last_call_at"])
    _last()["stamp"] = stamp
    return stamp


def spent_s(stamp: Stamp) -> float:
    """How long the source took for the answers that STAMP has had so far, in seconds."""
    return _spent().get(stamp.key, 0.0)


@st.cache_resource
def _spent() -> dict[str, float]:
    return {}


def last_stamp() -> Stamp | None:
    """The last state that was seen."""
    return _last().get("stamp")


def ask(stamp: Stamp, question: str, options: Mapping[str, Any]) -> Rows:
    """The answer to QUESTION with OPTIONS in the state of STAMP.

    Raises:
        LlmtraceError: the store does not answer, or the question is wrong.
    """
    wanted = json.dumps([stamp.key, question, sorted(options.items())], default=str)
    began = time.monotonic()
    rows = _cached(wanted, question, dict(options))
    spent = _spent()
    if stamp.key not in spent and len(spent) > MOST_STAMPS:
        spent.clear()
    spent[stamp.key] = spent.get(stamp.key, 0.0) + time.monotonic() - began
    return rows


def health(stamp: Stamp) -> dict[str, Any]:
    """What became of every span, and the state of journal, store and price book, at about the time of STAMP.

    Raises:
        LlmtraceError: the store does not answer.
    """
    return _health(stamp.key)


@st.cache_data(ttl=HEALTH_TTL_S, max_entries=4, show_spinner=False)
def _health(wanted: str) -> dict[str, Any]:
    return source.current().health()


@st.cache_data(ttl=CACHE_TTL_S, max_entries=CACHE_ENTRIES, show_spinner=False)
def _cached(wanted: str, _question: str, _options: dict[str, Any]) -> Rows:
    return source.current().rows(_question, _options).dicts()
