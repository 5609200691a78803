"""The file of your own prices: its mistakes, its changes, and what is in force meanwhile."""

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pricing.own_prices import BOOK_PRICE, JUNE, RATE, USAGE, book, cost, layers

from llmtrace.errors import OwnPricesError
from llmtrace.model import Cost
from llmtrace.pricing import CurrentPrices, load_book, price
from llmtrace.pricing.own import BOOK_SCHEMA, SCHEMA, read_own

SCHEMAS = Path(__file__).parents[2] / "schemas" / "json"
EXAMPLE = Path(__file__).parents[2] / "examples" / "prices.yaml"


def test_amounts_are_shown_in_your_currency_by_the_rate_of_their_time() -> None:
    text = """
currency:
  code: EUR
  rates:
    - {valid_from: 2026-01-01, per_usd: 0.92, note: ECB}
    - {valid_from: 2026-07-01, per_usd: 0.9}
"""
    currency = book(text).own.currency
    assert currency is not None
    rates = {day: currency.rate(datetime.fromisoformat(f"{day}T00:00+00:00")) for day in DAYS}
    assert [r and r.per_usd for r in rates.values()] == [None, Decimal("0.92"), Decimal("0.92"), Decimal("0.9")]
    assert cost(book(text)).total_usd == BOOK_PRICE  # what is stored stays in dollars


DAYS = ("2025-12-31", "2026-01-01", "2026-06-30", "2026-11-01")


def test_a_discount_may_name_every_component_that_the_book_can_price() -> None:
    own, bundled = (json.loads((SCHEMAS / name).read_text())["$defs"] for name in (SCHEMA, BOOK_SCHEMA))
    known = own["discount"]["properties"]["components"]["items"]["enum"]
    assert known == [*bundled["token_rates"]["properties"], *bundled["fees"]["properties"]]


MISTAKES = [
    ("rates:\n  - provider: openai\n    modle: x\n", 3, "no 'modle'"),
    ("rates: 3\n", 1, "not of type 'array'"),
    ("rates:\n - {provider: openai, model: x, valid_from: 2026-01-01, usd_per_mtok: {output: 1}}", 2, "'others'"),
    ("\nrates:\n - {provider: openai, model: x, others: book, valid_from: 2026-01-01}", 3, "usd_per_mtok or usd"),
    ("rates: [\n", 2, "no YAML"),
    ("free: [{provider: a}]\n\nfree: [{provider: b}]\n", 3, "'free' is here twice"),
    ("free:\n - {provider: a, valid_from: 2026-02-31}\n", 2, "no day"),
    ("free:\n - {provider: a, valid_from: 2026-02-01, valid_to: 2026-02-01}\n", 2, "not after"),
    ("free:\n - note: everything\n", 2, "provider or hosts"),
    (
        "rates:\n - {provider: nobody, model: x, others: book, valid_from: 2026-01-01, usd_per_mtok: {output: 1}}",
        2,
        "can only be free",
    ),
    ("discounts:\n - {name: a, provider: openai, factor: '-1', valid_from: 2026-01-01}", 2, "factor"),
    (
        "discounts:\n - {name: a, provider: openai, models: [gpt-four], factor: 1, valid_from: 2026-01-01}",
        2,
        "gpt-four",
    ),
    (
        "discounts:\n"
        " - {name: a, provider: openai, factor: '0.9', valid_from: 2026-01-01}\n"
        " - {name: b, provider: openai, models: [gpt-4o], factor: '0.8', valid_from: 2026-05-01}\n",
        3,
        "'a' holds for the same prices",
    ),
    (
        "rates:\n"
        " - {provider: openai, model: gpt-4o, others: book, valid_from: 2026-01-01, usd_per_mtok: {output: 1}}\n"
        " - {provider: openai, model: gpt-4o-2024-08-06, others: book, valid_from: 2026-05-01,"
        " usd_per_mtok: {output: 2}}\n",
        3,
        "another entry has a rate for output",
    ),
    ("deployments:\n - {provider: azure.ai.openai, name: a, model: gpt-9000, prices_of: openai}", 2, "gpt-9000"),
    ("deployments:\n - {provider: azure.ai.openai, name: a, model: gpt-4o}", 2, "there is gpt-4o-2024-05-13"),
    ("deployments:\n - {provider: azure.ai.openai, name: a}", 2, "model or deployment_type is needed"),
    ("deployments:\n - {provider: aws.bedrock, name: a, model: x, region: eu}", 2, "region is of deployments with"),
    (
        "deployments:\n"
        " - {provider: aws.bedrock, name: a/b, model: amazon.nova-lite-v1:0}\n"
        " - {provider: aws.bedrock, name: b, model: amazon.nova-lite-v1:0}\n",
        3,
        "'b' stands for something else",
    ),
    ("currency: EUR\n", 1, "not of type 'object'"),
    ("currency:\n  code: Euro\n  rates: [{valid_from: 2026-01-01, per_usd: 1}]\n", 2, "code"),
    ("currency:\n  code: EUR\n  rates:\n    - {valid_from: 2026-01-01, per_usd: 0}\n", 4, "not 0"),
    (
        "currency:\n"
        "  code: EUR\n"
        "  rates:\n"
        "    - {valid_from: 2026-02-01, per_usd: 1.1}\n"
        "    - {valid_from: 2026-01-01, per_usd: 1.2}\n",
        5,
        "in the order of time",
    ),
    ("\nfallback: litellm\n", 2, "fallback"),
]


