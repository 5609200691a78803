from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from llmtrace.dashboard import theme
from llmtrace.dashboard.changes import lines_of, lumped
from llmtrace.dashboard.charts import bars, errors, frame, latency, series
from llmtrace.dashboard.groups import OTHERS, Group, coloured, ordered
from llmtrace.dashboard.metrics import METRICS
from llmtrace.dashboard.period import Period

START = datetime(2026, 11, 2, 6)
END = datetime(2026, 11, 6, 12)
PERIOD = Period("the last days", START, None, START, END)
DAYS = [datetime(2026, 11, day) for day in range(2, 7)]


def row(day: int, key: str | None, cost: str | None, calls: int = 10, *, is_other: bool = False) -> dict[str, Any]:
    return {
        "at": datetime(2026, 11, day),
        "key": key,
        "is_other": is_other,
        "cost_usd": None if cost is None else Decimal(cost),
        "calls": calls,
        "errors": 0,
        "input_tokens": 1000 * calls,
        "output_tokens": 100 * calls,
        "unpriced_calls": 0 if cost is not None else calls,
    }


ROWS = [
    row(2, "chat", "1.50"),
    row(3, "chat", "2"),
    row(3, "search", "0.25"),
    row(5, None, "0.10"),
    row(5, None, "3", is_other=True),
    row(6, "acme", None),
]


def stacked(name: str = "spend", **options: Any) -> Any:
    drawn = series.series_of(ROWS, next(m for m in METRICS if m.name == name), PERIOD, "day")
    return series.over_time(drawn, coloured(drawn.groups, ("chat", "search")), **options)


def values(figure: Any, name: str) -> dict[datetime, Any]:
    found: dict[datetime, Any] = {}
    for trace in figure.data:
        if trace.name == name:
            found |= dict(zip(trace.x, trace.y, strict=True))
    return dict(sorted(found.items()))


def test_sums_are_stacked_and_zero_where_nothing_was_called() -> None:
    figure = stacked()
    assert figure.layout.barmode == "stack"
    assert list(values(figure, "chat").values()) == [1.5, 2.0, 0.0, 0.0, 0.0]
    assert list(values(figure, "chat")) == DAYS


def test_the_bars_of_a_bucket_add_up_to_its_total() -> None:
    assert sum(trace.y[list(trace.x).index(DAYS[3])] for trace in stacked().data if DAYS[3] in trace.x) == 3.1


def test_buckets_that_are_not_covered_whole_are_paler() -> None:
    cut = [trace for trace in stacked().data if trace.marker.pattern.shape]
    assert {at for trace in cut for at in trace.x} == {DAYS[0], DAYS[4]}
    assert all(trace.marker.opacity < 1 and not trace.showlegend for trace in cut)


def test_the_largest_group_is_lowest_and_the_others_come_last() -> None:
    names = list(dict.fromkeys(trace.name for trace in stacked().data))
    assert names == ["chat", "search", "acme", "(untagged)", "(other)"]


def test_cumulative_bars_never_fall() -> None:
    found = list(values(stacked(is_cumulative=True), "chat").values())
    assert found == [1.5, 3.5, 3.5, 3.5, 3.5]


def test_a_ratio_is_a_line_with_gaps() -> None:
    figure = stacked("per1k")
    chat = next(trace for trace in figure.data if trace.name == "chat")
    assert chat.type == "scatter"
    assert list(chat.y) == [150.0, 200.0, None, None, None]
    assert not chat.connectgaps


def test_what_has_no_price_is_said_to_be_unknown() -> None:
    texts = [t for trace in stacked().data if trace.name == "acme" for t in trace.hovertext]
    assert any("–" in text for text in texts)


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_every_axis_has_a_unit(metric: Any) -> None:
    figure = stacked(metric.name)
    assert figure.layout.xaxis.title.text == "day (UTC)"
    assert figure.layout.yaxis.title.text == metric.axis.format("day")


