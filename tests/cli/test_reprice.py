"""`llmtrace reprice`: what the prices in force now change about stored calls, shown or written beside what stood."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from answering import Served
from commands import llmtrace_here as llmtrace
from foreign_spans import otel_new
from samples import make_call

from llmtrace import codec, connect
from llmtrace.demo.seed import write_spans
from llmtrace.model import Call, Request, Response, Usage

# make_call: gpt-4o, 1,000 × $2.50 and 100 × $10 per million, on 2026-11-10.
RAW = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
OCTOBER_NS = -40 * 86_400 * 10**9
RATE = """
rates:
  - {provider: openai, model: gpt-4o, others: book, valid_from: 2026-11-01, usd_per_mtok: {output: 5}}
  - {provider: openai, model: house-7b, others: unpriced, valid_from: 2026-11-01,
     usd_per_mtok: {input_uncached: 1, output: 2}}
"""
CHANGES = [
    {
        "model": "gpt-4o-2024-08-06",
        "component": "output",
        "calls": 2,
        "before_usd": "0.002000000000",
        "after_usd": "0.001000000000",
        "difference_usd": "-0.001000000000",
    },
    {
        "model": "house-7b",
        "component": "input_uncached",
        "calls": 1,
        "before_usd": None,
        "after_usd": "0.001000000000",
        "difference_usd": None,
    },
    {
        "model": "house-7b",
        "component": "output",
        "calls": 1,
        "before_usd": None,
        "after_usd": "0.000200000000",
        "difference_usd": None,
    },
]


def calls() -> list[Call]:
    made_in_the_background = {
        "request": Request("openai", "chat", "responses", model="gpt-4o"),
        "response": Response(id="resp_1", model="gpt-4o-2024-08-06"),
        "usage": Usage(),
        "usage_source": "missing",
    }
    fetch = {
        "request": Request("openai", "fetch_response", "responses.retrieve"),
        "response": Response(id="resp_1", model="gpt-4o-2024-08-06", finish_reasons=("stop",), usage=RAW),
    }
    unknown = Request("openai", "chat", "chat.completions", model="house-7b")
    early = make_call(6)
    return [
        make_call(1),
        make_call(2, request=unknown, response=Response(model="house-7b", usage=early.response.usage)),
        make_call(3, **made_in_the_background),
        make_call(4, **fetch),
        make_call(5, status="error", http_status=429, response=Response(), usage=Usage(), usage_source="missing"),
        make_call(6, started_at_ns=early.started_at_ns + OCTOBER_NS),
    ]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Six calls, one of them told of twice, one settled by a later fetch; priced by the bundled book."""
    spans = [codec.to_span(call, {"service.name": "shop"}) for call in calls()]
    write_spans(tmp_path, [*spans, otel_new(1)])
    connect(tmp_path).health()
    (tmp_path / "prices.yaml").write_text(RATE)
    return tmp_path


def reprice(home: Path, *arguments: str, since: str = "2026-11-01") -> dict[str, Any]:
    done = llmtrace("reprice", "--since", since, "--json", *arguments, home=home)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def costs(home: Path) -> dict[int, Decimal | None]:
    """The cost of each call by its number."""
    return {int(r[0], 16): r[1] for r in connect(home).sql_rows("SELECT span_id, cost_usd FROM calls").rows}


def everything(home: Path) -> list[tuple[Any, ...]]:
    sql = "SELECT span_id, revision, cost_usd, duplicate_of, price_book, priced_at FROM calls_all ORDER BY ALL"
    return connect(home).sql_rows(sql).rows


BEFORE = {
    1: Decimal("0.0035"),
    2: None,
    3: Decimal("0.0035"),
    5: Decimal(0),
    6: Decimal("0.0035"),
}
AFTER = {**BEFORE, 1: Decimal("0.003"), 2: Decimal("0.0012"), 3: Decimal("0.003")}


def test_a_dry_run_shows_what_would_change_and_changes_nothing(home: Path) -> None:
    before = everything(home)
    answer = reprice(home, "--dry-run")
    assert (answer["dry_run"], answer["calls"], answer["changed"], answer["unreadable"]) == (True, 4, 3, 0)
    assert (answer["before_usd"], answer["after_usd"]) == ("0.007000000000", "0.007200000000")
    assert (answer["unpriced_before"], answer["unpriced_after"]) == (1, 0)
    assert answer["rows"] == CHANGES
    assert answer["statuses"] == [
        {"before": "exact", "after": "exact", "calls": 2},
        {"before": "unpriced", "after": "exact", "calls": 1},
    ]
    text = llmtrace("reprice", "--since", "2026-11-01", "--dry-run", home=home).stdout
    assert "3 of 4 calls would change" in text
    assert "1 calls: unpriced → exact" in text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "gpt-4o-2024-08-06 output 2 $0.002000000000 $0.001000000000 -$0.001000000000" in lines
    assert "house-7b output 1 – $0.000200000000 –" in lines
    assert everything(home) == before
    assert costs(home) == BEFORE


