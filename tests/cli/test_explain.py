"""`llmtrace explain`: bills that add up, with where every price stands."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from answering import Served
from commands import llmtrace_here as llmtrace
from samples import make_call

from llmtrace.demo.seed import write_calls
from llmtrace.model import Request, Response, Usage
from llmtrace.pricing import load_book

ITEM_KEYS = {"component", "quantity", "unit", "rate_usd", "per", "multiplier", "cost_usd", "price_id"}
CLAUDE = {
    "input_tokens": 14,
    "cache_read_input_tokens": 1395,
    "cache_creation_input_tokens": 77,
    "output_tokens": 98,
    "inference_geo": "us",
}
CASES: dict[str, dict[str, Any]] = {
    "a1": {},
    "a2": {"usage_source": "estimated", "response": Response(model="gpt-4o")},
    "b1": {
        "request": Request("anthropic", "chat", "messages", model="claude-opus-4-6"),
        "response": Response(model="claude-opus-4-6", usage=CLAUDE),
    },
    "c1": {
        "request": Request("openai", "chat", "chat.completions", model="nobody-knows-1"),
        "response": Response(usage={"prompt_tokens": 9, "completion_tokens": 1}),
    },
    "c2": {
        "response": Response(
            model="gpt-4o-2024-08-06",
            usage={"prompt_tokens": 1000, "completion_tokens": 1},
            tool_requests={"code_interpreter": 2},
        )
    },
    "d1": {"status": "error", "http_status": 429, "response": Response(), "usage_source": "missing", "usage": Usage()},
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("filled")
    calls = [make_call(i, span_id=name + "0" * 14, **case) for i, (name, case) in enumerate(CASES.items(), 1)]
    write_calls(home, [(call, {"service.name": "shop"}) for call in calls])
    yield home


def explain(home: Path, *arguments: str) -> dict[str, Any]:
    done = llmtrace("explain", "--json", *arguments, home=home)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("span_id", CASES)
def test_items_add_up_to_the_total_to_the_last_digit(span_id: str, filled: Path) -> None:
    answer = explain(filled, span_id)
    assert all(set(item) >= ITEM_KEYS for item in answer["items"])
    for item in answer["items"]:
        if item["cost_usd"] is not None:
            exact = Decimal(item["quantity"]) * Decimal(item["rate_usd"]) / item["per"] * Decimal(item["multiplier"])
            assert exact == Decimal(item["cost_usd"])
    costs = [Decimal(i["cost_usd"]) for i in answer["items"] if i["cost_usd"] is not None]
    if answer["total_usd"] is not None:
        assert sum(costs, Decimal(0)) == Decimal(answer["total_usd"])
    else:
        assert (costs, answer["status"]) == ([], "unpriced")


def test_an_item_tells_its_price_where_it_is_printed_and_what_it_was_counted_from(filled: Path) -> None:
    answer = explain(filled, "a1")
    assert (answer["span_id"], answer["total_usd"], answer["status"]) == ("a1" + "0" * 14, "0.003500000000", "exact")
    first = answer["items"][0]
    price = next(p for p in load_book().prices if p.id == first["price_id"])
    assert (first["rate_usd"], first["per"], first["quantity"], first["unit"]) == ("2.5", 1_000_000, "1000", "token")
    assert (first["source_url"], first["verified_at"]) == (price.source_url, price.verified_at)
    assert (first["layer"], first["confidence"]) == ("book", price.confidence)
    assert first["counted_from"] == "prompt_tokens"
    assert answer["usage"]["prompt_tokens"] == 1000
    assert (answer["call"]["feature"], answer["call"]["service"]) == ("summarize", "shop")


def test_what_has_no_price_is_told_with_the_reason(filled: Path) -> None:
    answer = explain(filled, "c2")
    assert answer["status"] == "partial"
    missing = answer["items"][-1]
    assert (missing["component"], missing["quantity"], missing["cost_usd"]) == ("code_interpreter", "2", None)
    assert "no price for code_interpreter" in missing["note"]
    assert "no price for code_interpreter" in llmtrace("explain", "c2", home=filled).stdout
    assert "no price for model nobody-knows-1" in explain(filled, "c1")["reason"]
    assert "unpriced: no price for model nobody-knows-1" in llmtrace("explain", "c1", home=filled).stdout


def test_a_factor_is_shown_with_its_name(filled: Path) -> None:
    item = explain(filled, "b1")["items"][0]
    assert item["multiplier"] == "1.1"
    assert item["multiplier_reason"] in llmtrace("explain", "b1", home=filled).stdout


def test_the_text_tells_the_bill_as_a_person_reads_it(filled: Path) -> None:
    text = llmtrace("explain", "a1", home=filled).stdout
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "feature summarize" in lines
    assert "model gpt-4o → gpt-4o-2024-08-06 · openai chat.completions" in lines
    assert "tokens 1,000 in · 100 out · counted by the provider" in lines
    assert "input_uncached 1,000 tokens $2.5 / 1,000,000 tokens $0.002500000000 prompt_tokens" in lines
    assert "total $0.003500000000" in lines
    assert any(line.startswith("https://") and "read on 20" in line for line in lines)
    assert "not_billed" in llmtrace("explain", "d1", home=filled).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a"], "several calls have a span id that starts with a"),
        (["ffff"], "no call with the span id ffff"),
        (["hello"], "16 hexadecimal digits"),
        ([""], "16 hexadecimal digits"),
        (["a1", "--feature", "other"], "among those that match the filters"),
        (["a1", "--since", "soon"], "write 7d"),
    ],
    ids=str,
)
def test_an_id_of_no_one_call_says_what_to_do(arguments: list[str], message: str, filled: Path) -> None:
    done = llmtrace("explain", *arguments, home=filled)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_an_ambiguous_id_names_the_calls_that_it_may_be(filled: Path) -> None:
    done = llmtrace("explain", "a", home=filled)
    assert f"{'a1':0<16}  2026-11-10 12:00:01  summarize  gpt-4o" in done.stderr
    assert f"{'a2':0<16}" in done.stderr


def test_filters_narrow_down_what_an_id_may_be(filled: Path) -> None:
    assert explain(filled, "c", "--model", "nobody-knows-1")["span_id"].startswith("c1")


def test_a_sidecar_gives_the_same_answer(filled: Path, tmp_path: Path) -> None:
    here = explain(filled, "b1")
    served = Served(filled)
    try:
        assert explain(tmp_path, "b1", "--url", served.url) == here
        served.publish()
        assert explain(filled, "b1") == here
        assert "several calls" in llmtrace("explain", "a", "--url", served.url, home=tmp_path).stderr
    finally:
        served.stop()
