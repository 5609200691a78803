"""How much a call may cost, told before it is sent: an upper bound where the request bounds its answer.

The prompt is counted by its length, at three characters a token (English has four), and a picture or a sound as 1,600.
The answer is as long as the request allows; where it does not say, as long as the longest lately of the same feature
and model; where there was none yet, 1,024 tokens.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from llmtrace.budgets.budget import to_nano
from llmtrace.model import Call, Request, Usage
from llmtrace.pricing import CurrentPrices, PricingFacts, price_usage
from llmtrace.providers import find_usage

CHARACTERS_PER_TOKEN = 3
MEDIA_TOKENS = 1600
DEFAULT_OUTPUT_TOKENS = 1024
MOST_NODES = 20_000
# Longer prompts are priced by themselves: some models have other prices for them.
SMALL_TOKENS = 100_000
RATES_KEPT_S = 300.0
MOST_KNOWN = 1000
FORGETTING = 0.98
NO_OUTPUT = frozenset({"embeddings"})
FREE = frozenset({"not_billed", "committed"})
PLAIN_TIERS = frozenset({None, "auto", "default", "standard", "standard_only"})


class _Rates(NamedTuple):
    """Billionths of a dollar for each token, and until when (of the monotonic clock) they are taken for true."""

    input_nano: float
    output_nano: float
    until_s: float


class Estimator:
    """Estimates calls by the prices of HOME. Usable from any thread."""

    def __init__(self, home: Path) -> None:
        """Read the book of prices now, and not with the first call."""
        self._prices = CurrentPrices(home)
        self._prices.book()
        self._rates: dict[tuple[Any, ...], _Rates | None] = {}
        self._longest: dict[tuple[str | None, str | None], float] = {}

    def estimate(self, request: Request, body: Mapping[str, Any], feature: str | None) -> int | None:
        """Billionths of a dollar that a call with REQUEST, whose JSON is BODY, may cost; None where nobody knows."""
        prompt = count_prompt(body)
        answer = self._output_tokens(request, feature)
        if prompt > SMALL_TOKENS:
            return self._price(request, prompt, answer)
        rates = self._rates_of(request)
        return None if rates is None else int(prompt * rates.input_nano + answer * rates.output_nano) + 1

    def learn(self, call: Call) -> None:
        """Remember how long the answer of CALL was."""
        tokens = call.usage.output_tokens
        if tokens is None:
            return
        key = (call.feature, call.request.model)
        if key in self._longest or len(self._longest) < MOST_KNOWN:
            self._longest[key] = max(float(tokens), self._longest.get(key, 0.0) * FORGETTING)

    def cost(self, call: Call) -> int | None:
        """Billionths of a dollar that CALL cost; None where nobody knows."""
        from llmtrace.pricing import price_call

        cost = price_call(self._prices.book(), call)
        return 0 if cost.status in FREE else to_nano(cost.total_usd)

    def _output_tokens(self, request: Request, feature: str | None) -> float:
        if request.operation in NO_OUTPUT:
            return 0
        choices = request.choice_count or 1
        if request.max_tokens is not None:
            return request.max_tokens * choices
        return self._longest.get((feature, request.model), DEFAULT_OUTPUT_TOKENS) * choices

    def _rates_of(self, request: Request) -> _Rates | None:
        tier = request.service_tier if request.service_tier not in PLAIN_TIERS else None
        key = (request.provider, request.model, request.endpoint, request.server_address, tier)
        known = self._rates.get(key)
        if known is not None and known.until_s > time.monotonic():
            return known
        asked, answered = self._price(request, 10_000, 0), self._price(request, 10_000, 10_000)
        rates = None
        if asked is not None and answered is not None:
            rates = _Rates(asked / 10_000, (answered - asked) / 10_000, time.monotonic() + RATES_KEPT_S)
        if len(self._rates) >= MOST_KNOWN:
            self._rates.clear()
        self._rates[key] = rates
        return rates

    def _price(self, request: Request, prompt: float, answer: float) -> int | None:
        """The price of a call of PROMPT and ANSWER tokens, as the book has it for REQUEST."""
        family = find_usage(request.provider)
        if family is None:
            return None
        usage = Usage(input_tokens=int(prompt), output_tokens=None if request.operation in NO_OUTPUT else int(answer))
        facts = PricingFacts(
            provider=request.provider,
            models=(request.model,) if request.model else (),
            at=datetime.now(UTC),
            endpoint=request.endpoint,
            host=request.server_address,
            conditions={} if request.service_tier in PLAIN_TIERS else {"service_tier": request.service_tier},
        )
        cost = price_usage(self._prices.book(), family.denormalise(usage), facts)
        if cost.status in FREE:
            return 0
        return to_nano(cost.total_usd) if cost.total_usd is not None and cost.total_usd >= Decimal(0) else None


def count_prompt(body: Mapping[str, Any]) -> float:
    """About how many tokens the texts in BODY, the JSON of a request, have; rather too many than too few."""
    tokens = 0.0
    waiting: list[Any] = list(body.values())
    for _ in range(MOST_NODES):
        if not waiting:
            break
        value = waiting.pop()
        if isinstance(value, str):
            tokens += _count_text(value)
        elif isinstance(value, bytes):
            tokens += MEDIA_TOKENS
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)
    return tokens


def _count_text(text: str) -> float:
    length = len(text)
    if length > 256 and (text.startswith("data:") or _looks_like_bytes(text)):
        return MEDIA_TOKENS
    return length / CHARACTERS_PER_TOKEN if text.isascii() else length


def _looks_like_bytes(text: str) -> bool:
    """Whether TEXT is base64: its first characters are all sorts of letters and digits, and nothing else."""
    head = text[:256].replace("+", "a").replace("/", "a").replace("-", "a").replace("_", "a")
    is_plain = head.isascii() and head.isalnum() and not head.isalpha()
    return is_plain and not head.islower() and not head.isupper()
