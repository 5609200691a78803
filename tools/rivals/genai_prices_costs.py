"""Costs of the bills on stdin by genai-prices, as JSON on stdout: runs where that package is installed."""

import json
import sys
import warnings
from datetime import datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Any

from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot

PROVIDERS = {
    "gcp.gemini": "google",
    "aws.bedrock": "aws",
    "azure.ai.openai": "azure",
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
}
# The API that a usage object is of, by the beginning of the endpoint; what each provider calls it is tried in order.
FLAVORS = {
    "responses": ("responses", "chat", "default"),
    "realtime": ("realtime", "responses"),
    "images": ("images", "responses"),
    "audio": ("responses", "chat"),
    "embeddings": ("embeddings", "chat", "default"),
}


def cost(bill: dict[str, Any]) -> Decimal | None:
    """What genai-prices makes of BILL; None where it has no usage to price."""
    provider = PROVIDERS.get(bill["provider"], bill["provider"])
    context, at = bill["context"], datetime.fromisoformat(bill["at"])
    usage = read_usage(bill, provider)
    searches = context.get("web_search_calls") or context.get("grounded_prompts") or context.get("grounding_queries")
    if searches:
        usage.web_searches = searches
    if context.get("file_search_calls"):
        usage.storage_searches = context["file_search_calls"]
    if not vars(usage) and not usage._reported_values():
        return None
    told = bill["usage"] if isinstance(bill["usage"], dict) else {}
    served = context.get("service_tier") or told.get("service_tier")
    stated = {
        "service_tier": None if served == "batch" else served,
        "processing": "batch" if context.get("batch") or served == "batch" else None,
        "speed": context.get("speed") or told.get("speed"),
    }
    price = calc_price(
        usage,
        bill["model"],
        provider_id=provider,
        genai_request_timestamp=at,
        price_context={k: v for k, v in stated.items() if v},
    )
    return price.total_price


def read_usage(bill: dict[str, Any], provider: str) -> Usage:
    """The usage of BILL as the package itself reads it, else by the fields that it has a name for."""
    usage, endpoint = bill["usage"], bill["endpoint"] or ""
    if isinstance(usage, dict) and "seconds" in usage:
        seconds = Decimal(str(usage["seconds"]))
        return Usage(audio_seconds=seconds, input_audio_seconds=seconds)
    if isinstance(usage, dict) and "input_characters" in usage:
        return Usage(input_characters=usage["input_characters"])
    body = {"model": bill["model"], "usage": usage, "usageMetadata": usage, "response": {"usage": usage}}
    flavors = next((f for start, f in FLAVORS.items() if endpoint.startswith(start)), ("chat", "default", "responses"))
    if provider == "aws" and isinstance(usage, dict) and "input_tokens" in usage:
        flavors = ("anthropic",)
    [found] = [p for p in get_snapshot().providers if p.id == provider]
    problem: Exception = LookupError(provider)
    for flavor in flavors:
        try:
            _, extracted = found.extract_usage(body, api_flavor=flavor)
        except Exception as err:
            problem = err
            continue
        return extracted
    raise problem


def main() -> None:
    """Answer for each bill; one that raises is one that the package does not know."""
    warnings.simplefilter("ignore")
    costs: dict[str, str | None] = {}
    reasons: dict[str, str] = {}
    for bill in json.load(sys.stdin):
        try:
            found = cost(bill)
        except Exception as err:
            found, reasons[bill["id"]] = None, repr(err)[:200]
        costs[bill["id"]] = None if found is None else str(found)
    json.dump({"version": version("genai-prices"), "costs": costs, "reasons": reasons}, sys.stdout)


if __name__ == "__main__":
    main()