def test_the_takeaway_names_total_largest_and_peak() -> None:
    drawn = series.series_of(ROWS, METRICS[0], PERIOD, "day")
    said = series.takeaway(drawn)
    assert "Total $6.85" in said
    assert "largest chat with $3.50" in said
    assert "Thu 5 Nov with $3.10" in said
    assert series.takeaway(series.series_of([], METRICS[0], PERIOD, "day")) == "Spend: nothing to show."


def latency_row(day: int, p95: float | None, ttft: float | None) -> dict[str, Any]:
    shared = {"at": datetime(2026, 11, day), "calls": 10, "latency_p50_s": p95, "latency_p95_s": p95}
    return {**shared, "latency_p99_s": p95, "ttft_p50_s": ttft, "ttft_p95_s": ttft}


def test_percentiles_are_gaps_where_nothing_was_called_or_streamed_and_never_zero() -> None:
    figure = latency.percentiles([latency_row(2, 1.5, None), latency_row(4, 2.5, 0.5)], PERIOD, "day")
    p95 = next(trace for trace in figure.data if trace.name == "p95")
    ttft = next(trace for trace in figure.data if trace.name == "TTFT p50")
    assert list(p95.y) == [1.5, None, 2.5, None, None]
    assert list(ttft.y) == [None, None, 0.5, None, None]
    assert figure.layout.yaxis.title.text == "seconds"


def test_a_percentile_that_is_never_known_has_no_line() -> None:
    rows = [latency_row(2, 1.5, None)]
    assert {t.name for t in latency.percentiles(rows, PERIOD, "day").data} == {"p50", "p95", "p99"}
    assert "No call was streamed" in latency.takeaway(rows)


def error_row(day: int, key: str | None, failed: int, calls: int) -> dict[str, Any]:
    return {"at": datetime(2026, 11, day), "key": key, "errors": failed, "calls": calls}


def test_errors_are_stacked_by_type_most_frequent_first() -> None:
    rows = [
        error_row(3, None, 1, 100),
        error_row(3, "rate_limit", 5, 5),
        error_row(4, "overloaded", 2, 2),
        error_row(4, None, 0, 50),
    ]
    figure = errors.by_type(rows, PERIOD, "day")
    assert list(dict.fromkeys(t.name for t in figure.data)) == ["rate_limit", "overloaded", "(no type given)"]
    assert values(figure, "rate_limit")[DAYS[1]] == 5
    text = next(t for trace in figure.data for t in trace.hovertext if "rate_limit" in t and "Tue 3 Nov" in t)
    assert "5 of 105 calls" in text
    assert "8 failed calls" in errors.takeaway(rows)


def test_rare_types_of_error_are_added_up() -> None:
    rows = [error_row(3, f"type{n}", 20 - n, 20 - n) for n in range(10)]
    figure = errors.by_type(rows, PERIOD, "day")
    assert len({t.name for t in figure.data}) == errors.MOST_TYPES + 1
    assert sum(sum(t.y) for t in figure.data) == sum(20 - n for n in range(10))


def pair(key: str | None, cost: str | None, calls: int = 10) -> dict[str, Any]:
    usd = None if cost is None else Decimal(cost)
    counted = {"errors": 0, "input_tokens": 1, "output_tokens": 1, "unpriced_calls": 0 if usd is not None else calls}
    return {"key": key, "sub": "m", "calls": calls, "cost_usd": usd, **counted}


def ranked(now: list[Any], before: list[Any], most: int = 8) -> Any:
    shown, other = lumped(lines_of(now, before), most)
    groups = [*(Group(line.key) for line in shown), OTHERS]
    return bars.ranked(bars.spend_bars(shown, other, coloured(groups, ()), has_before=bool(before)), "US dollars")


def test_bars_say_value_and_change_and_carry_their_key() -> None:
    figure = ranked([pair("chat", "12"), pair(None, "1"), pair("new", "2")], [pair("chat", "10"), pair(None, "1")])
    assert list(figure.data[0].customdata) == ["chat", "new", ""]
    assert list(figure.data[0].text) == ["$12.00  ▲ +20%", "$2.00  new", "$1.00  • ±0.0%"]
    assert figure.layout.xaxis.title.text == "US dollars"


