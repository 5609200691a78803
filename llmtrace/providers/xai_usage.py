"""xAI's usage objects: OpenAI's, with reasoning beside the output of chat completions and inside that of responses.

`cost_in_usd_ticks` is what the call cost, tools included, in ten-billionths of a US dollar. Speech and transcripts tell
no cost: they are billed by the characters that are spoken, and by the seconds that are heard.

Source: https://docs.x.ai/docs/api-reference
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from llmtrace.model import Quantity, RawUsage
from llmtrace.providers import compatible_usage, openai_usage
from llmtrace.providers.amounts import MAX_COUNT, as_money, count, measure
from llmtrace.providers.base import TOKENS, Billing, UsageFamily
from llmtrace.providers.reported_usage import bill_reported

TICKS_PER_USD = 10**10


def read_cost(usage: RawUsage) -> Decimal | None:
    """What xAI says that the call cost, in US dollars."""
    ticks = as_money(usage.get("cost_in_usd_ticks"), MAX_COUNT * TICKS_PER_USD)
    return None if ticks is None else ticks / TICKS_PER_USD


_bill_tokens = bill_reported(read_cost)


def bill(usage: RawUsage, stated: Mapping[str, Any], finish_reasons: tuple[str, ...]) -> Billing:
    """The cost that USAGE reports, or else its disjoint quantities, under what the call STATED.

    Raises:
        InvalidUsage: an amount is no amount, or a part is larger than its whole.
    """
    if read_cost(usage) is None and TOKENS.isdisjoint(usage):
        characters = count(usage, "input_characters")
        if characters is not None:
            return Billing((Quantity("characters", Decimal(characters), "character"),))
        seconds = measure(usage, "seconds" if "seconds" in usage else "duration")
        if seconds is not None:
            return Billing((Quantity("seconds", seconds, "second"),))
    return _bill_tokens(usage, stated, finish_reasons)


FAMILY = UsageFamily(
    providers=frozenset({"x_ai"}),
    normalise=compatible_usage.normalise,
    denormalise=openai_usage.denormalise,
    bill=bill,
    request_units=frozenset({"input_characters"}),
    unnamed={"audio.speech": "text-to-speech", "audio.transcriptions": "speech-to-text"},
)
