"""Groq's usage objects: OpenAI's, with times beside the counts. Reasoning is inside the output.

Transcriptions are billed by the second, ten of them at least.

Sources: https://console.groq.com/docs/api-reference, https://console.groq.com/docs/speech-to-text
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from llmtrace.model import Quantity, RawUsage
from llmtrace.providers import compatible_usage, openai_usage
from llmtrace.providers.amounts import measure
from llmtrace.providers.base import Billing, UsageFamily

SECONDS = ("seconds", "audio_seconds", "duration")
LEAST_SECONDS = Decimal(10)
AT_LEAST = "billed as ten seconds, the least that a transcription is billed as"


def bill(usage: RawUsage, stated: Mapping[str, Any], finish_reasons: tuple[str, ...]) -> Billing:
    """USAGE as disjoint quantities, under what the call STATED.

    Raises:
        InvalidUsage: a count contradicts its whole, or an amount is none.
    """
    seconds = next((amount for name in SECONDS if (amount := measure(usage, name)) is not None), None)
    if seconds is None or "prompt_tokens" in usage:
        return compatible_usage.bill(usage, stated, finish_reasons)
    is_short = seconds < LEAST_SECONDS
    heard = Quantity("seconds", max(seconds, LEAST_SECONDS), "second", assumption=AT_LEAST if is_short else None)
    return Billing((heard,), compatible_usage.read_conditions(stated, None, 0))


FAMILY = UsageFamily(
    providers=frozenset({"groq"}),
    normalise=compatible_usage.normalise,
    denormalise=openai_usage.denormalise,
    bill=bill,
)
