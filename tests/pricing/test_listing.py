"""What the price book says of itself."""

from datetime import UTC, datetime
from decimal import Decimal

from llmtrace.pricing.listing import list_factors, list_names, list_prices, summarise_book
from llmtrace.pricing.reading import read_book

TEXT = """
provider: acme
sources:
  old: {url: "https://acme.example/old", verified_at: 2026-01-05, confidence: official}
  new: {url: "https://acme.example/new", verified_at: 2026-06-07, confidence: official}
aliases:
  - {alias: road, model: road-2, valid_from: 2026-03-01}
multipliers:
  - {name: far away, factor: "1.5", when: {geo: [moon, mars]}, models: [road-2], valid_from: 2026-05-01, source: new}
models:
  road-1:
    - {valid_from: 2026-01-01, valid_to: 2026-06-01, source: old, usd_per_mtok: {input_uncached: "2", output: "8"}}
    - {valid_from: 2026-06-01, source: new, usd_per_mtok: {input_uncached: "1"}, guaranteed_until: 2026-07-31}
  road-2:
    - {valid_from: 2026-03-01, source: old, usd_per_mtok: {input_uncached: "4"}}
    - {valid_from: 2026-12-01, source: new, usd_per_mtok: {output: "9"}}
"""
BOOK = read_book({"acme.yaml": TEXT})
FOR_EVERY_MODEL = """
provider: acme
sources:
  page: {url: "https://acme.example/page", verified_at: 2026-01-05, confidence: official}
models:
  road:
    - {valid_from: 2026-01-01, source: page, usd: {file_search: {rate: "3", per: 1, unit: call}}}
  path:
    - {valid_from: 2026-01-01, source: page, usd_per_mtok: {input_uncached: "4"}}
  "*":
    - {valid_from: 2026-01-01, source: page, usd: {file_search: {rate: "2", per: 1, unit: call}}}
"""


def day(month: int, day_of_month: int = 15) -> datetime:
    return datetime(2026, month, day_of_month, tzinfo=UTC)


def test_prices_are_those_of_the_day() -> None:
    assert [(p.component, p.rate_usd) for p in list_prices(BOOK, "road-1", None, day(2))] == [
        ("input_uncached", Decimal(2)),
        ("output", Decimal(8)),
    ]
    assert [p.rate_usd for p in list_prices(BOOK, "road-1", "acme", day(7))] == [Decimal(1)]
    assert list_prices(BOOK, "road-2", None, day(2)) == []
    assert list_prices(BOOK, "road-1", "other", day(2)) == []


def test_an_alias_shows_the_prices_of_what_it_stood_for() -> None:
    assert [p.model for p in list_prices(BOOK, "road", None, day(4))] == ["road-2"]
    assert list_prices(BOOK, "road", None, day(2)) == []


def test_factors_are_those_of_the_model_and_the_day() -> None:
    prices = list_prices(BOOK, "road-2", None, day(4))
    assert list_factors(BOOK, prices, day(4)) == []
    assert [m.name for m in list_factors(BOOK, prices, day(5))] == ["far away"]


def test_names_come_with_their_first_day() -> None:
    assert list_names(BOOK, None) == {"road-1": day(1, 1), "road-2": day(3, 1), "road": day(3, 1)}
    assert list_names(BOOK, "other") == {}


def test_the_summary_counts_and_dates_what_holds_now() -> None:
    summary = summarise_book(BOOK, day(8))
    assert (summary["rows"], summary["oldest"], summary["newest"]) == (5, "2026-01-05", "2026-06-07")
    assert summary["providers"] == [
        {"provider": "acme", "models": 2, "rows": 5, "valid": 2, "oldest": "2026-01-05", "newest": "2026-06-07"}
    ]
    assert [(p["price_id"], p["on"]) for p in summary["expired_promotions"]] == [
        ("acme/road-1/input_uncached@2026-06-01", "2026-07-31")
    ]
    assert [p["on"] for p in summary["scheduled_changes"]] == ["2026-12-01"]
    assert summarise_book(BOOK, day(7))["expired_promotions"] == []


def test_entry_for_every_model_is_no_name_of_one() -> None:
    book = read_book({"acme.yaml": FOR_EVERY_MODEL})
    assert set(list_names(book, None)) == {"road", "path"}
    assert summarise_book(book, day(2))["providers"][0]["models"] == 2
    assert book.find_model("acme", "*", day(2)) is None


def test_entry_for_every_model_gives_way_to_the_models_own() -> None:
    book = read_book({"acme.yaml": FOR_EVERY_MODEL})
    found = [book.find_price("acme", model, "file_search", {}, day(2)) for model in ("road", "path")]
    assert [f.price.rate_usd for f in found if f] == [Decimal(3), Decimal(2)]
