"""Usage objects as providers really returned them: each is read, adds up, and says how well it is priced.

The data is not part of this repository: `LLMTRACE_TEST_DATA` names the folder that holds it.
"""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from corpus.recorded import find_file

import llmtrace
from llmtrace.model import Usage
from llmtrace.providers import find_usage

FILE = find_file()
pytestmark = pytest.mark.skipif(
    FILE is None, reason="external data: LLMTRACE_TEST_DATA names no folder with recorded traffic"
)

# What the recordings call a provider, and what llmtrace does.
PROVIDERS: Mapping[str, str] = {
    "openai": "openai",
    "anthropic": "anthropic",
    "azure_openai": "azure.ai.openai",
    "gemini": "gcp.gemini",
    "vertex": "gcp.vertex_ai",
    "bedrock": "aws.bedrock",
    "mistral": "mistral_ai",
    "deepseek": "deepseek",
    "xai": "x_ai",
    "groq": "groq",
    "cohere": "cohere",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
}
TOTALS = ("totalTokenCount", "totalTokens", "total_tokens")
PRICED = ("exact", "provider_reported")
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def _rows() -> list[tuple[str, str, Any]]:
    if FILE is None:
        return []
    with gzip.open(FILE, "rt") as lines:
        entries = [json.loads(line) for line in lines]
    return [
        (PROVIDERS[e["provider"]], e["model"] or "", e["usage"])
        for e in entries
        if e["provider"] in PROVIDERS and e["usage"]
    ]


@pytest.fixture(scope="module")
def rows() -> list[tuple[str, str, Any]]:
    return _rows()


def _normalise(provider: str, usage: Any) -> Usage:
    family = find_usage(provider)
    assert family is not None
    return family.normalise(usage)


def test_every_usage_object_is_read_and_adds_up_to_the_providers_total(rows: list[tuple[str, str, Any]]) -> None:
    checked = 0
    for provider, _, usage in rows:
        counts = _normalise(provider, usage)
        numbers = (counts.input_tokens, counts.cached_input_tokens, counts.cache_write_tokens, counts.output_tokens)
        assert all(n is None or n >= 0 for n in numbers), usage
        assert (counts.cached_input_tokens or 0) + (counts.cache_write_tokens or 0) <= (counts.input_tokens or 0), usage
        assert (counts.reasoning_tokens or 0) <= (counts.output_tokens or 0), usage
        total = next((usage[n] for n in TOTALS if usage.get(n) is not None), None)
        if total is not None and counts.input_tokens is not None:
            assert counts.input_tokens + (counts.output_tokens or 0) == total, usage
            checked += 1
    assert checked > 2500


def test_every_bill_holds_exactly_the_tokens_of_its_usage(rows: list[tuple[str, str, Any]]) -> None:
    for provider, _, usage in rows:
        family = find_usage(provider)
        counts = _normalise(provider, usage)
        assert family is not None
        if counts.input_tokens is None:
            continue
        bill = family.bill(usage, {}, ())
        if bill.reported_usd is None:
            tokens = sum(q.amount for q in bill.quantities if q.unit == "token")
            assert tokens == counts.input_tokens + (counts.output_tokens or 0), usage
        assert all(q.amount >= 0 for q in bill.quantities), usage


def test_share_that_is_priced(rows: list[tuple[str, str, Any]]) -> None:
    statuses: dict[str, Counter[str]] = defaultdict(Counter)
    for provider, model, usage in rows:
        cost = llmtrace.price(usage, provider, model, NOW)
        assert cost.total_usd is None or cost.total_usd >= 0
        statuses[provider][cost.status] += 1
    for provider, counts in sorted(statuses.items()):
        share = sum(counts[s] for s in PRICED) / counts.total()
        print(f"{provider}: {share:.0%} of {counts.total()} priced; {dict(counts)}")
    for provider in ("x_ai", "perplexity"):
        assert set(statuses[provider]) == {"provider_reported"}
    for provider in ("gcp.gemini", "deepseek", "openrouter"):
        assert sum(statuses[provider][s] for s in PRICED) / statuses[provider].total() > 0.7
