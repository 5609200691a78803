"""The price files: what a mistake in them would cost, each as a test of its own."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from llmtrace import resources
from llmtrace.model import Price
from llmtrace.pricing import load_book
from llmtrace.pricing.reading import PRICES_PACKAGE
from llmtrace.pricing.rows import CONDITION_DEFAULTS, OPEN_CONDITIONS

if TYPE_CHECKING:
    from llmtrace.pricing.rows import Alias, Multiplier

CHECKOUT = Path(__file__).parents[2]
SCHEMA_FILE = CHECKOUT / "schemas" / "json" / "prices.schema.json"
SCHEMA = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
FILES = {
    f.name: yaml.safe_load(f.read_text(encoding="utf-8")) for f in resources.list_files(PRICES_PACKAGE, "", ".yaml")
}
BOOK = load_book()
PLAIN_DECIMAL = re.compile(r"(0|[1-9]\d*)(\.\d+)?")
TOKEN_COMPONENTS = frozenset({
    "input_uncached", "input_cached", "cache_write", "cache_write_12h", "cache_write_5m", "cache_write_1h", "output",
    "input_audio", "input_audio_cached", "output_audio", "input_image", "input_image_cached", "output_image",
    "web_search_content",
})  # fmt: skip
# Component to its unit, and how many units prices are printed for; Groq's are for an hour of audio.
FEE_COMPONENTS = {
    "web_search": ("call", 1000),
    "web_search_preview": ("call", 1000),
    "file_search": ("call", 1000),
    "grounded_prompt": ("call", 1000),
    "grounding_query": ("call", 1000),
    "cache_storage": ("token-hour", 1_000_000),
    "page": ("page", 1000),
    "seconds": ("second", 60),
    "characters": ("character", 1_000_000),
    "image": ("image", 1),
    "request": ("request", 1),
    "container_session": ("session", 1),
    "session_hour": ("hour", 1),
}
FOREVER = datetime.max.replace(tzinfo=UTC)

each_file = pytest.mark.parametrize("name", FILES)


def _as_json(data: Any) -> Any:
    """DATA as an editor reads the file: dates are strings."""
    return json.loads(json.dumps(data, default=str))


def _entries(data: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for model, entries in data["models"].items():
        for entry in entries:
            yield model, entry


def _intervals_meet(a: Any, b: Any) -> bool:
    return bool(a.valid_from < (b.valid_to or FOREVER) and b.valid_from < (a.valid_to or FOREVER))


def _band(price: Price) -> tuple[float, float]:
    """The input sizes a row holds for, both ends included."""
    bounds = price.when.get("input_tokens", {})
    low = max(bounds.get("gte", 0), bounds.get("gt", -1) + 1)
    high = min(bounds.get("lte", float("inf")), bounds.get("lt", float("inf")) - 1)
    return low, high


def _same_call(a: Price, b: Price) -> bool:
    """Whether one call could meet the conditions of both rows: what a row leaves out is the default."""
    keys = (set(a.when) | set(b.when)) - OPEN_CONDITIONS
    stated = all(a.when.get(k, CONDITION_DEFAULTS[k]) == b.when.get(k, CONDITION_DEFAULTS[k]) for k in keys)
    stated = stated and all(
        a.when[k] == b.when[k] for k in OPEN_CONDITIONS - {"input_tokens"} if k in a.when and k in b.when
    )
    (low_a, high_a), (low_b, high_b) = _band(a), _band(b)
    return stated and low_a <= high_b and low_b <= high_a


def _by_component() -> dict[tuple[str, str, str], list[Price]]:
    rows: dict[tuple[str, str, str], list[Price]] = defaultdict(list)
    for price in BOOK.prices:
        rows[price.provider, price.model, price.component].append(price)
    return rows


@each_file
def test_price_file_fits_its_schema(name: str) -> None:
    problems = [f"{list(e.path)}: {e.message}" for e in Draft202012Validator(SCHEMA).iter_errors(_as_json(FILES[name]))]
    assert not problems


def test_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "change",
    [
        {"usd_per_mtok": {"input_uncached": 2.5}},
        {"usd_per_mtok": {"input_uncached": "2.5e-6"}},
        {"usd_per_mtok": {"input_uncached": "$2.50"}},
        {"usd_per_mtok": {"inputs": "2.50"}},
        {"usd_per_mtok": {}},
        {"usd": {"web_search": {"rate": "10", "per": 1000}}},
        {"when": {"service_tier": "default"}},
        {"when": {"batch": False}},
        {"when": {"deployment": "global"}},
        {"when": {"quality": "standard"}},
        {"when": {"memory_gb": 1}},
        {"usd": {"seconds": {"rate": "0.006", "per": 60, "unit": "minute"}}},
        {"when": {"weekday": "monday"}},
        {"when": {"input_tokens": {"above": 200000}}},
        {"valid_from": "last week"},
        {"valid_from": None},
        {"source": None},
        {"price": "2.50"},
    ],
)
def test_schema_refuses_an_entry_that_pricing_would_misread(change: dict[str, Any]) -> None:
    entry = {"valid_from": "2026-01-01", "source": "page", "usd_per_mtok": {"input_uncached": "2.50"}, **change}
    source = {"url": "https://example.com", "note": "A page.", "verified_at": "2026-01-01", "confidence": "official"}
    data = {"provider": "x", "sources": {"page": source}, "models": {"m": [entry]}}
    assert not Draft202012Validator(SCHEMA).is_valid(data)


@each_file
def test_price_file_tells_the_editor_its_schema(name: str) -> None:
    file = CHECKOUT / "llmtrace" / "pricing" / "prices" / name
    first = file.read_text(encoding="utf-8").splitlines()[0]
    path = first.removeprefix("# yaml-language-server: $schema=")
    assert (file.parent / path).resolve() == SCHEMA_FILE


@each_file
def test_each_entry_names_a_listed_source_and_each_source_is_used(name: str) -> None:
    data = FILES[name]
    named = {entry["source"] for _, entry in _entries(data)}
    named |= {
        row["source"] for row in (*data.get("aliases", ()), *data.get("multipliers", ()), *data.get("peak_hours", ()))
    }
    assert named == set(data["sources"])


def test_each_price_says_where_and_when_it_was_read() -> None:
    for price in BOOK.prices:
        assert price.source_url.startswith("https://"), price.id
        assert datetime.fromisoformat(price.verified_at), price.id
        assert price.source_note, price.id
        assert price.confidence in {"official", "secondary", "third_party"}, price.id


@each_file
def test_rates_are_plain_decimals_in_quotes(name: str) -> None:
    for model, entry in _entries(FILES[name]):
        rates = [*entry.get("usd_per_mtok", {}).values(), *(f["rate"] for f in entry.get("usd", {}).values())]
        for rate in rates:
            assert isinstance(rate, str) and PLAIN_DECIMAL.fullmatch(rate), (model, rate)


def test_prices_are_only_for_components_that_usage_is_split_into() -> None:
    for price in BOOK.prices:
        tokens = ("token", 1_000_000) if price.component in TOKEN_COMPONENTS else None
        expected = tokens or (("second", 3600) if price.provider == "groq" else FEE_COMPONENTS[price.component])
        assert (price.unit, price.per) == expected, price.id


def test_no_two_prices_answer_the_same_call() -> None:
    for rows in _by_component().values():
        for a, b in combinations(rows, 2):
            assert not (_intervals_meet(a, b) and _same_call(a, b)), f"{a.id} and {b.id}"


def test_each_price_has_an_id_of_its_own() -> None:
    ids = [p.id for p in BOOK.prices]
    assert len(ids) == len(set(ids))


def test_intervals_end_after_they_start() -> None:
    rows: list[Price | Alias | Multiplier] = [*BOOK.prices, *BOOK.aliases, *BOOK.multipliers]
    for row in rows:
        assert row.valid_to is None or row.valid_from < row.valid_to, row


def test_promotions_are_guaranteed_for_some_time() -> None:
    for price in BOOK.prices:
        assert price.guaranteed_until is None or price.valid_from < price.guaranteed_until, price.id


def test_band_below_a_threshold_meets_the_band_above_it() -> None:
    thresholds: dict[tuple[str, str], set[int]] = defaultdict(set)
    for price in BOOK.prices:
        bounds = price.when.get("input_tokens", {})
        assert set(bounds) in (set(), {"lte"}, {"gt"}, {"lt"}, {"gte"}), price.id
        thresholds[price.provider, price.model] |= set(bounds.values())
    assert {t for ts in thresholds.values() for t in ts} == {100_000, 128_000, 200_000, 272_000}
    assert all(len(ts) <= 1 for ts in thresholds.values())


def test_each_model_billed_by_tokens_has_a_price_for_input_at_its_first_moment() -> None:
    for provider, model in {(p.provider, p.model) for p in BOOK.prices if p.unit == "token"}:
        rows = BOOK.rows(provider, model)
        first = min(p.valid_from for p in rows)
        sorts = [{**CONDITION_DEFAULTS, **p.when, "input_tokens": 1} for p in rows if p.valid_from == first]
        assert any(BOOK.find_price(provider, model, "input_uncached", c, first) for c in sorts), model


def test_each_input_price_has_an_output_price_beside_it_but_for_embeddings() -> None:
    for (provider, model, component), rows in _by_component().items():
        if component != "input_uncached" or "embed" in model:
            continue
        for row in rows:
            conditions = {**CONDITION_DEFAULTS, **row.when, "input_tokens": _band(row)[0]}
            outputs = [
                BOOK.find_price(provider, model, made, conditions, row.valid_from)
                for made in ("output", "output_audio", "output_image")
            ]
            assert any(outputs), row.id


def test_aliases_stand_for_models_of_the_book_and_for_one_at_a_time() -> None:
    models = {f"{p.provider}/{p.model}" for p in BOOK.prices}
    for alias in BOOK.aliases:
        provider = alias.name.partition("/")[0]
        assert f"{provider}/{alias.model}" in models, alias
        assert alias.name not in models, alias
    for a, b in combinations(BOOK.aliases, 2):
        assert a.name != b.name or not _intervals_meet(a, b), (a, b)


def test_alias_never_starts_before_the_model_it_stands_for() -> None:
    for alias in BOOK.aliases:
        provider = alias.name.partition("/")[0]
        first = min(p.valid_from for p in BOOK.rows(provider, alias.model))
        assert first <= alias.valid_from, alias


def test_multipliers_and_families_name_models_of_the_book() -> None:
    models = {f"{p.provider}/{p.model}" for p in BOOK.prices}
    for multiplier in BOOK.multipliers:
        assert multiplier.models <= models, multiplier.name
    assert models >= BOOK.families


def test_no_two_multipliers_meet_on_one_model_and_condition() -> None:
    for a, b in combinations(BOOK.multipliers, 2):
        meet = set(a.when) & set(b.when) and a.models & b.models and _intervals_meet(a, b)
        assert not meet, (a.name, b.name)
