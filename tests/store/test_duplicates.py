"""Which rows tell of one call depends on the rows alone: not on their order, and not on how often it is asked."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtrace import semconv
from llmtrace.store.duplicates import Sighting, find_duplicates

NOON = datetime(2026, 11, 10, 12)
OWN = semconv.SCOPE_NAME


def sighting(number: int, scope: str = OWN, **changes: Any) -> Sighting:
    plain = Sighting(
        trace_id="t" * 32,
        span_id=f"{number:016x}",
        parent_span_id=None,
        started_at=NOON + timedelta(seconds=number),
        provider="openai",
        operation="chat",
        response_id=None,
        request_id=None,
        duration_s=0.5,
        status="ok",
        http_status=None,
        request_model="gpt-4o",
        response_model=None,
        input_tokens=1000 + number,
        output_tokens=100,
        cost_status="exact",
        duplicate_of=None,
        scope=scope,
        riches=5,
    )
    return replace(plain, **changes)


maybe_id = st.sampled_from([None, "a", "b"])
sightings = st.lists(
    st.builds(
        lambda number, scope, parent, response, request, provider, status, riches, took, tokens, outcome: sighting(
            number,
            scope,
            parent_span_id=None if parent is None else f"{parent:016x}",
            response_id=response,
            request_id=request,
            provider=provider,
            cost_status=status,
            riches=riches,
            duration_s=took,
            input_tokens=tokens,
            status=outcome,
        ),
        st.integers(0, 12),
        st.sampled_from([OWN, "sdk", "framework", ""]),
        st.none() | st.integers(0, 12),
        maybe_id,
        maybe_id,
        st.sampled_from(["openai", "anthropic"]),
        st.sampled_from(["exact", "estimated"]),
        st.integers(0, 3),
        st.sampled_from([0.5, 3.0, 20.0]),
        st.sampled_from([None, 7, 8]),
        st.sampled_from(["ok", "ok", "error"]),
    ),
    max_size=13,
    unique_by=lambda s: s.key,
)


@given(sightings, st.randoms())
def test_the_order_of_rows_does_not_matter(rows: list[Sighting], random: Any) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert find_duplicates(rows) == find_duplicates(shuffled)


@given(sightings)
def test_every_duplicate_has_one_row_that_is_billed(rows: list[Sighting]) -> None:
    marks = find_duplicates(rows)
    by_span = {s.span_id: s for s in rows}
    assert marks.keys() == {s.key for s in rows}
    for row in rows:
        first = marks[row.key]
        if first is not None:
            assert marks[by_span[first].key] is None
            assert by_span[first].provider == row.provider
            assert by_span[first].scope != row.scope


@given(sightings)
def test_no_two_rows_of_a_scope_are_one_call_and_ours_is_never_passed_over(rows: list[Sighting]) -> None:
    marks = find_duplicates(rows)
    members = Counter((marks[s.key] or s.span_id, s.scope) for s in rows)
    assert all(n == 1 for n in members.values())
    assert all(marks[s.key] is None for s in rows if s.scope == OWN)


@given(sightings)
def test_rows_that_nothing_ties_stay_apart(rows: list[Sighting]) -> None:
    untied = {"response_id": None, "request_id": None, "parent_span_id": None, "status": "ok"}
    loose = [replace(s, input_tokens=i, **untied) for i, s in enumerate(rows)]  # type: ignore[arg-type]
    assert set(find_duplicates(loose).values()) <= {None}


def test_a_repeated_id_is_paired_with_what_is_next_in_time() -> None:
    rows = [
        sighting(1, response_id="a"),
        sighting(5, response_id="a"),
        sighting(6, "sdk", response_id="a"),
        sighting(2, "sdk", response_id="a"),
    ]
    marks = find_duplicates(rows)
    assert (marks[rows[3].key], marks[rows[2].key]) == (rows[0].span_id, rows[1].span_id)


def test_an_id_repeated_a_thousand_times_is_paired_in_time() -> None:
    ours = [sighting(10 * n, response_id="a") for n in range(1000)]
    theirs = [sighting(10 * n + 1, "sdk", response_id="a") for n in range(1000)]
    marks = find_duplicates(ours + theirs)
    assert all(marks[t.key] == o.span_id for o, t in zip(ours, theirs, strict=True))


def pair(outer: dict[str, Any], inner: dict[str, Any]) -> tuple[Sighting, Sighting]:
    """A wrapper of four seconds from the first on, and a call within, with the same numbers."""
    span = {"trace_id": "u" * 32, "duration_s": 4.0, "input_tokens": 70, "parent_span_id": "9" * 16}
    call = {"response_id": "a", "input_tokens": 70, "duration_s": 2.0}
    return sighting(1, **{"scope": "framework", **span, **outer}), sighting(2, **{**call, **inner})


SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a root of its own": ({}, {}),
    "of one trace": ({"trace_id": "t" * 32}, {"parent_span_id": "8" * 16}),
    "with the model that answered": ({"request_model": None, "response_model": "gpt-4o"}, {}),
    "both failed": (
        {"status": "error", "input_tokens": None, "http_status": 500},
        {"status": "error", "input_tokens": None, "http_status": 500, "response_id": None},
    ),
}
APART: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "another trace, where it has a parent": ({}, {"parent_span_id": "8" * 16}),
    "other numbers": ({"input_tokens": 71}, {}),
    "no numbers": ({"input_tokens": None}, {"input_tokens": None}),
    "an id of its own": ({"response_id": "b"}, {}),
    "over before": ({"duration_s": 1.5}, {}),
    "another model": ({"request_model": "gpt-4o-mini"}, {}),
    "another provider": ({"provider": "groq"}, {}),
    "another operation": ({"operation": "embeddings"}, {}),
    "of the same scope": ({"scope": OWN}, {}),
    "one of them failed": ({"status": "error"}, {}),
    "they failed in different ways": (
        {"status": "error", "input_tokens": None, "http_status": 500},
        {"status": "error", "input_tokens": None, "http_status": 429, "response_id": None},
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_a_wrapper_is_known_by_its_time_and_its_numbers(name: str) -> None:
    outer, inner = pair(*SAME[name])
    assert find_duplicates([outer, inner]) == {outer.key: inner.span_id, inner.key: None}


@pytest.mark.parametrize("name", APART)
def test_calls_that_only_look_alike_stay_apart(name: str) -> None:
    assert set(find_duplicates(pair(*APART[name])).values()) == {None}


def test_a_report_of_a_stream_that_knows_no_id_is_of_the_call_that_spans_it() -> None:
    ours = sighting(1, response_id="a", duration_s=2.0)
    begun = NOON + timedelta(seconds=1.5)
    # Logfire's report comes a little after the stream's end, in a trace of its own where the app has none.
    told = sighting(2, "logfire", trace_id="u" * 32, started_at=begun, duration_s=1.55, input_tokens=1001)
    assert find_duplicates([ours, told]) == {ours.key: None, told.key: ours.span_id}
    late = replace(told, duration_s=1.7)
    other = replace(told, parent_span_id="f" * 16)
    named = replace(told, response_id="b")
    for row in (late, other, named):
        assert set(find_duplicates([ours, row]).values()) == {None}
