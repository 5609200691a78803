"""Costs of the bills on stdin by tokencost, as JSON on stdout: runs where that package is installed."""

import json
import logging
import sys
from decimal import Decimal
from importlib.metadata import version
from typing import Any

from tokencost import calculate_cost_by_tokens

INPUT = ("prompt_tokens", "input_tokens", "promptTokenCount", "inputTokens")
OUTPUT = ("completion_tokens", "output_tokens", "candidatesTokenCount", "outputTokens")
CACHED = ("cached_tokens", "cache_read_input_tokens", "cachedContentTokenCount", "cacheReadInputTokens")
INSIDE = ("cached_tokens", "cachedContentTokenCount")


def cost(bill: dict[str, Any]) -> Decimal | None:
    """What tokencost makes of the input, cached and output tokens of BILL: it has no other words."""
    usage = bill["usage"] or {}
    usage = usage.get("billed_units") or usage.get("session") or usage
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    into = next((usage[n] for n in INPUT if n in usage), None)
    if into is None:
        return None
    out = next((usage[n] for n in OUTPUT if n in usage), 0) + usage.get("thoughtsTokenCount", 0)
    cached = next((source[n] for n in CACHED for source in (usage, details) if source.get(n)), 0)
    fresh = into - cached if any(n in usage or n in details for n in INSIDE) else into
    total = calculate_cost_by_tokens(fresh, bill["model"], "input")
    total += calculate_cost_by_tokens(out, bill["model"], "output")
    return total + (calculate_cost_by_tokens(cached, bill["model"], "cached") if cached else 0)


def main() -> None:
    """Answer for each bill; one that raises is one that the package does not know."""
    logging.disable()
    costs: dict[str, str | None] = {}
    reasons: dict[str, str] = {}
    for bill in json.load(sys.stdin):
        try:
            found = cost(bill)
        except Exception as err:
            found, reasons[bill["id"]] = None, repr(err)[:200]
        costs[bill["id"]] = None if found is None else str(found)
    json.dump({"version": version("tokencost"), "costs": costs, "reasons": reasons}, sys.stdout)


if __name__ == "__main__":
    main()
