"""Usage objects that say what the call cost: the provider's own amount is the price."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from llmtrace.model import RawUsage
from llmtrace.providers import compatible_usage
from llmtrace.providers.base import Billing

Bill = Callable[[RawUsage, Mapping[str, Any], tuple[str, ...]], Billing]


def bill_reported(read_cost: Callable[[RawUsage], Decimal | None]) -> Bill:
    """A `bill` that takes the amount READ_COST finds, and counts tokens only where it finds none."""

    def bill(usage: RawUsage, stated: Mapping[str, Any], finish_reasons: tuple[str, ...]) -> Billing:
        reported = read_cost(usage)
        if reported is not None:
            return Billing((), reported_usd=reported)
        return compatible_usage.bill(usage, stated, finish_reasons)

    return bill
