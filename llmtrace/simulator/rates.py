"""What the simulator's providers charge: rates as their pages print them, for the models that examples ask.

The numbers are kept apart from the price book, so that a bill from here is a second opinion on it.

Sources: https://developers.openai.com/api/docs/pricing and https://platform.claude.com/docs/en/about-claude/pricing
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

HALF = Decimal("0.5")
# Both providers bill batches by half, and OpenAI flex like a batch.
FACTORS: Mapping[str, Decimal] = {
    "default": Decimal(1),
    "standard": Decimal(1),
    "batch": HALF,
    "flex": HALF,
}
CLASSES = ("input_uncached", "input_cached", "cache_write_5m", "cache_write_1h", "output")
# US dollars for a million, in the order of CLASSES; None where there is no such class.
RATES: Mapping[str, tuple[str | None, ...]] = {
    "gpt-4o": ("2.50", "1.25", None, None, "10"),
    "gpt-4o-mini": ("0.15", "0.075", None, None, "0.60"),
    "gpt-4.1": ("2", "0.50", None, None, "8"),
    "gpt-4.1-mini": ("0.40", "0.10", None, None, "1.60"),
    "gpt-5": ("1.25", "0.125", None, None, "10"),
    "gpt-5-mini": ("0.25", "0.025", None, None, "2"),
    "text-embedding-3-small": ("0.02", None, None, None, None),
    "text-embedding-3-large": ("0.13", None, None, None, None),
    "claude-haiku-4-5": ("1", "0.10", "1.25", "2", "5"),
    "claude-sonnet-4-5": ("3", "0.30", "3.75", "6", "15"),
    "claude-sonnet-4-6": ("3", "0.30", "3.75", "6", "15"),
    "claude-opus-4-5": ("5", "0.50", "6.25", "10", "25"),
}
SEARCH_RATE = Decimal(10_000)  # $10 for a thousand
DATED = re.compile(r"-\d{4}-?\d\d-?\d\d$")


@dataclass(frozen=True, slots=True)
class Charge:
    """A rate of one's own: US dollars for a million of `token_class` of `model`, before the tier's factor."""

    model: str
    token_class: str
    usd_per_mtok: Decimal
    since: datetime


def find_rate(charges: Sequence[Charge], model: str, token_class: str, tier: str, at: datetime) -> Decimal | None:
    """US dollars for a million of TOKEN_CLASS of MODEL served by TIER AT; None where none is known."""
    if token_class == "web_search":
        return SEARCH_RATE
    factor = FACTORS.get(tier)
    own = [c for c in charges if (c.model, c.token_class) == (model, token_class) and c.since <= at]
    printed = RATES.get(model) or RATES.get(DATED.sub("", model))
    if factor is None or (not own and (printed is None or token_class not in CLASSES)):
        return None
    if own:
        return max(own, key=lambda charge: charge.since).usd_per_mtok * factor
    rate = printed[CLASSES.index(token_class)] if printed else None
    return Decimal(rate) * factor if rate is not None else None
