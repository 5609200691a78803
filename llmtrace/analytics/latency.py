"""Questions about how long calls take: percentiles by group and over time, their distribution, the speed of output."""

from typing import Any

import ibis
import ibis.expr.types as ir
from ibis import _

from llmtrace.analytics.grouping import key_of, lumped, moment_bucket, whole
from llmtrace.analytics.tables import percentiles
from llmtrace.errors import QueryError

BINS_PER_DECADE = 10
TIMED = ("duration_s", "ttft_s")


def latency_report(calls: ir.Table, by: str = "feature", limit: Any = 200) -> ir.Table:
    """Percentiles of latency, time to first token and tokens per second for each group, most calls first.

    `streamed` and `timed` are how many calls those of the first token and of the speed are of.
    """
    grouped = calls.group_by(key=key_of(calls, by)).aggregate(**_measured(), latency_max_s=_.duration_s.max())
    return grouped.order_by([ibis.desc("calls"), ibis.asc("key")]).limit(whole("limit", limit, 1, 1000))


def latency_totals(calls: ir.Table) -> ir.Table:
    """The same over all calls."""
    return calls.aggregate(**_measured(), latency_max_s=_.duration_s.max())


def latency_top_series(calls: ir.Table, by: str = "feature", bucket: str = "day", top: int = 8) -> ir.Table:
    """The same over time, for each of the TOP groups by calls, and for the others together."""
    return (
        lumped(calls, by, top, "calls")
        .group_by(at=moment_bucket(_, bucket), key=_.group, is_other=_.is_other)
        .aggregate(**_measured())
        .order_by(["at", "is_other", "key"])
    )


def latency_histogram(calls: ir.Table, of: str = "duration_s") -> ir.Table:
    """How many calls took how long: `bin` n is from 10^(n/10) seconds to 10^((n+1)/10)."""
    if of not in TIMED:
        raise QueryError(f"there is a histogram of {' and of '.join(TIMED)}, not of '{of}'")
    taken = calls.filter(calls[of] > 0)
    return (
        taken.group_by(bin=(taken[of].log10() * BINS_PER_DECADE).floor().cast("int64"))
        .aggregate(calls=_.count())
        .order_by("bin")
    )


def _measured() -> dict[str, Any]:
    after_first_s = _.duration_s - ibis.coalesce(_.ttft_s, 0.0)
    is_timed = (_.output_tokens > 0) & (after_first_s > 0)
    speed = ibis.ifelse(is_timed, _.output_tokens / after_first_s.nullif(0.0), ibis.null("float64"))
    return {
        "calls": _.count(),
        **percentiles("latency", _.duration_s, (50, 95, 99)),
        "streamed": _.ttft_s.count(),
        **percentiles("ttft", _.ttft_s, (50, 95)),
        "timed": is_timed.sum(),
        "tokens_per_s_p50": speed.quantile(0.5),
    }
