"""What the explorer can draw: each metric reads a row of measures, and says how its values are written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from . import format as fmt

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of any group of calls.

    `name` stands in addresses, `label` on the page, `axis` on a chart with the bucket in place of `{}`. `rank` is the
    measure that decides which groups are the top ones. A metric that is no sum cannot be stacked or accumulated.
    """

    name: str
    label: str
    axis: str
    rank: str
    value: Callable[[Row], Decimal | int | None]
    text: Callable[[Any], str]
    is_sum: bool = True
    is_money: bool = False

    def show(self, row: Row) -> str:
        """The value of ROW, and that it is at least that where calls have no price."""
        value = self.value(row)
        return ("≥ " if self.is_money and row["unpriced_calls"] and value is not None else "") + self.text(value)


def _measure(name: str) -> Callable[[Row], Any]:
    return lambda row: row[name]


METRICS: tuple[Metric, ...] = (
    Metric("spend", "Spend", "US dollars per {}", "cost_usd", _measure("cost_usd"), fmt.money, is_money=True),
    Metric("calls", "Calls", "calls per {}", "calls", _measure("calls"), fmt.count),
    Metric("input", "Input tokens", "input tokens per {}", "input_tokens", _measure("input_tokens"), fmt.tokens),
    Metric("output", "Output tokens", "output tokens per {}", "output_tokens", _measure("output_tokens"), fmt.tokens),
    Metric(
        "per1k", "$ per 1k calls", "US dollars per 1,000 calls", "cost_usd", fmt.per_thousand, fmt.money,
        is_sum=False, is_money=True,
    ),
)  # fmt: skip
SPEND = METRICS[0]
