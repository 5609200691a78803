"""`llmtrace.price`: the cost of one usage object, for use without any capture."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from llmtrace.model import Cost
from llmtrace.pricing.cost import price_usage
from llmtrace.pricing.current import current_book
from llmtrace.pricing.facts import PricingFacts
from llmtrace.providers.base import as_int, as_text

# Keys of `context` that state what a price depends on, and keys that only tell how the answer came about.
NAME_KEYS = frozenset({
    "service_tier", "speed", "geo", "region", "regional_processing", "cache_ttl", "tool", "deployment_type",
})  # fmt: skip
CONDITION_KEYS = NAME_KEYS | {
    "batch", "web_search_calls", "file_search_calls", "code_interpreter_calls", "image_generation_calls", "containers",
    "grounded_prompts", "grounding_queries",
}  # fmt: skip
FACT_KEYS = frozenset({
    "underlying_model", "http_status", "stop_reason", "refusal_category", "aborted", "estimated", "batch_result_type",
    "grounding_beyond_free",
})  # fmt: skip
INFORMATIVE_KEYS = frozenset({"requested_service_tier", "requested_speed", "stream_events", "ambiguous", "betas"})
# Names that providers go by elsewhere, and OpenTelemetry's, which are the book's.
PROVIDER_NAMES = {
    "azure": "azure.ai.openai",
    "azure.openai": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex": "gcp.vertex_ai",
    "vertex_ai": "gcp.vertex_ai",
    "xai": "x_ai",
}
# Results of a batch that never ran: https://platform.claude.com/docs/en/build-with-claude/batch-processing
BATCH_NOT_RUN = frozenset({"errored", "canceled", "expired"})


def price(
    usage: Mapping[str, Any] | object | None,
    provider: str,
    model: str,
    at: datetime | None = None,
    endpoint: str | None = None,
    context: Mapping[str, Any] | None = None,
) -> Cost:
    """Cost of USAGE, the provider's own usage object (a mapping, or an SDK's model), of MODEL of PROVIDER.

    AT is when the request was made (default: now; a naive time is UTC): prices are dated. CONTEXT states what a price
    depends on and usage does not say: `service_tier`, `batch`, `speed`, `geo`, `regional_processing`, `cache_ttl`,
    `grounded_prompts`, `grounding_queries`, `http_status`, `stop_reason`, `aborted`, `batch_result_type`, and for Azure
    `deployment_type`, `region` and the `underlying_model` of a deployment whose name is MODEL. The cost's `total_usd`
    is None where the book has no honest price: under a key that no price is known by, for one. Keys of USAGE that
    begin with `_` are facts of the answer beside its usage, such as `_grounded`. Prices of your own (docs/prices.md)
    come before the book's.
    """
    stated = {key: value for key, value in (context or {}).items() if value is not None}
    book = current_book()
    unknown = set(stated) - CONDITION_KEYS - FACT_KEYS - INFORMATIVE_KEYS
    if unknown:
        return Cost("unpriced", None, reason=f"no price by {', '.join(sorted(unknown))}", price_book=book.version)
    told = _as_mapping(usage)
    if usage is not None and told is None:
        reason = f"usage is {type(usage).__name__}; it takes the provider's usage object, or a mapping"
        return Cost("invalid_usage", None, reason=reason, price_book=book.version)
    moment = at or datetime.now(UTC)
    facts = PricingFacts(
        provider=PROVIDER_NAMES.get(provider, provider),
        models=(stated.get("underlying_model") or model,),
        at=moment if moment.tzinfo else moment.replace(tzinfo=UTC),
        endpoint=endpoint,
        conditions=_conditions(stated, told or {}),
        http_status=as_int(stated.get("http_status")),
        request_sent=stated.get("batch_result_type") not in BATCH_NOT_RUN,
        finish_reasons=(stated["stop_reason"],) if stated.get("stop_reason") else (),
        refusal_category=as_text(stated.get("refusal_category")),
        usage_estimated=bool(stated.get("estimated")),
        usage_complete=not stated.get("aborted"),
    )
    return price_usage(book, None if told is None else _without_facts(told), facts)


def _conditions(stated: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """What a price depends on: every name as text, so that one that means nothing meets no price."""
    conditions = {k: str(v) if k in NAME_KEYS else v for k, v in stated.items() if k in CONDITION_KEYS}
    if stated.get("grounding_beyond_free"):
        if told.get("_grounded") is True:
            conditions.setdefault("grounded_prompts", 1)
        queries = next((v for k, v in told.items() if isinstance(k, str) and k.startswith("_") and "quer" in k), None)
        if queries is not None:
            conditions.setdefault("grounding_queries", len(queries) if isinstance(queries, list) else queries)
    return conditions


def _without_facts(told: Mapping[str, Any]) -> Mapping[str, Any]:
    return {k: v for k, v in told.items() if not (isinstance(k, str) and k.startswith("_"))}


def _as_mapping(usage: Mapping[str, Any] | object | None) -> Mapping[str, Any] | None:
    if usage is None or isinstance(usage, Mapping):
        return usage
    dump = getattr(usage, "model_dump", None)
    dumped = dump(exclude_unset=True) if callable(dump) else None
    return dumped if isinstance(dumped, Mapping) else None
