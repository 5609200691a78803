"""What a budget may be: its arguments, its tables in the configuration file, and the mistakes in them."""

import pickle
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import llmtrace
from llmtrace.budgets.budget import make_budget, to_nano, to_usd
from llmtrace.budgets.from_file import budgets_of
from llmtrace.errors import ConfigError, ConfigFileError


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({}, "needs a limit"),
        ({"usd": -1}, "no amount of dollars"),
        ({"usd": "much"}, "no amount of dollars"),
        ({"usd": True}, "no amount of dollars"),
        ({"usd": float("nan")}, "no amount of dollars"),
        ({"usd": 1, "per": "year"}, "none of 'hour', 'day', 'week', 'month'"),
        ({"usd": 1, "on_exceed": "explode"}, "none of 'raise', 'warn'"),
        ({"usd": 1, "unknown": "guess"}, "none of 'allow', 'block'"),
        ({"usd": 1, "timezone": "Mars/Base"}, "no time zone"),
        ({"usd": 1, "warn_at": [0]}, "no list of shares"),
        ({"usd": 1, "feature": 7}, "no text"),
        ({"calls_per_minute": 1.5}, "no number of calls"),
    ],
)
def test_what_cannot_be_a_budget_is_refused_when_it_is_made(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        llmtrace.budget(**given)


@pytest.mark.parametrize(
    ("budget", "call", "expected"),
    [
        ({}, ("search", "gpt-4o", "openai"), True),
        ({}, (None, None, "openai"), True),
        ({"feature": "search"}, ("search", "gpt-4o", "openai"), True),
        ({"feature": "search"}, ("search-2", "gpt-4o", "openai"), False),
        ({"feature": "search"}, (None, "gpt-4o", "openai"), False),
        ({"feature": "search*"}, ("search-2", "gpt-4o", "openai"), True),
        ({"feature": "*"}, (None, "gpt-4o", "openai"), True),
        ({"model": "gpt-*"}, ("a", "gpt-4o", "openai"), True),
        ({"provider": "anthropic"}, ("a", "gpt-4o", "openai"), False),
    ],
)
def test_a_budget_covers_what_it_names(budget: dict[str, Any], call: tuple[Any, Any, str], expected: bool) -> None:
    assert make_budget(usd=1, **budget).covers(*call) is expected


def test_each_feature_of_a_pattern_has_a_ledger_of_its_own() -> None:
    each, one = make_budget(usd=1, feature="*"), make_budget(usd=1)
    assert each.ledger_name("a/b") != each.ledger_name("a.b")
    assert each.ledger_name(None) != each.ledger_name("a")
    assert one.ledger_name("a") == one.ledger_name(None)
    assert make_budget(usd=2).ledger_name(None) == one.ledger_name(None)
    assert make_budget(usd=1, per="month").ledger_name(None) != one.ledger_name(None)


def test_money_is_rounded_up_to_a_billionth() -> None:
    assert to_nano(Decimal("0.0000000001")) == 1
    assert to_usd(to_nano(Decimal("12.345678901")) or 0) == Decimal("12.345678901")


def test_budgets_are_read_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "llmtrace.toml").write_text(
        '[[budgets]]\nfeature = "search"\nusd = 50.1\non_exceed = "raise"\n\n[[budgets]]\ncalls_per_minute = 600\n'
    )
    first, second = budgets_of(tmp_path)
    assert (first.usd, first.on_exceed, first.source) == (Decimal("50.1"), "raise", "file")
    assert (second.usd, second.calls_per_minute, second.name) == (None, 600, "all calls per day")


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("[[budgets]]\nusd = 1\n\n[[budgets]]\nfeature = 'a'\nusd = 'x'\n", 6, "no amount of dollars"),
        ("[[budgets]]\nusd = 1\nper_day = true\n", 3, "has no 'per_day'"),
        ("\n[[budgets]]\nfeature = 'a'\n", 2, "needs a limit"),
        ("[budgets]\nusd = 1\n", 1, r"write \[\[budgets\]\]"),
        ("[[budgets]]\nusd = \n", 2, "no TOML"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line(tmp_path: Path, text: str, line: int, complaint: str) -> None:
    (tmp_path / "llmtrace.toml").write_text(text)
    with pytest.raises(ConfigFileError, match=complaint) as raised:
        budgets_of(tmp_path)
    assert raised.value.line == line


def test_the_exception_can_be_sent_to_another_process() -> None:
    err = llmtrace.BudgetExceeded("the budget is exceeded", "search", limit_usd=Decimal(5))
    copy = pickle.loads(pickle.dumps(err))
    assert (type(copy), str(copy), copy.budget, copy.limit_usd) == (type(err), str(err), "search", Decimal(5))
