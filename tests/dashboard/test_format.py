from decimal import Decimal

import pytest
from llmtrace.dashboard import format as fmt

from llmtrace.cli import tables

AMOUNTS = [None, "0", "0.0000001", "0.000123", "0.012345", "0.5", "1", "1.005", "1234.567", "0E-12"]


@pytest.mark.parametrize("amount", AMOUNTS)
def test_money_is_written_as_on_the_command_line(amount: str | None) -> None:
    value = None if amount is None else Decimal(amount)
    assert fmt.money(value) == tables.money(value)


@pytest.mark.parametrize("value", [None, 0.0004, 0.25, 0.9999, 1.0, 12.34])
def test_seconds_are_written_as_on_the_command_line(value: float | None) -> None:
    assert fmt.seconds(value) == tables.seconds(value)


def test_what_is_unknown_is_a_dash_and_never_nothing() -> None:
    assert fmt.money(None) == fmt.percent(None) == fmt.seconds(None) == fmt.tokens(None) == fmt.count(None) == "–"
    assert fmt.money(Decimal(0)) == "$0.00"
    assert fmt.percent(0.0) == "0.0%"


def test_a_share_is_never_rounded_to_nothing_or_to_all() -> None:
    assert fmt.percent(0.0001) == "<0.1%"
    assert fmt.percent(0.9999) == ">99.9%"
    assert fmt.percent(1.0) == "100.0%"


def test_cost_with_unpriced_calls_is_a_lower_bound() -> None:
    assert fmt.known_cost({"cost_usd": Decimal("2"), "unpriced_calls": 1}) == "≥ $2.00"
    assert fmt.known_cost({"cost_usd": Decimal("2"), "unpriced_calls": 0}) == "$2.00"
    assert fmt.known_cost({"cost_usd": None, "unpriced_calls": 3}) == "–"
    assert fmt.known_per_thousand({"cost_usd": Decimal("2"), "unpriced_calls": 1, "calls": 1000}) == "≥ $2.00"


def test_changes_have_a_sign_and_large_ones_are_multiples() -> None:
    assert fmt.signed_percent(fmt.change(12, 10)) == "+20%"
    assert fmt.signed_percent(fmt.change(9.5, 10)) == "−5.0%"
    assert fmt.signed_percent(fmt.change(160, 10)) == "×16"
    assert fmt.change(1, 0) is None
    assert fmt.change(None, 1) is None
    assert fmt.money_change(Decimal("-2")) == "−$2.00"


@pytest.mark.parametrize(
    "name", ["**x** [a](http://b)", ":red[x]", "$x$", "`a` ``b``", "`", "<script>", "www.evil.example", "a\nb"]
)
def test_a_name_in_markdown_is_a_run_of_code_that_nothing_in_it_ends(name: str) -> None:
    shown = fmt.code(name)
    fence = shown[: len(shown) - len(shown.lstrip("`"))]
    inner = shown[len(fence) : -len(fence)]
    assert fence and shown.endswith(fence) and fence not in inner
    assert "\n" not in shown
    assert inner.strip() == fmt.plain(name)


def test_an_icon_s_name_in_code_is_not_found() -> None:
    assert ":material/home:" not in fmt.code(":material/home:")


def test_tags_and_entities_mean_nothing_in_a_chart() -> None:
    assert fmt.chart_text("<b>x</b>&lt;") == "&lt;b&gt;x&lt;/b&gt;&amp;lt;"


def test_long_names_keep_both_ends() -> None:
    shown = fmt.shorten("a" * 200 + "end", 20)
    assert len(shown) == 20
    assert shown.startswith("aaaa") and shown.endswith("aaend")


def test_control_characters_and_changes_of_direction_are_taken_out() -> None:
    assert fmt.plain("\u202ea\x00b\nc") == "a b c"
    assert fmt.plain("  ") == "(blank)"
    assert fmt.plain("👩‍👩‍👧") == "👩‍👩‍👧"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert fmt.cell(text) == "'" + text


def test_numbers_and_plain_text_are_cells_as_they_are() -> None:
    assert fmt.cell("a=b") == "a=b"
    assert fmt.cell(-1.5) == -1.5
    assert fmt.cell(Decimal("-1")) == Decimal("-1")


def test_no_name_looks_like_having_none() -> None:
    assert fmt.group_name(None) == "(untagged)"
    assert fmt.group_name(None, is_other=True) == "(other)"
    assert fmt.group_name("(untagged)") != "(untagged)"
    assert fmt.group_name("(other)") != "(other)"
