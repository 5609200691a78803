"""Google's usage objects: cached tokens are inside the prompt; thoughts and the prompts of tools are beside the rest.

One family for the Gemini API and Vertex AI, which differ in price; Vertex AI also answers in Anthropic's shape, and
the Gemini API in OpenAI's and in that of its interactions.

Sources: https://ai.google.dev/api/generate-content#UsageMetadata, https://ai.google.dev/gemini-api/docs/pricing
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from llmtrace.model import Quantity, RawUsage, Usage
from llmtrace.providers import anthropic_usage
from llmtrace.providers.amounts import InvalidUsage, as_count, as_money, count, read_count, require
from llmtrace.providers.base import Billing, UsageFamily, as_list, as_mapping, as_text
from llmtrace.providers.compatible_usage import Read, read_conditions

PROMPT, CACHED, TOOLS = "promptTokenCount", "cachedContentTokenCount", "toolUsePromptTokenCount"
ANSWER, THOUGHTS, TOTAL = "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount"
# Names of the same counts in other APIs of Google's.
INTERACTIONS = {
    "total_input_tokens": PROMPT,
    "total_cached_tokens": CACHED,
    "total_tool_use_tokens": TOOLS,
    "total_output_tokens": ANSWER,
    "total_thought_tokens": THOUGHTS,
    "total_tokens": TOTAL,
    "input_tokens_by_modality": "promptTokensDetails",
}
LIVE = {"responseTokenCount": ANSWER, "responseTokensDetails": "candidatesTokensDetails"}
COMPATIBLE = {"prompt_tokens": PROMPT, "completion_tokens": ANSWER, "total_tokens": TOTAL}
PROMPT_DETAILS = ("promptTokensDetails", "promptTokenDetails")
CACHED_DETAILS = ("cacheTokensDetails",)
ANSWER_DETAILS = ("candidatesTokensDetails",)
# Vertex AI's words for who served a request; `1` is how some answers number it.
TIERS = {"on_demand_priority": "priority", "on_demand_flex": "flex", "1": "on_demand"}
COMMITTED = frozenset({"provisioned_throughput", "2"})
FREE_FIRST = "beyond the free allowance, which is the account's"
SECONDS_PER_HOUR = 3600


def read_model(name: str) -> tuple[str, Mapping[str, Any]]:
    """The model that NAME, bare or a resource such as `models/gemini-2.5-pro`, stands for."""
    return name.rpartition("/")[2], {}


def normalise(usage: RawUsage) -> Usage:
    """USAGE in llmtrace's words: the prompts of tools are added to the input, thoughts to the output."""
    if _is_anthropic(usage):
        return anthropic_usage.normalise(usage)
    usage = _as_generate_content(usage)
    prompt, answer, thoughts = (read_count(usage, n) for n in (PROMPT, ANSWER, THOUGHTS))
    details = _by_modality(usage, PROMPT_DETAILS, read_count)
    answered = _by_modality(usage, ANSWER_DETAILS, read_count)
    return Usage(
        input_tokens=None if prompt is None else prompt + (read_count(usage, TOOLS) or 0),
        cached_input_tokens=read_count(usage, CACHED),
        output_tokens=None if answer is None and thoughts is None else (answer or 0) + (thoughts or 0),
        reasoning_tokens=thoughts,
        input_audio_tokens=details.get("AUDIO"),
        output_audio_tokens=answered.get("AUDIO"),
        image_tokens=details.get("IMAGE"),
    )


def denormalise(usage: Usage) -> RawUsage:
    """USAGE as Google would report it: for counts that are not the provider's own."""
    audio, said = usage.input_audio_tokens, usage.output_audio_tokens
    return {
        PROMPT: usage.input_tokens,
        CACHED: usage.cached_input_tokens,
        ANSWER: None if usage.output_tokens is None else usage.output_tokens - (usage.reasoning_tokens or 0),
        THOUGHTS: usage.reasoning_tokens,
        PROMPT_DETAILS[0]: [{"modality": "AUDIO", "tokenCount": audio}] if audio else [],
        ANSWER_DETAILS[0]: [{"modality": "AUDIO", "tokenCount": said}] if said else [],
    }


def bill(usage: RawUsage, stated: Mapping[str, Any], finish_reasons: tuple[str, ...]) -> Billing:
    """USAGE as disjoint quantities, under what it and the call STATED.

    Raises:
        InvalidUsage: a part is larger than its whole, the parts are not the total, or there is no prompt.
    """
    if _is_anthropic(usage):
        return anthropic_usage.bill(usage, stated, finish_reasons)
    if "cachedContent" in usage:
        return Billing((_storage(as_mapping(usage["cachedContent"])),))
    usage = _as_generate_content(usage)
    prompt = require(usage, PROMPT)
    answer, thoughts, tools = (count(usage, n) or 0 for n in (ANSWER, THOUGHTS, TOOLS))
    total = count(usage, TOTAL)
    if total is not None and total != prompt + answer + thoughts + tools:
        raise InvalidUsage(f"prompt, tools, answer and thoughts are not the total of {total} tokens")
    quantities = [*_input(usage, prompt, tools), *_output(usage, answer, thoughts), *_grounding(stated)]
    served = (as_text(usage.get("serviceTier")) or str(usage.get("trafficType") or "")).lower()
    tier = TIERS.get(served, served) or as_text(stated.get("service_tier"))
    conditions = read_conditions(stated, tier, prompt) | {"thinking": thoughts > 0}
    return Billing(tuple(quantities), conditions, committed=served in COMMITTED)