def test_a_bar_without_a_price_says_so() -> None:
    assert list(ranked([pair("acme", None, 7)], []).data[0].text) == ["–  7 unpriced"]


def test_the_bar_of_the_others_has_no_key() -> None:
    figure = ranked([pair(str(n), str(n)) for n in range(1, 6)], [], most=3)
    assert figure.data[0].customdata[-1] is None
    assert figure.data[0].x[-1] == 3.0
    assert sum(figure.data[0].x) == 15.0


def test_names_that_are_shortened_alike_stay_two_bars() -> None:
    figure = ranked([pair("x" * 300, "2"), pair("x" * 301, "1")], [])
    assert list(figure.data[0].y) == [0, 1]


def test_tags_in_names_are_shown_and_not_followed() -> None:
    figure = ranked([pair("<a href='http://e.example'>b</a>", "2")], [])
    shown = [*figure.layout.yaxis.ticktext, *figure.data[0].hovertext]
    assert all("<a" not in text for text in shown)
    drawn = series.series_of([row(2, "<b>x</b>", "1")], METRICS[0], PERIOD, "day")
    stack = series.over_time(drawn, coloured(drawn.groups, ()))
    assert {trace.name for trace in stack.data} == {"&lt;b&gt;x&lt;/b&gt;"}


def test_a_name_keeps_its_colour_whatever_else_is_shown() -> None:
    known = ["chat", "search", "mail", "tickets"]
    alone = theme.colours_of(["mail"], known)["mail"]
    assert theme.colours_of(["tickets", "mail", "chat"], known)["mail"] == alone
    assert theme.colours_of(["mail"], list(known)) == {"mail": alone}


def test_a_dozen_names_have_a_dozen_colours() -> None:
    names = [f"feature-{n}" for n in range(40)]
    assert len(set(theme.colours_of(names[:12], names).values())) == len(theme.PALETTE)
    assert len(set(theme.colours_of(names[20:28], names).values())) == 8


def test_those_without_a_name_and_the_others_are_grey() -> None:
    colours = coloured([Group(None), OTHERS, Group("x")], ())
    assert colours[Group(None)] == theme.UNTAGGED_COLOUR
    assert colours[OTHERS] == theme.OTHER_COLOUR


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colour", theme.PALETTE)
def test_every_colour_is_told_from_both_backgrounds(colour: str) -> None:
    config = theme.server_config("127.0.0.1", 1)
    for variant in ("light", "dark"):
        assert contrast(colour, config[f"theme.{variant}.backgroundColor"]) >= 3


@pytest.mark.parametrize("variant", ["light", "dark"])
@pytest.mark.parametrize("name", ["textColor", "primaryColor", "redTextColor", "greenTextColor", "grayTextColor"])
def test_text_is_readable_in_both_themes(variant: str, name: str) -> None:
    config = theme.server_config("127.0.0.1", 1)
    assert contrast(config[f"theme.{variant}.{name}"], config[f"theme.{variant}.backgroundColor"]) >= 4.5


def test_charts_offer_no_way_out_of_the_machine() -> None:
    assert theme.CHART_CONFIG["showSendToCloud"] is False
    assert theme.CHART_CONFIG["displaylogo"] is False


def test_settings_are_ones_that_streamlit_knows() -> None:
    from streamlit import config as known

    assert set(theme.server_config("127.0.0.1", 1)) <= set(known._config_options_template)


def test_no_setting_lets_anything_out() -> None:
    config = theme.server_config("127.0.0.1", 1)
    assert config["browser.gatherUsageStats"] is False
    assert config["client.disableDataExport"] is True
    assert config["server.address"] == "127.0.0.1"


def test_groups_are_ordered_by_size_of_the_metric() -> None:
    assert [g.name for g in ordered(ROWS, METRICS[1])] == ["chat", "acme", "search", "(untagged)", "(other)"]


def test_a_bucket_is_said_in_words() -> None:
    at = datetime(2026, 11, 2, 8)
    assert frame.stamp(at, "hour") == "Mon 2 Nov 08:00"
    assert frame.stamp(at - timedelta(hours=8), "week", is_partial=True) == "week of Mon 2 Nov (part of it)"
