"""DeepSeek's usage objects: the input is what a cache had (`prompt_cache_hit_tokens`) and what it had not.

Source: https://api-docs.deepseek.com/guides/kv_cache
"""

from collections.abc import Mapping
from typing import Any

from llmtrace.model import RawUsage
from llmtrace.providers import compatible_usage, openai_usage
from llmtrace.providers.amounts import InvalidUsage, count
from llmtrace.providers.base import Billing, UsageFamily

HIT, MISS = "prompt_cache_hit_tokens", "prompt_cache_miss_tokens"


def bill(usage: RawUsage, stated: Mapping[str, Any], finish_reasons: tuple[str, ...]) -> Billing:
    """USAGE as disjoint quantities, under what the call STATED.

    Raises:
        InvalidUsage: hits and misses are not the input, or another count contradicts its whole.
    """
    hit, miss, total_in = count(usage, HIT), count(usage, MISS), count(usage, "prompt_tokens")
    if None not in (hit, miss, total_in) and (hit or 0) + (miss or 0) != total_in:
        raise InvalidUsage(f"{hit} hits and {miss} misses of the cache are not the input of {total_in} tokens")
    return compatible_usage.bill(usage, stated, finish_reasons)


FAMILY = UsageFamily(
    providers=frozenset({"deepseek"}),
    normalise=compatible_usage.normalise,
    denormalise=openai_usage.denormalise,
    bill=bill,
)
