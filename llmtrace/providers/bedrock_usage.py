"""Bedrock's usage objects: Converse counts caches beside its input, and InvokeModel answers in the model's own shape.

A model's name tells where it runs: `us.`, `eu.` and their like keep inference in a geography, `global.` does not, and
a bare name stays in the region that was asked. Models are priced by that.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from llmtrace.model import Quantity, RawUsage, Usage
from llmtrace.providers import anthropic_usage, compatible_usage
from llmtrace.providers.amounts import InvalidUsage, as_count, count, read_count, require
from llmtrace.providers.base import Billing, UsageFamily, as_list, as_mapping, as_text

INPUT = ("inputTokens", "inputTokenCount", "inputTextTokenCount", "prompt_token_count")
OUTPUT = ("outputTokens", "outputTokenCount", "generation_token_count")
# The counts beside a body that has none; headers carry them as text.
HEADERS = (("x-amzn-bedrock-input-token-count", INPUT[0]), ("x-amzn-bedrock-output-token-count", OUTPUT[0]))
READ = ("cacheReadInputTokens", "cacheReadInputTokenCount")
WRITTEN = ("cacheWriteInputTokens", "cacheWriteInputTokenCount")
TTLS = {"5m": "cache_write_5m", "1h": "cache_write_1h"}
GEOGRAPHIES = frozenset({"us", "us-gov", "eu", "apac", "jp", "au", "ca", "in", "sa"})
REGIONAL = "regional"


def read_model(name: str) -> tuple[str, Mapping[str, Any]]:
    """The model that NAME, an id, an inference profile or an ARN, stands for, and the `region` it is priced by."""
    model = unquote(name).rpartition("/")[2]
    scope, _, rest = model.partition(".")
    if scope == "global":
        return rest, {"region": None}
    return (rest, {"region": scope}) if scope in GEOGRAPHIES else (model, {"region": REGIONAL})


def normalise(usage: RawUsage) -> Usage:
    """USAGE in llmtrace's words: cache reads and writes are added to the input."""
    if _is_anthropic(usage):
        return anthropic_usage.normalise(usage)
    if _is_openai(usage):
        return compatible_usage.normalise(usage)
    usage = _as_converse(usage)
    fresh, read, written = read_count(usage, *INPUT), read_count(usage, *READ), read_count(usage, *WRITTEN)
    return Usage(
        input_tokens=None if fresh is None else fresh + (read or 0) + (written or 0),
        cached_input_tokens=read,
        cache_write_tokens=written,
        output_tokens=read_count(usage, *OUTPUT),
    )


def denormalise(usage: Usage) -> RawUsage:
    """USAGE as Converse would report it: for counts that are not the provider's own."""
    cached, written = usage.cached_input_tokens or 0, usage.cache_write_tokens or 0
    return {
        "inputTokens": None if usage.input_tokens is None else usage.input_tokens - cached - written,
        "cacheReadInputTokens": cached,
        "cacheWriteInputTokens": written,
        "outputTokens": usage.output_tokens,
    }


def bill(usage: RawUsage, stated: Mapping[str, Any], finish_reasons: tuple[str, ...]) -> Billing:
    """USAGE as disjoint quantities, under what the call STATED.

    Raises:
        InvalidUsage: the parts are not the total, or there is no input count.
    """
    if _is_anthropic(usage):
        return anthropic_usage.bill(usage, stated, finish_reasons)
    if _is_openai(usage):
        return compatible_usage.bill(usage, stated, finish_reasons)
    usage = _as_converse(usage)
    fresh, output = require(usage, *INPUT), count(usage, *OUTPUT) or 0
    read, written = count(usage, *READ) or 0, count(usage, *WRITTEN) or 0
    total = count(usage, "totalTokens")
    if total is not None and total != fresh + read + written + output:
        raise InvalidUsage(f"input, caches and output are not the total of {total} tokens")
    quantities = (
        Quantity("input_uncached", Decimal(fresh)),
        Quantity("input_cached", Decimal(read)),
        *_writes(usage, written),
        Quantity("output", Decimal(output)),
    )
    tier = as_text(stated.get("service_tier"))
    return Billing(quantities, compatible_usage.read_conditions(stated, tier, fresh + read + written))


def _is_anthropic(usage: RawUsage) -> bool:
    return "input_tokens" in usage and "total_tokens" not in usage and "input_tokens_details" not in usage


def _is_openai(usage: RawUsage) -> bool:
    return "prompt_tokens" in usage or "input_tokens" in usage


def _as_converse(usage: RawUsage) -> RawUsage:
    """USAGE with what headers and Titan's `results` tell under Converse's names."""
    told: dict[str, Any] = {}
    for header, name in HEADERS:
        text = usage.get(header)
        if text is not None:
            told[name] = int(text) if isinstance(text, str) and text.isdecimal() else text
    outputs = [as_count(as_mapping(r).get("tokenCount")) for r in as_list(usage.get("results"))]
    counts = [n for n in outputs if n is not None]
    return {**usage, **told, **({OUTPUT[0]: sum(counts)} if counts else {})}


def _writes(usage: RawUsage, written: int) -> list[Quantity]:
    """Cache writes by how long they are kept; without a split they are taken as 5 minutes, the default."""
    split: dict[str, int] = {}
    for detail in map(as_mapping, as_list(usage.get("cacheDetails"))):
        component = TTLS.get(str(detail.get("ttl")))
        if component is not None:
            split[component] = split.get(component, 0) + require(detail, "inputTokens")
    assumed = written - sum(split.values())
    if assumed < 0:
        raise InvalidUsage(f"cacheDetails hold more than the {written} tokens that were written")
    parts = [Quantity(component, Decimal(n)) for component, n in split.items()]
    if assumed:
        parts.append(Quantity("cache_write_5m", Decimal(assumed), assumption="taken as a 5-minute cache write"))
    return parts


FAMILY = UsageFamily(
    providers=frozenset({"aws.bedrock"}),
    normalise=normalise,
    denormalise=denormalise,
    bill=bill,
    read_model=read_model,
)
