"""What holds for every bill, whatever the provider, the counts, and the machine that works it out."""

import decimal
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pricing.generated import FIELDS, KINDS, NOW, Counts, Kind, counts_of, garbage, kinds, scalars

import llmtrace
from llmtrace.model import Cost
from llmtrace.pricing import load_book, public
from llmtrace.pricing.book import CONDITION_DEFAULTS
from llmtrace.providers import FAMILIES, USAGE_FAMILIES

BOOK = load_book()
each_kind = pytest.mark.parametrize("kind", KINDS, ids=str)
each_provider = pytest.mark.parametrize(
    "provider", sorted(p for f in (*FAMILIES, *USAGE_FAMILIES) for p in f.providers)
)


def price(kind: Kind, usage: Any, at: datetime = NOW, **context: Any) -> Cost:
    return llmtrace.price(usage, kind.provider, kind.model, at, context={**(kind.context or {}), **context})


def total(kind: Kind, counts: Counts) -> Decimal:
    cost = price(kind, kind.make(counts))
    assert cost.status == "exact", cost.reason
    assert cost.total_usd is not None
    return cost.total_usd


@given(st.data(), kinds)
def test_items_add_up_to_the_total_and_hold_every_token_once(data: st.DataObject, kind: Kind) -> None:
    counts = data.draw(counts_of(kind, 1_000_000))
    cost = price(kind, kind.make(counts))
    assert cost.status == "exact", cost.reason
    assert cost.total_usd == sum(i.cost_usd or 0 for i in cost.items)
    assert sum(i.quantity for i in cost.items) == counts.total
    assert all(i.cost_usd is not None and i.cost_usd > 0 for i in cost.items)


@given(st.data(), kinds)
def test_two_calls_cost_what_one_call_with_the_counts_of_both_costs(data: st.DataObject, kind: Kind) -> None:
    some, others = data.draw(counts_of(kind)), data.draw(counts_of(kind))
    assert total(kind, some) + total(kind, others) == total(kind, some + others)


@given(st.data(), kinds)
def test_cost_is_the_sum_of_what_each_count_costs_alone(data: st.DataObject, kind: Kind) -> None:
    counts = data.draw(counts_of(kind))
    alone = [total(kind, Counts(**{name: getattr(counts, name)})) for name in FIELDS]
    assert sum(alone) == total(kind, counts)


@given(st.data(), kinds, st.integers(1, 1000))
def test_more_of_anything_costs_more(data: st.DataObject, kind: Kind, more: int) -> None:
    counts, name = data.draw(counts_of(kind)), data.draw(st.sampled_from(kind.tells))
    assert total(kind, replace(counts, **{name: getattr(counts, name) + more})) > total(kind, counts)


@given(st.data(), kinds, st.integers(1, 1000))
def test_a_larger_request_never_costs_less_across_a_threshold(data: st.DataObject, kind: Kind, more: int) -> None:
    counts = data.draw(counts_of(kind, 300_000))
    assert total(kind, replace(counts, fresh=counts.fresh + more)) > total(kind, counts)


def _shuffled(tree: Any, draw: Any) -> Any:
    if isinstance(tree, Mapping):
        return {key: _shuffled(tree[key], draw) for key in draw(st.permutations(sorted(tree)))}
    return [_shuffled(v, draw) for v in tree] if isinstance(tree, list) else tree


@given(st.data(), kinds)
def test_order_of_keys_and_of_conditions_changes_nothing(data: st.DataObject, kind: Kind) -> None:
    usage = kind.make(data.draw(counts_of(kind)))
    context = {**(kind.context or {}), "cache_ttl": "30m", "requested_service_tier": "auto"}
    shuffled = replace(kind, context=_shuffled(context, data.draw))
    assert price(shuffled, _shuffled(usage, data.draw)) == price(replace(kind, context=context), usage)


