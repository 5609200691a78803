"""Every model that recorded traffic names is priced, or listed with the reason why it is not.

The data is not part of this repository: `LLMTRACE_TEST_DATA` names the folder that holds it.
"""

import gzip
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from corpus.recorded import find_file
from corpus.test_usage import NOW, PROVIDERS

from llmtrace.model import Cost
from llmtrace.pricing import PricingFacts, load_book, price_usage
from llmtrace.providers import find_usage

FILE = find_file()
pytestmark = pytest.mark.skipif(
    FILE is None, reason="external data: LLMTRACE_TEST_DATA names no folder with recorded traffic"
)

PRICED = frozenset({"exact", "estimated", "provider_reported", "not_billed"})
# Hosts that the book has no prices of, and why.
WITHOUT_PRICES = {
    "api.avian.io": "a host that llmtrace does not know",
    "api.cloudflare.com": "a host that llmtrace does not know",
    "api.inference.crusoecloud.com": "a host that llmtrace does not know",
    "azure_ai": "models of many makers, each with meters of its own",
    "cerebras": "a host that llmtrace does not know",
    "databricks": "billed in units of the account's contract",
    "gateway_local": "a gateway of the user's own: who bills, and what, is known there alone",
    "gpustack": "runs on the user's own machines",
    "huggingface": "passes calls on to other hosts, whose rates apply",
    "ollama": "runs on the user's own machine, or by subscription",
    "snowflake": "billed in units of the account's contract",
    "together": "a host that llmtrace does not know",
    "vercel_gateway": "passes calls on to other hosts, whose rates apply",
    "vllm": "runs on the user's own machines",
    "voyage": "a host that llmtrace does not know",
    "writer": "a host that llmtrace does not know",
    "zai": "a host that llmtrace does not know",
}
WITHOUT_COST = "its usage lacks the cost that OpenRouter bills by"
# Names that stand for no model of the provider, and why.
NOT_A_MODEL = {
    ("openai", "moonshotai/kimi-k2"): "answered by another host behind the name of OpenAI's",
    ("aws.bedrock", "/opt/ml/model"): "an endpoint of SageMaker",
}
# Application inference profiles hide the model: the user tells it, as a deployment.
HIDDEN = re.compile(r"application-inference-profile/")


@dataclass(frozen=True)
class Recorded:
    """One answer that told its usage: `names` are the answered model and the asked one."""

    provider: str
    names: tuple[str, ...]
    usage: Any
    at: datetime | None

    def price(self, at: datetime = NOW) -> Cost:
        return price_usage(load_book(), self.usage, PricingFacts(self.provider, self.names, at))


def _entries() -> list[dict[str, Any]]:
    if FILE is None:
        return []
    with gzip.open(FILE, "rt") as lines:
        return [entry for entry in map(json.loads, lines) if entry["usage"]]


def _read(entry: dict[str, Any]) -> Recorded:
    request = entry["request"] if isinstance(entry["request"], dict) else {}
    in_path = re.search(r"/model/([^/]+)/", entry["path"]) if entry["provider"] == "bedrock" else None
    names = [entry["model"], unquote(in_path[1]) if in_path else request.get("model")]
    if in_path and (entry["model"] or "") in names[1]:
        names = names[1:]  # no answer named it: it is the id in the path, cut short
    made = re.search(r'"created(?:_at)?":\s*(\d{10})\b', entry.get("body") or "")
    at = datetime.fromtimestamp(int(made[1]), UTC) if made else None
    texts = tuple(dict.fromkeys(unquote(n) for n in names if isinstance(n, str) and n))
    return Recorded(PROVIDERS[entry["provider"]], texts, entry["usage"], at)


@pytest.fixture(scope="module")
def entries() -> list[dict[str, Any]]:
    return _entries()


@pytest.fixture(scope="module")
def calls(entries: list[dict[str, Any]]) -> list[Recorded]:
    return [_read(entry) for entry in entries if entry["provider"] in PROVIDERS]


def _why_not(call: Recorded) -> str | None:
    family = find_usage(call.provider)
    assert family is not None
    listed = (load_book().unpriced.get((call.provider, family.read_model(name)[0])) for name in call.names)
    known = (NOT_A_MODEL.get((call.provider, name)) for name in call.names)
    hidden = "the profile hides its model" if any(HIDDEN.search(n) for n in call.names) else None
    lacking = WITHOUT_COST if call.provider == "openrouter" and "cost" not in call.usage else None
    return next((reason for reason in (*listed, *known, hidden, lacking) if reason), None)


def _uncovered(calls: list[Recorded]) -> Iterator[tuple[str, tuple[str, ...], str | None]]:
    by_name: dict[tuple[str, tuple[str, ...]], list[Recorded]] = defaultdict(list)
    for call in calls:
        family = find_usage(call.provider)
        if call.names and family is not None:
            by_name[call.provider, tuple(family.read_model(name)[0] for name in call.names)].append(call)
    for (provider, names), same in by_name.items():
        costs = [cost for call in same for cost in (call.price(), *([call.price(call.at)] if call.at else []))]
        if not any(c.status in PRICED for c in costs) and _why_not(same[0]) is None:
            yield provider, names, costs[0].reason


def test_every_model_is_priced_or_listed_with_the_reason(calls: list[Recorded]) -> None:
    assert list(_uncovered(calls)) == []


def test_every_host_has_prices_or_is_listed_with_the_reason(entries: list[dict[str, Any]]) -> None:
    assert {entry["provider"] for entry in entries} - set(PROVIDERS) == set(WITHOUT_PRICES)


def test_names_listed_here_have_no_price(calls: list[Recorded]) -> None:
    for call in calls:
        if any((call.provider, name) in NOT_A_MODEL for name in call.names):
            assert call.price().status not in PRICED, call.names


def test_no_usage_object_costs_less_than_nothing_and_shares_are_told(calls: list[Recorded]) -> None:
    today: dict[str, Counter[str]] = defaultdict(Counter)
    in_its_time: dict[str, Counter[str]] = defaultdict(Counter)
    for call in calls:
        for counter, cost in ((today, call.price()), (in_its_time, call.price(call.at or NOW))):
            counter[call.provider][cost.status] += 1
            assert cost.total_usd is None or cost.total_usd >= 0
    for provider, counts in sorted(today.items()):
        shares = [
            sum(c[s] for s in ("exact", "provider_reported")) / c.total() for c in (counts, in_its_time[provider])
        ]
        print(
            f"{provider}: {counts.total()} calls; exact today {shares[0]:.1%}, in their time {shares[1]:.1%};", counts
        )
    exact = sum(c[s] for c in today.values() for s in ("exact", "provider_reported"))
    assert exact / sum(c.total() for c in today.values()) > 0.85


def test_reported_money_is_what_openrouter_perplexity_and_xai_are_billed_by(calls: list[Recorded]) -> None:
    for call in calls:
        cost = call.price()
        if call.provider in ("perplexity", "x_ai"):
            assert cost.status == "provider_reported", call.usage
        if call.provider == "openrouter" and "cost" in call.usage:
            upstream = (call.usage.get("cost_details") or {}).get("upstream_inference_cost") or 0
            expected = call.usage["cost"] + (upstream if call.usage.get("is_byok") else 0)
            assert cost.total_usd is not None and abs(float(cost.total_usd) - expected) < 1e-11, call.usage
