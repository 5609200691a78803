"""`llmtrace budget`: what it shows, and what it exits with."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from calling import OPENAI, make_clients
from commands import llmtrace_here as command

import llmtrace
from llmtrace.budgets.budget import make_budget
from llmtrace.budgets.ledger import Ledger
from llmtrace.budgets.report import report_budgets
from llmtrace.budgets.windows import window_of
from llmtrace.simulator import Simulator

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}


def spend(simulator: Simulator, home: Path, **budget: Any) -> None:
    llmtrace.budget("search", warn_at=(), **budget)
    llmtrace.instrument(home=home)
    simulator.answer(text="fine", usage=USAGE)
    with llmtrace.feature("search"):
        make_clients(simulator).openai.chat.completions.create(**OPENAI)
    assert llmtrace.flush(5)


def shown(home: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    result = command("budget", "--json", *arguments, home=home)
    return result.returncode, json.loads(result.stdout)


def test_a_budget_of_an_app_is_shown_with_what_the_database_has(simulator: Simulator, home: Path) -> None:
    spend(simulator, home, usd=5, on_exceed="raise")
    code, answer = shown(home)
    (row,) = answer["budgets"]
    assert (code, answer["problems"]) == (0, [])
    assert (row["name"], row["feature"], row["on_exceed"], row["limit_usd"]) == (
        "search per day",
        "search",
        "raise",
        "5",
    )
    assert (Decimal(row["spent_usd"]), Decimal(row["stored_usd"]), Decimal(row["reserved_usd"])) == (
        Decimal("0.0035"),
        Decimal("0.0035"),
        Decimal(0),
    )
    assert (row["calls"], row["refused_calls"], row["exceeded"]) == (1, 0, False)


def test_an_exceeded_budget_is_exit_code_1(simulator: Simulator, home: Path) -> None:
    spend(simulator, home, usd="0.0035")
    assert shown(home)[0] == 1
    text = command("budget", home=home)
    assert text.returncode == 1
    assert "search per day" in text.stdout
    assert "100%" in text.stdout


def test_a_budget_of_the_file_that_no_app_has_checked_yet_counts_what_is_stored(
    simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    simulator.answer(text="fine", usage=USAGE)
    make_clients(simulator).openai.chat.completions.create(**OPENAI)
    assert llmtrace.flush(5)
    (home / "llmtrace.toml").write_text("[[budgets]]\nusd = 0.001\nname = 'all'\n")
    code, answer = shown(home)
    (row,) = answer["budgets"]
    assert (code, row["name"], row["exceeded"]) == (1, "all", True)
    assert (Decimal(row["spent_usd"]), Decimal(row["stored_usd"])) == (Decimal(0), Decimal("0.0035"))


def test_without_the_store_the_budgets_alone_are_read(simulator: Simulator, home: Path) -> None:
    spend(simulator, home, usd=5)
    code, answer = shown(home, "--no-store")
    assert (code, answer["budgets"][0]["stored_usd"]) == (0, None)
    assert not (home / "llmtrace.duckdb").exists()


def test_no_budgets_are_told_and_are_no_failure(home: Path) -> None:
    result = command("budget", home=home)
    assert (result.returncode, "There are no budgets" in result.stdout) == (0, True)


def test_what_cannot_be_read_is_told(home: Path) -> None:
    (home / "budgets").mkdir(parents=True)
    (home / "budgets" / "x.ledger").write_bytes(b"damaged")
    (home / "llmtrace.toml").write_text("[[budgets]]\nusd = 'x'\n")
    code, answer = shown(home, "--no-store")
    assert (code, answer["budgets"]) == (0, [])
    assert "x.ledger is damaged" in answer["problems"][0]
    assert "llmtrace.toml, line 2" in answer["problems"][1]
    doctor = json.loads(command("doctor", "--json", home=home).stdout)
    assert any("llmtrace.toml, line 2" in problem for problem in doctor["problems"])


@pytest.mark.parametrize(
    ("hours", "forecast"), [(0.1, None), (6, "4.000000"), (12, "2.000000"), (24 - 1e-6, "1.000000")]
)
def test_the_forecast_goes_on_as_the_window_began(hours: float, forecast: str | None, home: Path) -> None:
    budget = make_budget(usd=5, name="all")
    start = 1_795_219_200.0
    window = window_of(start, "day", budget.zone)
    assert window.start_s == start
    (home / "budgets").mkdir(parents=True)
    ledger = Ledger(home / "budgets" / budget.ledger_name(None), budget.definition(None))
    ledger.reserve(10**9, budget.limits, window, start)
    ledger.settle(10**9, 10**9, window, window, start)
    ledger.close()
    (report,), _ = report_budgets(home, lambda definition, window: None, start + hours * 3600)
    assert report.forecast_usd == (None if forecast is None else Decimal(forecast))
    (after,), _ = report_budgets(home, lambda definition, window: None, start + 25 * 3600)
    assert after.state.spent_usd == 0
