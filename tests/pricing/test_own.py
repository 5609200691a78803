"""The user's own prices come before the book's, to the last digit; a file with a mistake is refused with its line."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llmtrace.errors import OwnPricesError
from llmtrace.model import Cost
from llmtrace.pricing import CurrentPrices, PriceBook, PricingFacts, load_book, price_usage
from llmtrace.pricing.own import add_own, read_own

EXAMPLE = Path(__file__).parents[2] / "examples" / "prices.yaml"
JUNE = datetime(2026, 6, 1, tzinfo=UTC)
# gpt-4o by OpenAI's page: $2.50 input, $1.25 cached input, $10 output for a million tokens.
USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 100,
    "total_tokens": 1100,
    "prompt_tokens_details": {"cached_tokens": 400},
}
BOOK_PRICE = Decimal("0.003000000000")  # 600 × 2.50 + 400 × 1.25 + 100 × 10, per million


def book(text: str) -> PriceBook:
    return add_own(load_book(), text, "prices.yaml")


def cost(of: PriceBook, *models: str, at: datetime = JUNE, provider: str = "openai", **facts: Any) -> Cost:
    return price_usage(of, USAGE, PricingFacts(provider, models or ("gpt-4o-2024-08-06",), at, **facts))


def layers(of: Cost) -> dict[str, str | None]:
    return {item.component: item.layer for item in of.items}


def test_an_empty_file_changes_no_price() -> None:
    for text in ("", "# nothing yet\n", "rates: []\n"):
        found = cost(book(text))
        assert (found.total_usd, set(layers(found).values())) == (BOOK_PRICE, {"book"})


RATE = """
rates:
  - provider: openai
    model: gpt-4o
    others: OTHERS
    valid_from: 2026-01-01
    valid_to: 2026-07-01
    usd_per_mtok: {input_uncached: 2.00, output: "8"}
"""


def test_a_rate_of_your_own_replaces_the_books_and_leaves_the_others_where_you_say_so() -> None:
    found = cost(book(RATE.replace("OTHERS", "book")))
    assert found.total_usd == Decimal("0.002500000000")  # 600 × 2 + 400 × 1.25 + 100 × 8
    assert layers(found) == {"input_uncached": "override", "input_cached": "book", "output": "override"}
    assert found.status == "exact"


def test_a_component_without_a_rate_of_your_own_is_never_priced_as_another() -> None:
    found = cost(book(RATE.replace("OTHERS", "unpriced")))
    assert (found.status, found.total_usd) == ("partial", Decimal("0.002000000000"))
    assert [i.component for i in found.items if i.cost_usd is None] == ["input_cached"]


@pytest.mark.parametrize("at", [datetime(2025, 12, 31, 23, 59, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)])
def test_it_holds_for_its_own_time_only(at: datetime) -> None:
    assert cost(book(RATE.replace("OTHERS", "unpriced")), at=at).total_usd == BOOK_PRICE


def test_it_holds_for_what_the_name_stands_for_and_for_nothing_else() -> None:
    mine = book(RATE.replace("OTHERS", "book"))
    assert cost(mine, "gpt-4o").total_usd == Decimal("0.002500000000")
    other = cost(mine, "gpt-4o-2024-05-13")
    assert other.total_usd == cost(load_book(), "gpt-4o-2024-05-13").total_usd


def test_a_model_that_the_book_does_not_know_has_your_rates() -> None:
    text = """
rates:
  - {provider: openai, model: house-7b, others: unpriced, valid_from: 2026-01-01,
     usd_per_mtok: {input_uncached: "0.1", input_cached: 0, output: "0.2"}}
"""
    found = cost(book(text), "house-7b")
    assert (found.status, found.total_usd) == ("exact", Decimal("0.000080000000"))  # 600 × 0.1 + 100 × 0.2


def test_a_discount_is_a_factor_that_is_shown_over_the_books_rates() -> None:
    text = "discounts: [{name: contract, provider: openai, factor: 0.8, valid_from: 2026-01-01}]"
    found = cost(book(text))
    assert found.total_usd == Decimal("0.002400000000")
    assert {(i.multiplier, i.multiplier_reason, i.layer) for i in found.items} == {
        (Decimal("0.8"), "contract", "override")
    }
    assert cost(book(text), at=datetime(2025, 12, 31, tzinfo=UTC)).total_usd == BOOK_PRICE


def test_a_discount_may_be_for_some_models_and_components() -> None:
    text = """
discounts:
  - {name: output_deal, provider: openai, models: [gpt-4o], components: [output], factor: 0.5, valid_from: 2026-01-01}
"""
    mine = book(text)
    assert cost(mine).total_usd == Decimal("0.002500000000")  # 600 × 2.50 + 400 × 1.25 + 100 × 5
    assert cost(mine, "gpt-4o-mini").total_usd == cost(load_book(), "gpt-4o-mini").total_usd


def test_a_deployment_has_the_prices_of_the_model_that_it_stands_for() -> None:
    text = "deployments: [{provider: azure.ai.openai, name: prod-chat, model: gpt-4o, prices_of: openai}]"
    mine = book(text)
    found = cost(mine, "gpt-4o-2024-08-06", "prod-chat", provider="azure.ai.openai")
    assert (found.status, found.total_usd, set(layers(found).values())) == ("exact", BOOK_PRICE, {"override"})
    assert cost(mine, "gpt-4o", "elsewhere", provider="azure.ai.openai").status == "unpriced"


def test_a_model_of_your_own_host_is_free_and_the_providers_own_is_not() -> None:
    mine = book("free: [{hosts: [localhost], note: our own machine}]")
    found = cost(mine, "gpt-4o", host="localhost")
    assert (found.status, found.total_usd) == ("not_billed", Decimal(0))
    assert found.reason == "free by your own prices: our own machine"
    assert cost(mine, "gpt-4o", host="api.openai.com").total_usd == BOOK_PRICE
    assert cost(book("free: [{provider: ollama}]"), "llama4", provider="ollama").total_usd == 0


def test_the_version_covers_what_you_wrote() -> None:
    versions = {load_book().version, book("").version, book(RATE.replace("OTHERS", "book")).version}
    assert len(versions) == 3
    assert cost(book("")).price_book == book("").version


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
