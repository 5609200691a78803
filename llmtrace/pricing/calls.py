"""Prices a recorded call: the response decides, not the request."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from llmtrace.model import Call, Cost, RawUsage
from llmtrace.pricing.book import PriceBook
from llmtrace.pricing.cost import GENERIC, price_usage
from llmtrace.pricing.facts import PricingFacts
from llmtrace.providers import find_usage
from llmtrace.providers.base import counts_tokens, is_of_request
from llmtrace.providers.later import MADE_LATER
from llmtrace.providers.uncharged import UNCHARGED

# OpenAI's hosts for data residency, such as eu.api.openai.com, price some models differently.
REGIONAL_SUFFIX = ".api.openai.com"
NOT_ANSWERED = "of a batch, only the requests that were answered are billed"
UNFINISHED = "made in the background: its usage comes when the finished response is fetched"
STARTED = "what it started tells its usage when it is fetched later"

TOOL_CONDITIONS = {
    "web_search": "web_search_calls",
    "web_search_preview": "web_search_calls",
    "file_search": "file_search_calls",
    "code_interpreter": "code_interpreter_calls",
    "image_generation": "image_generation_calls",
    "grounded_prompts": "grounded_prompts",
    "grounding_queries": "grounding_queries",
}


def price_call(book: PriceBook, call: Call) -> Cost:
    """What CALL cost by BOOK, at the time it was made."""
    uncharged = UNCHARGED.get(call.request.operation)
    if uncharged is not None:
        return Cost("not_billed", Decimal(0), reason=uncharged, price_book=book.version)
    if call.batch is not None and call.status != "ok" and call.response.usage is None:
        return Cost("not_billed", Decimal(0), reason=NOT_ANSWERED, price_book=book.version)
    if _is_unfinished(call):
        reason = UNFINISHED if call.request.endpoint == "responses" else STARTED
        return Cost("unpriced", None, reason=reason, price_book=book.version)
    facts = PricingFacts(
        provider=call.request.provider,
        models=_models(call),
        at=datetime.fromtimestamp(call.started_at_ns / 1e9, UTC),
        endpoint=call.request.endpoint,
        host=call.request.server_address,
        conditions=call_conditions(call),
        http_status=call.http_status if call.status == "error" else None,
        request_sent=call.request_sent,
        finish_reasons=call.response.finish_reasons or (),
        refusal_category=call.response.refusal_category,
        usage_estimated=call.usage_source == "estimated",
        usage_complete=call.usage_complete and _counts_output(call),
    )
    return price_usage(book, billed_usage(call), facts)


def _models(call: Call) -> tuple[str, ...]:
    """What CALL's models are called, the one that answered first; or else what its endpoint is, in a list of prices."""
    named = tuple(dict.fromkeys(n for n in (call.response.model, call.request.model) if n))
    family = find_usage(call.request.provider)
    unnamed = family.unnamed.get(call.request.endpoint) if family is not None and not named else None
    return named if unnamed is None else (unnamed,)


def _is_unfinished(call: Call) -> bool:
    """Whether CALL started what goes on in the background: its usage comes when that is fetched."""
    is_started = call.request.endpoint in MADE_LATER and call.response.id is not None
    return is_started and call.usage_source == "missing" and call.response.finish_reasons is None


def billed_usage(call: Call) -> RawUsage | None:
    """The provider's usage object where the count is the provider's, else the count in the provider's shape."""
    reported = call.response.usage
    if call.usage_source == "missing":
        return reported if is_of_request(reported) else None
    if reported is not None and call.usage_source == "provider":
        return reported
    if reported is not None and "output_tokens" in reported:
        return {**reported, "output_tokens": call.usage.output_tokens}
    family = find_usage(call.request.provider) or find_usage(GENERIC)
    return None if family is None else family.denormalise(call.usage)


def _counts_output(call: Call) -> bool:
    """Whether CALL's usage counts the output: by its number, or by a total that leaves no room for it.

    One that counts no tokens at all tells what was paid, or is no usage.
    """
    usage = call.response.usage
    if usage is None or call.usage.output_tokens is not None or call.request.operation == "embeddings":
        return True
    if not counts_tokens(usage):
        return True
    total = usage.get("total_tokens", usage.get("totalTokenCount"))
    return call.usage.input_tokens is None or total == call.usage.input_tokens


def call_conditions(call: Call) -> Mapping[str, Any]:
    """What CALL states that its price depends on, beside its usage."""
    conditions: dict[str, Any] = {}
    if call.batch is not None:
        conditions["batch"] = True
    if call.response.service_tier is not None:
        conditions["service_tier"] = call.response.service_tier
    if call.request.cache_ttl is not None:
        conditions["cache_ttl"] = call.request.cache_ttl
    conditions |= {TOOL_CONDITIONS[t]: n for t, n in call.response.tool_requests.items() if t in TOOL_CONDITIONS}
    if "web_search_preview" in call.response.tool_requests:
        conditions["tool"] = "web_search_preview"
    host = call.request.server_address or ""
    if call.request.provider == "openai" and host.endswith(REGIONAL_SUFFIX):
        conditions["regional_processing"] = host.removesuffix(REGIONAL_SUFFIX)
    return conditions
