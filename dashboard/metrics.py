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
    measure that decides which groups are the top ones. A metric that is no sum cannot be stacked or accumulated. Of
    fewer than `least` calls, counted in the column `sample`, it says little.
    """

    name: str
    label: str
    axis: str
    rank: str
    value: Callable[[Row], Decimal | int | None]
    text: Callable[[Any], str]
    is_sum: bool = True
    is_money: bool = False
    sample: str = "calls"
    least: int = 0

    def is_thin(self, row: Row) -> bool:
        """Whether ROW is of too few calls to say much."""
        return (row[self.sample] or 0) < self.least

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

# A percentile of fewer calls than these is hardly another figure than the largest of them.
LEAST = {50: 5, 95: 20, 99: 100}


def _percentile(name: str, label: str, which: int, column: str, sample: str) -> Metric:
    return Metric(
        name, label, "seconds", "calls", _measure(column), fmt.seconds, is_sum=False, sample=sample, least=LEAST[which]
    )


def speed(value: float | None) -> str:
    """VALUE tokens a second."""
    return fmt.UNKNOWN if value is None else f"{value:,.0f} tokens/s"


TIMES: tuple[Metric, ...] = (
    _percentile("p50", "p50", 50, "latency_p50_s", "calls"),
    _percentile("p95", "p95", 95, "latency_p95_s", "calls"),
    _percentile("p99", "p99", 99, "latency_p99_s", "calls"),
    _percentile("ttft50", "TTFT p50", 50, "ttft_p50_s", "streamed"),
    _percentile("ttft95", "TTFT p95", 95, "ttft_p95_s", "streamed"),
    Metric(
        "speed", "Tokens per second", "output tokens per second", "calls", _measure("tokens_per_s_p50"), speed,
        is_sum=False, sample="timed", least=LEAST[50],
    ),
)  # fmt: skip
FAILED = Metric("failed", "Failed calls", "failed calls per {}", "errors", _measure("errors"), fmt.count)
