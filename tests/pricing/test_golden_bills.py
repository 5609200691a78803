"""Worked bills from outside: usage as providers returned it, priced to the last digit.

The data is not part of this repository: `LLMTRACE_TEST_DATA` names the folder whose `prices/` holds it.
"""

import json
import os
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from math import prod
from pathlib import Path
from typing import Any

import pytest

from llmtrace.model import Cost
from llmtrace.pricing import load_book, price
from llmtrace.pricing.rows import CONDITION_DEFAULTS
from llmtrace.providers import find_usage

FOLDER = os.environ.get("LLMTRACE_TEST_DATA")
pytestmark = pytest.mark.skipif(
    not FOLDER, reason="external data: LLMTRACE_TEST_DATA names no folder with the worked bills"
)

# What the bills call a provider, and what llmtrace does, in OpenTelemetry's words.
PROVIDERS: Mapping[str, str] = {
    "openai": "openai",
    "anthropic": "anthropic",
    "azure.openai": "azure.ai.openai",
    "google": "gcp.gemini",
    "aws.bedrock": "aws.bedrock",
    "mistral": "mistral_ai",
    "deepseek": "deepseek",
    "xai": "x_ai",
    "openrouter": "openrouter",
}
# The bills call one thing by several names, after the turn or the modality it came from.
COMPONENTS: Mapping[str, str] = {
    "input": "input_uncached",
    "input_uncached": "input_uncached",
    "input_text": "input_uncached",
    "message_input": "input_uncached",
    "compaction_input": "input_uncached",
    "executor_input": "input_uncached",
    "advisor_input": "input_uncached",
    "input_cached_read": "input_cached",
    "cache_read": "input_cached",
    "executor_cache_read": "input_cached",
    "input_cache_write": "cache_write",
    "cache_write_5m": "cache_write_5m",
    "cache_write_1h": "cache_write_1h",
    "input_text_uncached": "input_uncached",
    "input_text_cached": "input_cached",
    "input_audio": "input_audio",
    "input_image": "input_image",
    "output": "output",
    "output_text": "output",
    "message_output": "output",
    "compaction_output": "output",
    "executor_output": "output",
    "advisor_output": "output",
    "output_audio": "output_audio",
    "output_image": "output_image",
    "audio_minutes": "seconds",
    "characters": "characters",
    "image": "image",
    "input_tool_use_prompt": "input_uncached",
    "cache_miss": "input_uncached",
    "cache_hit": "input_cached",
    "cached_content": "input_cached",
    "cached_audio": "input_audio_cached",
    "cache_storage": "cache_storage",
    "output_candidates": "output",
    "output_thinking": "output",
    "grounded_prompt": "grounded_prompt",
    "grounding_search_query": "grounding_query",
    "web_search": "web_search",
    "web_search_call": "web_search",
    "web_search_content_block": "web_search_content",
    "file_search_call": "file_search",
    "container_session": "container_session",
    "container_20min_session": "container_session",
    "session_runtime": "session_hour",
    "input_not_billed": "",
    "request": "",
}


def _read(name: str) -> list[dict[str, Any]]:
    if not FOLDER:
        return []
    lines = (Path(FOLDER) / "prices" / name).read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["provider"] in PROVIDERS]


BILLS = _read("cost_vectors.jsonl")
EDGES = _read("cost_vectors_edge.jsonl")
FACTS = _read("price_facts.jsonl")


def _price(case: Mapping[str, Any], **context: Any) -> Cost:
    """The cost of CASE, as it stands."""
    at = datetime.fromisoformat(case["request_time"])
    return price(
        case["usage"], case["provider"], case["model"], at, case["endpoint"], {**case.get("context", {}), **context}
    )


