from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from llmtrace.dashboard.changes import drivers, explain, lines_of, lumped, top_changes


def pair(key: str | None, sub: str, calls: int, cost: str | None, tokens: int = 100) -> dict[str, Any]:
    return {
        "key": key,
        "sub": sub,
        "calls": calls,
        "errors": 0,
        "cost_usd": None if cost is None else Decimal(cost),
        "unpriced_calls": 0 if cost is not None else calls,
        "input_tokens": tokens * calls,
        "output_tokens": 0,
    }


ROWS = st.lists(
    st.builds(
        pair,
        st.just("f"),
        st.sampled_from("abc"),
        st.integers(1, 1000),
        st.decimals(0, 100, places=6).map(str),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda row: row["sub"],
)


@given(ROWS, ROWS)
def test_the_drivers_add_up_to_the_change(now: list[dict[str, Any]], before: list[dict[str, Any]]) -> None:
    line = lines_of(now, before)[0]
    assert abs(sum(drivers(line).values()) - line.difference) < Decimal("1e-15")


def test_a_dearer_model_is_named() -> None:
    line = lines_of([pair("chat", "large", 100, "10")], [pair("chat", "small", 100, "1")])[0]
    assert explain(line) == "model mix: `large` takes 100.0% of its calls, was 0.0%"


def test_more_calls_are_counted() -> None:
    line = lines_of([pair("chat", "m", 200, "2")], [pair("chat", "m", 100, "1")])[0]
    assert explain(line) == "more calls: 200, were 100 (+100%)"


def test_longer_prompts_are_seen() -> None:
    line = lines_of([pair("chat", "m", 100, "2", tokens=200)], [pair("chat", "m", 100, "1")])[0]
    assert explain(line) == "a call costs 100% more, with 100% more tokens in it"


def test_new_and_gone_features_are_called_so() -> None:
    new, gone = sorted(lines_of([pair("new", "m", 1, "1")], [pair("gone", "m", 2, "1")]), key=lambda line: line.name)[
        ::-1
    ]
    assert explain(new) == "new: 1 call, none before"
    assert explain(gone) == "no calls any more, 2 calls before"


def test_hostile_names_of_models_are_code() -> None:
    line = lines_of([pair("chat", "[x](http://e.example)", 100, "10")], [pair("chat", "small", 100, "1")])[0]
    assert "`[x](http://e.example)`" in explain(line)


def test_top_changes_are_the_largest_either_way() -> None:
    now = [pair("a", "m", 1, "1"), pair("b", "m", 1, "5"), pair("c", "m", 1, "3")]
    before = [pair("a", "m", 1, "9"), pair("b", "m", 1, "4"), pair("c", "m", 1, "3")]
    assert [(line.key, line.difference) for line in top_changes(lines_of(now, before))] == [
        ("a", Decimal(-8)),
        ("b", Decimal(1)),
    ]


def test_what_is_lumped_together_still_adds_up() -> None:
    lines = lines_of([pair(key, "m", 2, cost) for key, cost in (("a", "4"), ("b", "3"), ("c", "2"), (None, "1"))], [])
    kept, other = lumped(lines, 2)
    assert [line.key for line in kept] == ["a", "b", None]
    assert other is not None
    assert other.now.cost == Decimal(2)
    assert sum((line.now.cost or 0) for line in [*kept, other]) == Decimal(10)


def test_a_feature_without_any_price_costs_nothing_known() -> None:
    line = lines_of([pair("a", "m", 2, None)], [])[0]
    assert line.now.cost is None
    assert line.now.unpriced == 2