@pytest.mark.parametrize(("text", "line", "reason"), MISTAKES, ids=[m[2] for m in MISTAKES])
def test_a_mistake_is_told_with_its_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(OwnPricesError) as caught:
        book(text)
    assert (caught.value.line, reason in caught.value.reason) == (line, True), caught.value


def test_the_example_can_be_used_and_shows_every_kind() -> None:
    own = read_own(load_book(), EXAMPLE).own
    assert own.entries
    assert own.discounts
    assert own.deployments
    assert own.free


def test_without_a_file_the_bundled_book_is_in_force(tmp_path: Path) -> None:
    prices = CurrentPrices(tmp_path)
    assert (prices.book(), prices.problem) == (load_book(), None)


@pytest.mark.expects_warning
def test_a_changed_file_is_read_anew_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    file, prices = tmp_path / "prices.yaml", CurrentPrices(tmp_path)
    assert prices.book() == load_book()
    file.write_text(RATE.replace("OTHERS", "book"))
    good = prices.book()
    assert cost(good).total_usd == Decimal("0.002500000000")
    file.write_text("rates: none of your business\n")
    assert prices.book() is good
    assert prices.problem is not None
    assert f"{file}, line 1" in prices.problem
    file.unlink()
    assert (prices.book(), prices.problem) == (load_book(), None)


@pytest.mark.expects_warning
def test_the_environment_names_another_file_which_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "elsewhere.yaml"
    monkeypatch.setenv("LLMTRACE_PRICES", str(named))
    prices = CurrentPrices(tmp_path / "home")
    assert prices.book() == load_book()
    assert "cannot be read" in (prices.problem or "")
    named.write_text(RATE.replace("OTHERS", "book"))
    assert cost(prices.book()).total_usd == Decimal("0.002500000000")


@pytest.mark.expects_warning
def test_what_was_in_force_stays_so_for_processes_that_come_after_the_mistake(tmp_path: Path) -> None:
    file, copy = tmp_path / "prices.yaml", tmp_path / "prices.in-force.yaml"
    file.write_text(RATE.replace("OTHERS", "book"))
    CurrentPrices(tmp_path).book()
    assert not copy.exists()
    good = CurrentPrices(tmp_path, keeps_copy=True).book()
    file.write_text("rates: none of your business\n")
    for keeps_copy in (True, False):
        later = CurrentPrices(tmp_path, keeps_copy=keeps_copy)
        assert (later.book().version, cost(later.book()).total_usd) == (good.version, Decimal("0.002500000000"))
        assert f"{file}, line 1" in (later.problem or "")
    file.unlink()
    assert CurrentPrices(tmp_path, keeps_copy=True).book() is load_book()
    assert not copy.exists()


def test_price_reads_your_own_prices_and_each_change_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMTRACE_HOME", str(tmp_path))
    monkeypatch.delenv("LLMTRACE_PRICES", raising=False)

    def now() -> Cost:
        return price(USAGE, "openai", "gpt-4o-2024-08-06", JUNE)

    assert (now().total_usd, set(layers(now()).values())) == (BOOK_PRICE, {"book"})
    (tmp_path / "prices.yaml").write_text("free: [{provider: openai, note: a gift}]")
    assert (now().status, now().total_usd, now().reason) == ("not_billed", 0, "free by your own prices: a gift")
    (tmp_path / "prices.yaml").unlink()
    assert now().total_usd == BOOK_PRICE