def _by_component(amounts: list[tuple[str, Decimal]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for component, amount in amounts:
        if amount:
            sums[component] += amount
    return dict(sums)


@pytest.mark.parametrize("bill", BILLS, ids=[bill["id"] for bill in BILLS])
def test_bill_is_reproduced_to_the_last_digit(bill: dict[str, Any]) -> None:
    cost = _price(bill)
    assert cost.total_usd == Decimal(bill["expected_cost_usd"]), cost.reason
    assert sum((i.cost_usd for i in cost.items if i.cost_usd), Decimal(0)) == cost.total_usd
    expected = [(COMPONENTS[i["component"]], Decimal(i["cost_usd"])) for i in bill["breakdown"]]
    items = [("cache_write" if i.component == "cache_write_12h" else i.component, i.cost_usd) for i in cost.items]
    assert _by_component([(c, usd) for c, usd in items if usd]) == _by_component(expected)


def test_bills_of_every_provider_were_run() -> None:
    assert len(BILLS) == 161
    assert {bill["provider"] for bill in BILLS} == set(PROVIDERS) - {"openrouter"}


@pytest.mark.parametrize("case", EDGES, ids=[case["id"] for case in EDGES])
def test_call_that_cannot_be_priced_plainly_says_so(case: dict[str, Any]) -> None:
    cost = _price(case, **({"aborted": True} if case.get("aborted") else {}))
    assert cost.status == case["expect"]
    if case["expect"] in {"unpriced", "committed"}:
        assert cost.total_usd is None
    if "min_cost_usd" in case:
        assert cost.total_usd is not None and cost.total_usd >= Decimal(case["min_cost_usd"])
    if "list_cost_usd" in case:
        assert sum((i.cost_usd for i in cost.items if i.cost_usd), Decimal(0)) == Decimal(case["list_cost_usd"])


DEPLOYMENTS = {
    ("GlobalStandard", None): "global",
    ("GlobalBatch", None): "global",
    ("DataZoneStandard", "eastus2"): "data_zone",
    ("DataZoneStandard", "swedencentral"): "data_zone",
    ("DataZoneStandard", "australiaeast"): "data_zone_apac",
}


def _conditions(fact: Mapping[str, Any]) -> dict[str, Any]:
    context = fact["context"]
    stated = {key: context[key] for key in ("service_tier", "batch", "speed") if key in context}
    region = {"region": context["regional_processing"]} if "regional_processing" in context else {}
    if "deployment_type" in context:
        region = {"deployment": DEPLOYMENTS[context["deployment_type"], context.get("region")]}
    size = {"memory_gb": context["containers"][0]["memory_gb"]} if "session" in fact["component"] and context else {}
    return {**CONDITION_DEFAULTS, **stated, **region, **size}


def _component(fact: Mapping[str, Any]) -> str:
    component = COMPONENTS[fact["component"]]
    if component == "web_search" and fact["context"].get("tool") == "web_search_preview":
        return "web_search_preview"
    return "cache_write_12h" if component == "cache_write" and "cache_ttl" in fact["context"] else component


BILLED = [f for f in FACTS if COMPONENTS.get(f["component"]) and not f["component"].startswith("advisor")]
# The facts about images leave out the size and quality they are for; the storage of files belongs to no model.
KNOWN = [f for f in BILLED if f["component"] != "image" and f["model"] != "-"]


@pytest.mark.parametrize("fact", KNOWN, ids=lambda f: f"{f['model']}-{f['component']}-{f['rate_usd']}")
def test_book_answers_with_the_published_rate_whenever_it_was_seen(fact: dict[str, Any]) -> None:
    """Of the bands of input size and of thinking or not, which facts do not state, one has the rate."""
    book, component, provider = load_book(), _component(fact), PROVIDERS[fact["provider"]]
    family = find_usage(provider)
    assert family is not None
    name, named = family.read_model(fact["model"])
    for seen in map(datetime.fromisoformat, fact["seen_at"]):
        match = book.find_model(provider, fact["context"].get("underlying_model", name), seen)
        assert match is not None
        open_ones = [{"input_tokens": n, "thinking": t} for n in (1, 1_000_000) for t in (False, True)]
        conditions = [{**_conditions(fact), **named, **some} for some in open_ones]
        found = [book.find_price(provider, match.model, component, c, seen) for c in conditions]
        # Most facts state the rate before a factor; Bedrock's state what a scope of inference costs.
        scoped = provider == "aws.bedrock"
        rates = {
            prod((m.factor for m in f.multipliers if scoped), start=f.price.rate_usd) / f.price.per for f in found if f
        }
        assert Decimal(fact["rate_usd"]) / fact["per"] in rates


def test_facts_were_read() -> None:
    assert len(KNOWN) > 300