def _is_anthropic(usage: RawUsage) -> bool:
    return "input_tokens" in usage


def _as_generate_content(usage: RawUsage) -> RawUsage:
    """USAGE under the names of `generateContent`, whichever API it came from."""
    if "responseTokenCount" in usage:
        return _as_turn({LIVE.get(key, key): value for key, value in usage.items()})
    if any(name in usage for name in (PROMPT, ANSWER, TOTAL)):
        return usage
    names = INTERACTIONS if "total_input_tokens" in usage else COMPATIBLE
    told = {**usage, **{names[key]: value for key, value in usage.items() if key in names}}
    if names is COMPATIBLE:
        told[CACHED] = as_mapping(usage.get("prompt_tokens_details")).get("cached_tokens")
        beside = (
            (as_count(told.get(TOTAL)) or 0) - (as_count(told.get(PROMPT)) or 0) - (as_count(told.get(ANSWER)) or 0)
        )
        # The total holds the thoughts that `completion_tokens` leaves out.
        told[THOUGHTS] = max(beside, 0) if told.get(PROMPT) is not None else None
    return told


def _as_turn(usage: dict[str, Any]) -> RawUsage:
    """USAGE of a turn of a live session, whose total leaves the thoughts out, with a total that has them."""
    parts = sum(as_count(usage.get(name)) or 0 for name in (PROMPT, ANSWER, TOOLS))
    thoughts = as_count(usage.get(THOUGHTS)) or 0
    return {**usage, TOTAL: parts + thoughts} if usage.get(TOTAL) == parts else usage


def _by_modality(usage: RawUsage, names: tuple[str, ...], read: Read) -> dict[str, int]:
    """Tokens by modality, in capitals, of the first of NAMES that USAGE has."""
    sums: dict[str, int] = {}
    details = next((d for n in names if (d := as_list(usage.get(n)))), ())
    for detail in map(as_mapping, details):
        modality = str(detail.get("modality")).upper()
        sums[modality] = sums.get(modality, 0) + (read(detail, "tokenCount", "tokens") or 0)
    return sums


def _input(usage: RawUsage, prompt: int, tools: int) -> list[Quantity]:
    """The prompt and those of tools by how they are priced: audio has rates of its own, all else those of text."""
    cached = count(usage, CACHED) or 0
    audio = _by_modality(usage, PROMPT_DETAILS, count).get("AUDIO", 0)
    split = _by_modality(usage, CACHED_DETAILS, count)
    assumed = None
    if split or not audio:
        cached_audio = split.get("AUDIO", 0)
    else:
        cached_audio = max(cached - (prompt - audio), 0)
        assumed = "cached tokens are taken as text first" if cached else None
    text, cached_text = prompt - audio - (cached - cached_audio), cached - cached_audio
    if min(text, cached_text, audio - cached_audio) < 0:
        raise InvalidUsage(f"cached and audio tokens exceed the prompt of {prompt} tokens")
    return [
        Quantity("input_uncached", Decimal(text)),
        Quantity("input_uncached", Decimal(tools)),
        Quantity("input_cached", Decimal(cached_text), assumption=assumed),
        Quantity("input_audio", Decimal(audio - cached_audio)),
        Quantity("input_audio_cached", Decimal(cached_audio), assumption=assumed),
    ]


def _output(usage: RawUsage, answer: int, thoughts: int) -> list[Quantity]:
    """The answer by modality; thoughts are billed as text."""
    split = _by_modality(usage, ANSWER_DETAILS, count)
    image, audio = split.get("IMAGE", 0), split.get("AUDIO", 0)
    if image + audio > answer:
        raise InvalidUsage(f"image and audio tokens exceed the answer of {answer} tokens")
    return [
        Quantity("output", Decimal(answer - image - audio)),
        Quantity("output", Decimal(thoughts)),
        Quantity("output_image", Decimal(image)),
        Quantity("output_audio", Decimal(audio)),
    ]


def _grounding(stated: Mapping[str, Any]) -> list[Quantity]:
    """Fees for grounding, by prompt or by query after the model's generation: usage does not tell them."""
    return [
        Quantity(component, Decimal(n), "call", assumption=FREE_FIRST)
        for component, n in (
            ("grounded_prompt", count(stated, "grounded_prompts") or 0),
            ("grounding_query", count(stated, "grounding_queries") or 0),
        )
        if n
    ]


def _storage(content: Mapping[str, Any]) -> Quantity:
    """What keeping CONTENT in a cache is billed by: its tokens, for as long as it lives."""
    hours = as_money(content.get("ttl_hours"))
    if hours is None:
        seconds = as_money(str(content.get("ttl")).removesuffix("s"))
        if seconds is None:
            raise InvalidUsage("cachedContent tells neither ttl nor ttl_hours")
        hours = seconds / SECONDS_PER_HOUR
    tokens = require(as_mapping(content.get("usageMetadata")) or content, TOTAL)
    return Quantity("cache_storage", tokens * hours, "token-hour")


FAMILY = UsageFamily(
    providers=frozenset({"gcp.gemini", "gcp.vertex_ai", "gcp.gen_ai"}),
    normalise=normalise,
    denormalise=denormalise,
    bill=bill,
    read_model=read_model,
)
