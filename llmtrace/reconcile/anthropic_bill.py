"""Anthropic's usage and cost reports: buckets of results, read into figures.

An amount is a decimal string in cents. The cost report names a token type for tokens only; searches and code execution
are costs beside tokens. Priority Tier spend is not in it.

Source: https://platform.claude.com/docs/en/api/admin/cost_report/retrieve
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from llmtrace.errors import ConfigError
from llmtrace.reconcile.figures import Billed, decimal, read_tier

USAGE_PATH, COSTS_PATH = "/v1/organizations/usage_report/messages", "/v1/organizations/cost_report"
USAGE_GROUPS = ("workspace_id", "api_key_id", "model", "service_tier")
COSTS_GROUPS = ("workspace_id", "description")
CENTS = Decimal(100)
KINDS = {
    "uncached_input_tokens": "input_uncached",
    "cache_read_input_tokens": "input_cached",
    "cache_creation.ephemeral_5m_input_tokens": "cache_write_5m",
    "cache_creation.ephemeral_1h_input_tokens": "cache_write_1h",
    "output_tokens": "output",
}


def read_usage(day: date, result: Mapping[str, Any]) -> Iterator[Billed]:
    """The figures in one RESULT of the usage report for DAY: one for each token class.

    Raises:
        ConfigError: a count is no number.
    """
    created, tools = result.get("cache_creation") or {}, result.get("server_tool_use") or {}
    told = {**result, **{f"cache_creation.{name}": value for name, value in created.items()}}
    model, tier, scope = result.get("model"), read_tier(result.get("service_tier")), result.get("workspace_id")
    key = result.get("api_key_id") or None
    for name, token_class in KINDS.items():
        quantity = decimal(told.get(name), name)
        if quantity:
            yield Billed(day, model or None, token_class, tier, scope or None, quantity, key=key)
    searches = decimal(tools.get("web_search_requests"), "web_search_requests")
    if searches:
        yield Billed(day, None, "web_search", scope=scope or None, quantity=searches, key=key)


def read_costs(day: date, result: Mapping[str, Any]) -> Iterator[Billed]:
    """The figure in one RESULT of the cost report for DAY.

    Raises:
        ConfigError: an amount is no number, or not in US dollars.
    """
    currency = str(result.get("currency") or "USD")
    if currency.upper() != "USD":
        raise ConfigError(f"an amount is in {currency}; only US dollars can be compared")
    cents = decimal(result.get("amount"), "amount")
    if cents is None:
        return
    scope, key = result.get("workspace_id") or None, result.get("api_key_id") or None
    token_class = KINDS.get(str(result.get("token_type")))
    if token_class is None:
        name = result.get("cost_type") or result.get("description") or "all costs"
        yield Billed(day, None, str(name), scope=scope, cost_usd=cents / CENTS, key=key)
        return
    model, tier = result.get("model") or None, read_tier(result.get("service_tier"))
    yield Billed(day, model, token_class, tier, scope, cost_usd=cents / CENTS, key=key)


def read_results(day: date, results: Iterable[Mapping[str, Any]]) -> Iterator[Billed]:
    """The figures in RESULTS of either report for DAY. Raises like `read_usage`."""
    for result in results:
        yield from (read_costs if "amount" in result else read_usage)(day, result)