@given(st.lists(st.tuples(st.integers(0, 9999), st.integers(0, 9999)), min_size=2, max_size=5), st.randoms())
def test_order_of_turns_changes_no_cost(turns: list[tuple[int, int]], random: Any) -> None:
    apart = [{"type": "compaction", "input_tokens": i, "output_tokens": o} for i, o in turns]
    usage = {"input_tokens": 10, "output_tokens": 5, "iterations": apart}
    other = {**usage, "iterations": random.sample(apart, len(apart))}
    costs = [llmtrace.price(u, "anthropic", "claude-opus-5", NOW) for u in (usage, other)]
    assert costs[0].total_usd == costs[1].total_usd
    assert sorted(map(repr, costs[0].items)) == sorted(map(repr, costs[1].items))


# --- the machine has no say ------------------------------------------------------------------------------------------


@each_kind
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_time_zone_of_the_machine_and_of_the_moment_changes_nothing(
    kind: Kind, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = kind.make(Counts(*(1000 if name in kind.tells else 0 for name in FIELDS)))
    moments = [NOW.replace(hour=hour, day=day) for day in (17, 18, 21) for hour in (0, 2, 5, 23)]
    expected = [price(kind, usage, at) for at in moments]
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for hours in (-11, 0, 9):
            there = timezone(timedelta(hours=hours))
            assert [price(kind, usage, at.astimezone(there)) for at in moments] == expected
    finally:
        monkeypatch.undo()
        time.tzset()


@each_kind
def test_clock_is_not_asked_where_the_moment_is_told(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoClock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "NoClock":
            raise AssertionError("the clock was asked")

    usage = kind.make(Counts(fresh=1000, output=10))
    expected = price(kind, usage)
    monkeypatch.setattr(public, "datetime", NoClock)
    assert price(kind, usage) == expected


@each_kind
def test_decimal_context_of_the_program_changes_no_digit(kind: Kind) -> None:
    usage = kind.make(Counts(*(123_457 if name in kind.tells else 0 for name in FIELDS)))
    expected = repr(price(kind, usage))
    odd = decimal.Context(prec=2, rounding=decimal.ROUND_UP, Emin=-3, Emax=3, traps=[decimal.Inexact, decimal.Rounded])
    with decimal.localcontext(odd):
        assert repr(price(kind, usage)) == expected


def test_a_book_answers_alike_whatever_it_was_asked_before() -> None:
    """Answers are remembered; none of them may be another call's."""
    asked = [(kind, at) for kind in KINDS for at in (NOW, NOW.replace(year=2025), NOW.replace(month=8, day=1))]
    calls = [(kind, at, kind.make(Counts(fresh=n, output=9))) for kind, at in asked for n in (10, 150_000, 400_000)]
    forwards = [price(kind, usage, at) for kind, at, usage in calls]
    assert [price(kind, usage, at) for kind, at, usage in reversed(calls)][::-1] == forwards
    fresh = replace(BOOK)
    for (kind, at, usage), cost in reversed(list(zip(calls, forwards, strict=True))):
        facts = public.PricingFacts(kind.provider, (kind.model,), at, conditions=kind.context or {})
        assert public.price_usage(fresh, usage, facts) == cost


# --- nothing is taken for the standard -------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", sorted(CONDITION_DEFAULTS))
@given(st.data())
def test_no_rate_of_the_book_answers_a_condition_that_it_does_not_know(condition: str, data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(BOOK.prices))
    odd = data.draw(st.text(min_size=1, max_size=8).map(lambda word: f"?{word}") | st.integers(100, 200))
    conditions = {**CONDITION_DEFAULTS, **row.when, "input_tokens": 1, condition: odd}
    assert BOOK.find_price(row.provider, row.model, row.component, conditions, row.valid_from) is None


# What each provider's calls can state; Azure's region only matters where its deployment's type says so.
STATED = ("service_tier", "speed", "geo", "region", "regional_processing", "deployment_type", "batch")
READ = {
    "openai": {"service_tier", "region", "regional_processing", "deployment_type"},
    "azure.ai.openai": {"service_tier", "deployment_type", "region"},
    "anthropic": {"service_tier", "speed", "geo"},
    "aws.bedrock": {"service_tier", "speed", "geo"},
}
OTHERS = {"service_tier", "speed", "geo", "region"}


@each_kind
@given(word=st.text(min_size=1, max_size=8).map(lambda word: f"?{word}"))
def test_call_that_states_a_condition_nobody_knows_is_unpriced(kind: Kind, word: str) -> None:
    usage = kind.make(Counts(fresh=1000, output=10))
    for key in READ.get(kind.provider, OTHERS):
        cost = price(kind, usage, **{key: word})
        assert (cost.status, cost.total_usd) == ("unpriced", None), key
        assert all(i.cost_usd is None for i in cost.items)


# --- impossible usage ------------------------------------------------------------------------------------------------


def _leaves(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(tree, Mapping | list):
        items = tree.items() if isinstance(tree, Mapping) else enumerate(tree)
        for key, value in items:
            yield from _leaves(value, (*path, key))
    elif isinstance(tree, int):
        yield path


def _with(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    if isinstance(tree, list):
        return [_with(v, path[1:], value) if i == path[0] else v for i, v in enumerate(tree)]
    return {**tree, path[0]: _with(tree[path[0]], path[1:], value)}


IMPOSSIBLE = [-1, 2**70, float("nan"), float("inf"), 1.5, "12", True, [1], {"a": 1}]


@each_kind
@pytest.mark.parametrize("value", IMPOSSIBLE, ids=repr)
def test_count_that_is_none_is_never_billed(kind: Kind, value: Any) -> None:
    usage = kind.make(Counts(*(1000 if name in kind.tells else 0 for name in FIELDS)))
    right, refused = price(kind, usage).total_usd, 0
    for path in _leaves(usage):
        cost = price(kind, _with(usage, path, value))
        # A number that no bill needs, such as how much of the output was reasoning, may be anything.
        assert cost.total_usd in (None, right), (path, cost)
        refused += cost.total_usd is None
        assert cost.status == ("exact" if cost.total_usd == right else "invalid_usage"), (path, cost)
    assert refused >= 2


@each_kind
@given(data=st.data())
def test_part_that_is_larger_than_its_whole_is_never_billed(kind: Kind, data: st.DataObject) -> None:
    if "cached" not in kind.tells or kind.make in (KINDS[4].make, KINDS[8].make):
        return  # what is cached stands beside the input there
    counts = data.draw(counts_of(kind))
    usage = kind.make(counts)
    paths = [p for p in _leaves(usage) if "cache" in str(p[-1]).lower() and "miss" not in p[-1]]
    for path in paths:
        cost = price(kind, _with(usage, path, counts.total + 1))
        assert (cost.status, cost.total_usd) == ("invalid_usage", None), path


@each_provider
@given(usage=garbage, context=st.dictionaries(st.sampled_from(STATED), scalars | st.just([]) | st.just({"a": 1})))
def test_garbage_never_raises_and_never_costs_less_than_nothing(
    provider: str, usage: Any, context: dict[str, Any]
) -> None:
    family = next(f for f in (*USAGE_FAMILIES, *FAMILIES) if provider in f.providers)
    model = next((k.model for k in KINDS if k.provider == provider), "m")
    if not isinstance(usage, Mapping):
        usage = {"input_tokens": usage, "prompt_tokens": usage, "promptTokenCount": usage, "inputTokens": usage}
    family.normalise(usage)
    cost = llmtrace.price(usage, provider, model, NOW, context=context)
    assert cost.total_usd is None or 0 <= cost.total_usd < 10**6
    assert all(i.cost_usd is None or i.cost_usd >= 0 for i in cost.items)
    if cost.status in ("unpriced", "invalid_usage"):
        assert cost.total_usd is None and cost.reason
