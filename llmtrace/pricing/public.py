"""`llmtrace.price`: the cost of one usage object, for use without any capture."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from llmtrace.errors import ConfigError
from llmtrace.model import Cost
from llmtrace.pricing.cost import PricingFacts, price_usage
from llmtrace.pricing.reading import load_book

# Keys of `context` that state what a price depends on, and keys that only tell how the answer came about.
CONDITION_KEYS = frozenset({
    "service_tier", "batch", "speed", "geo", "region", "regional_processing", "cache_ttl", "tool",
    "web_search_calls", "file_search_calls", "code_interpreter_calls",
    "image_generation_calls", "containers", "deployment_type", "grounded_prompts", "grounding_queries",
})  # fmt: skip
FACT_KEYS = frozenset({
    "underlying_model", "http_status", "stop_reason", "refusal_category", "aborted", "estimated", "batch_result_type",
})  # fmt: skip
# Names that providers go by elsewhere, and the book's.
PROVIDER_NAMES = {"azure.openai": "azure.ai.openai"}
# Results of a batch that never ran: https://platform.claude.com/docs/en/build-with-claude/batch-processing
BATCH_NOT_RUN = frozenset({"errored", "canceled", "expired"})
INFORMATIVE_KEYS = frozenset({"requested_service_tier", "requested_speed", "stream_events", "ambiguous", "betas"})


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
    is None where the book has no honest price.

    Raises:
        ConfigError: CONTEXT has a key that pricing does not know, so that nothing is priced as if it were not there.
    """
    context = context or {}
    unknown = set(context) - CONDITION_KEYS - FACT_KEYS - INFORMATIVE_KEYS
    if unknown:
        known = ", ".join(sorted(CONDITION_KEYS | FACT_KEYS | INFORMATIVE_KEYS))
        raise ConfigError(f"context has no key {', '.join(sorted(unknown))}; it takes {known}")
    moment = at or datetime.now(UTC)
    facts = PricingFacts(
        provider=PROVIDER_NAMES.get(provider, provider),
        models=(context.get("underlying_model") or model,),
        at=moment if moment.tzinfo else moment.replace(tzinfo=UTC),
        endpoint=endpoint,
        conditions={k: v for k, v in context.items() if k in CONDITION_KEYS},
        http_status=context.get("http_status"),
        request_sent=context.get("batch_result_type") not in BATCH_NOT_RUN,
        finish_reasons=(context["stop_reason"],) if context.get("stop_reason") else (),
        refusal_category=context.get("refusal_category"),
        usage_estimated=bool(context.get("estimated")),
        usage_complete=not context.get("aborted"),
    )
    return price_usage(load_book(), _as_mapping(usage), facts)


def _as_mapping(usage: Mapping[str, Any] | object | None) -> Mapping[str, Any] | None:
    if usage is None or isinstance(usage, Mapping):
        return usage
    dump = getattr(usage, "model_dump", None)
    if dump is None:
        raise ConfigError(f"usage is {type(usage).__name__}; pass the provider's usage object, or a mapping")
    dumped: Mapping[str, Any] = dump(exclude_unset=True)
    return dumped
