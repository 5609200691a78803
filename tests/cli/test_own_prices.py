"""The user's own prices in every command: what calls cost, whose prices that were, and amounts in another currency."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from answering import Served
from commands import llmtrace_here as llmtrace
from samples import make_call

from llmtrace import connect
from llmtrace.demo.seed import write_calls
from llmtrace.model import Request, Response, Usage

PROFILE = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/k3x9"
OWN = f"""
rates:
  - {{provider: openai, model: gpt-4o, others: book, valid_from: 2026-11-01, usd_per_mtok: {{output: 5}},
     note: Contract 7}}
discounts:
  - {{name: mini_deal, provider: openai, models: [gpt-4o-mini], factor: 0.5, valid_from: 2026-01-01}}
deployments:
  - {{provider: azure.ai.openai, name: prod, deployment_type: DataZoneStandard, region: swedencentral}}
  - {{provider: aws.bedrock, name: "{PROFILE}", model: eu.anthropic.claude-sonnet-4-5-20250929-v1:0}}
free:
  - {{hosts: [gpu.internal], note: our own machine}}
currency:
  code: EUR
  rates: [{{valid_from: 2026-11-01, per_usd: 0.92}}]
fallback: genai-prices
"""
CHAT = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
CONVERSE = {"inputTokens": 1000, "outputTokens": 100, "totalTokens": 1100}
GEMINI = {"promptTokenCount": 1000, "candidatesTokenCount": 80, "thoughtsTokenCount": 20, "totalTokenCount": 1100}
EUR = {"code": "EUR", "since": "2026-11-01T00:00:00Z", "per_usd": "0.92"}
# Span id, who answered as what, usage, then: status, layers, and where the input stands.
CALLS: tuple[tuple[str, Request, dict[str, Any], str, set[str | None], str | None], ...] = (
    ("a1", Request("openai", "chat", "chat.completions", model="gpt-4o"), CHAT, "exact", {"book", "override"}, None),
    (
        "a2", Request("azure.ai.openai", "chat", "chat.completions", model="prod"), CHAT, "exact", {"override"},
        "prompt_tokens",
    ),
    ("a3", Request("aws.bedrock", "chat", None, model=PROFILE), CONVERSE, "exact", {"override"}, "inputTokens"),
    (
        "a4", Request("gcp.gemini", "chat", None, model="gemini-2.5-flash"), GEMINI, "exact", {"book"},
        "promptTokenCount",
    ),
    (
        "a5", Request("openrouter", "chat", "chat.completions", model="any/model"), {**CHAT, "cost": 0.0125},
        "provider_reported", {"provider"}, "cost",
    ),
    (
        "a6", Request("moonshot_ai", "chat", "chat.completions", model="kimi-k2"), CHAT, "estimated", {"genai-prices"},
        None,
    ),
    (
        "a7", Request("openai", "chat", "chat.completions", model="llama", server_address="gpu.internal"), CHAT,
        "not_billed", set(), None,
    ),
    (
        "a8", Request("openai", "chat", "chat.completions", model="nobody-knows-1"), CHAT, "unpriced", set(), None,
    ),
)  # fmt: skip
ANSWERED = {"a1": "gpt-4o-2024-08-06", "a2": "gpt-4o-mini-2024-07-18"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("own")
    (folder / "prices.yaml").write_text(OWN)
    calls = [
        make_call(
            i,
            span_id=span_id + "0" * 14,
            request=request,
            response=Response(model=ANSWERED.get(span_id), finish_reasons=("stop",), usage=usage),
            usage=Usage(input_tokens=1000, output_tokens=100),
        )
        for i, (span_id, request, usage, *_) in enumerate(CALLS, 1)
    ]
    write_calls(folder, [(call, {"service.name": "shop"}) for call in calls])
    yield folder


def loaded(home: Path, *arguments: str) -> dict[str, Any]:
    done = llmtrace(*arguments, "--json", home=home)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize(
    ("span_id", "request_", "usage", "status", "layers", "origin"), CALLS, ids=[c[0] for c in CALLS]
)
def test_each_item_names_its_layer_and_where_it_was_counted_and_adds_up_to_the_last_digit(
    home: Path, span_id: str, request_: Request, usage: Any, status: str, layers: set[str | None], origin: str | None
) -> None:
    answer = connect(home).explain(span_id, {})
    items = answer["items"]
    assert (answer["status"], {i["layer"] for i in items}) == (status, layers)
    if origin is not None:
        assert items[0]["counted_from"] == origin
    for item in items:
        exact = Decimal(item["quantity"]) * Decimal(item["rate_usd"]) / item["per"] * Decimal(item["multiplier"])
        assert exact == Decimal(item["cost_usd"])
        assert item["counted_from"] is not None
    if answer["total_usd"] is not None:
        assert sum((Decimal(i["cost_usd"]) for i in items), Decimal(0)) == Decimal(answer["total_usd"])
        assert Decimal(answer["cost_display"]) == Decimal(answer["total_usd"]) * Decimal("0.92")
    else:
        assert answer["cost_display"] is None
        assert answer["reason"] == "no price for model nobody-knows-1"


def test_the_text_of_an_explanation_tells_layer_source_and_the_other_currency(home: Path) -> None:
    text = llmtrace("explain", "a1", home=home).stdout
    assert "$0.003000000000 · exact · ≈ €0.0028 (0.92 EUR for $1, since 2026-11-01)" in text
    assert "own/openai/gpt-4o/output@2026-11-01" in text
    assert "your own prices (override, own)" in text
    listed = llmtrace("explain", "a6", home=home).stdout
    assert "(genai-prices, third_party)" in listed
    assert "which nobody checked here" in listed


def test_a_report_shows_the_other_currency_beside_dollars(home: Path) -> None:
    answer = loaded(home, "report", "--by", "provider")
    assert answer["currency"] == EUR
    for row in (*answer["rows"], answer["total"]):
        if row["cost_usd"] is not None:
            assert Decimal(row["cost_display"]) == (Decimal(row["cost_usd"]) * Decimal("0.92"))
    text = llmtrace("report", home=home).stdout
    assert "total ≈ €0.0" in text
    assert "(0.92 EUR for $1, since 2026-11-01)" in text


def test_a_sidecar_tells_its_own_currency_to_who_asks_it(home: Path, tmp_path: Path) -> None:
    here = loaded(home, "report")
    served = Served(home)
    try:
        assert loaded(tmp_path, "report", "--url", served.url) == here
        assert connect(url=served.url).explain("a3", {})["currency"] == EUR
    finally:
        served.stop()


def test_without_a_currency_answers_have_no_such_keys(tmp_path: Path) -> None:
    write_calls(tmp_path, [(make_call(1), {})])
    answer = loaded(tmp_path, "report")
    assert "currency" not in answer
    assert "cost_display" not in answer["total"]
    assert "≈" not in llmtrace("report", home=tmp_path).stdout


def test_prices_status_and_show_and_check_know_your_own(home: Path) -> None:
    status = loaded(home, "prices", "status")
    assert status["own"] == {"rates": 1, "discounts": 1, "deployments": 2, "free": 1}
    assert (status["currency"], status["fallback"].partition(" ")[0]) == (EUR, "genai-prices")
    text = llmtrace("prices", "status", home=home).stdout
    assert "of your own: 1 rates, 1 discounts, 2 deployments, 1 free" in text
    assert "shown in EUR as well: 0.92 for $1 since 2026-11-01" in text
    assert "behind the book: genai-prices" in text

    shown = loaded(home, "prices", "show", "gpt-4o", "--provider", "openai", "--at", "2026-11-10")
    assert ("override", "5") in {(p["layer"], p["rate_usd"]) for p in shown["prices"]}
    assert "Contract 7" in llmtrace("prices", "show", "gpt-4o", "--at", "2026-11-10", home=home).stdout
    factors = loaded(home, "prices", "show", "gpt-4o-mini", "--provider", "openai")["factors"]
    assert ("mini_deal", "0.5") in {(f["name"], f["factor"]) for f in factors}

    done = llmtrace("prices", "check", str(home / "prices.yaml"), home=home)
    assert (done.returncode, "can be used" in done.stdout) == (0, True)


def test_prices_check_names_the_line_and_the_reason(tmp_path: Path) -> None:
    bad = tmp_path / "new.yaml"
    bad.write_text("# a comment\nfree:\n  - hosts: [localhost]\n    not: 1\n")
    done = llmtrace("prices", "check", str(bad), home=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{bad}, line 4: there is no 'not' here" in done.stderr
    answer = json.loads(llmtrace("prices", "check", str(bad), "--json", home=tmp_path).stdout)
    assert (answer["ok"], answer["line"]) == (False, 4)