def test_a_run_writes_new_revisions_beside_the_old_and_a_second_one_none(home: Path) -> None:
    account = connect(home).health()
    answer = reprice(home)
    assert (answer["dry_run"], answer["changed"], answer["rows"]) == (False, 3, CHANGES)
    assert costs(home) == AFTER
    revisions = connect(home).sql_rows("SELECT span_id, revision, cost_usd, price_book FROM calls_all").rows
    of_one = {revision: (cost, book) for span_id, revision, cost, book in revisions if span_id == f"{1:016x}"}
    assert {n: cost for n, (cost, _) in of_one.items()} == {1: BEFORE[1], 2: AFTER[1]}
    assert of_one[2][1] == answer["price_book"] != of_one[1][1]
    assert sum(span_id == f"{6:016x}" for span_id, *_ in revisions) == 1  # of October: not asked for

    after = connect(home).health()
    assert [after[k] for k in ("ended", "stored", "pending", "dropped")] == [
        account[k] for k in ("ended", "stored", "pending", "dropped")
    ]
    assert after["ended"] == after["stored"] == 7

    rows = everything(home)
    again = reprice(home)
    assert (again["changed"], again["rows"], again["before_usd"]) == (0, [], None)
    assert everything(home) == rows


def test_duplicates_and_settled_responses_keep_their_state(home: Path) -> None:
    sql = "SELECT span_id, duplicate_of, usage_source, input_tokens, cost_status FROM call_rows ORDER BY span_id"
    before = connect(home).sql_rows(sql.replace("call_rows", "calls_all")).rows
    assert sum(row[1] is not None for row in before) == 2  # the second telling, and the fetch
    reprice(home)
    latest = "(SELECT * FROM calls_all QUALIFY row_number() OVER (PARTITION BY span_id ORDER BY revision DESC) = 1)"
    after = connect(home).sql_rows(sql.replace("call_rows", latest)).rows
    unpriced = f"{2:016x}"
    assert [r for r in after if r[0] != unpriced] == [r for r in before if r[0] != unpriced]
    assert next(r[-1] for r in after if r[0] == unpriced) == "exact"


def test_an_explanation_shows_the_new_revision_and_whose_price_it_is(home: Path) -> None:
    reprice(home)
    answer = json.loads(llmtrace("explain", f"{1:016x}", "--json", home=home).stdout)
    assert (answer["revision"], answer["total_usd"]) == (2, "0.003000000000")
    assert {i["component"]: i["layer"] for i in answer["items"]} == {"input_uncached": "book", "output": "override"}


def test_only_the_calls_that_the_filters_name_are_priced_anew(home: Path) -> None:
    assert reprice(home, "--model", "house-7b")["changed"] == 1
    assert costs(home) == {**BEFORE, 2: AFTER[2]}


def test_a_sidecar_that_owns_the_database_prices_anew_by_the_file_as_it_is_now(home: Path) -> None:
    served = Served(home)
    try:
        served.publish()
        (home / "prices.yaml").write_text(RATE.replace("output: 5", "output: 4"))
        dry = reprice(home, "--dry-run")
        assert (dry["changed"], dry["rows"][0]["after_usd"]) == (3, "0.000800000000")
        assert reprice(home)["changed"] == 3
        assert reprice(home)["changed"] == 0
        assert costs(home)[1] == Decimal("0.0029")
    finally:
        served.stop()


@pytest.mark.expects_warning
def test_a_file_with_a_mistake_is_told_and_what_was_in_force_stays(home: Path) -> None:
    assert reprice(home)["price_problem"] is None
    (home / "prices.yaml").write_text("rates: 3\n")
    done = llmtrace("reprice", "--since", "2026-11-01", home=home)
    assert (done.returncode, "0 of 4 calls changed" in done.stdout) == (0, True)
    assert "prices.yaml, line 1" in done.stdout
    assert costs(home) == AFTER
    problems = json.loads(llmtrace("doctor", "--json", home=home).stdout)["problems"]
    assert ["prices.yaml, line 1" in p for p in problems] == [True]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "name the calls: --since"),
        (["--since", "soon"], 2, "write 7d"),
        (["--since", "7d", "--url", "http://127.0.0.1:9"], 3, "does not answer"),
    ],
    ids=["no time", "no such time", "no sidecar"],
)
def test_what_cannot_be_done_says_why(arguments: list[str], status: int, message: str, tmp_path: Path) -> None:
    done = llmtrace("reprice", *arguments, home=tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr
