"""The user's own prices come before the book's, to the last digit; a file with a mistake is refused with its line."""

import dataclasses
import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from samples import make_call

from llmtrace.errors import OwnPricesError
from llmtrace.model import Cost, Request, Response, Usage
from llmtrace.pricing import CurrentPrices, PriceBook, PricingFacts, load_book, price, price_call, price_usage
from llmtrace.pricing.fallback import load_fallback
from llmtrace.pricing.own import BOOK_SCHEMA, SCHEMA, add_own, read_own

SCHEMAS = Path(__file__).parents[2] / "schemas" / "json"
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


# gpt-4o-mini-2024-07-18 by Azure's list: Global Standard $0.15 / $0.075 / $0.60, data zones $0.165 / $0.083 / $0.66.
GLOBAL, ZONE = Decimal("0.000180000000"), Decimal("0.000198200000")


@pytest.mark.parametrize(
    ("deployment", "status", "total"),
    [
        ("model: gpt-4o-mini-2024-07-18, deployment_type: GlobalStandard", "exact", GLOBAL),
        ("model: gpt-4o-mini-2024-07-18, deployment_type: DataZoneStandard, region: swedencentral", "exact", ZONE),
        ("deployment_type: DataZoneStandard, region: swedencentral", "exact", ZONE),
        ("model: gpt-4o-mini-2024-07-18", "estimated", GLOBAL),
        ("model: gpt-4o-mini-2024-07-18, deployment_type: ProvisionedManaged", "committed", None),
        ("model: gpt-4o-mini-2024-07-18, deployment_type: Standard, region: eastus2", "unpriced", None),
    ],
)
def test_what_you_say_of_an_azure_deployment_decides_its_meter(
    deployment: str, status: str, total: Decimal | None
) -> None:
    mine = book(f"deployments: [{{provider: azure.ai.openai, name: prod, {deployment}}}]")
    found = cost(mine, "gpt-4o-mini-2024-07-18", "prod", provider="azure.ai.openai")
    assert (found.status, found.total_usd) == (status, total)


def test_a_regional_deployment_may_have_rates_of_your_own() -> None:
    mine = book("""
rates:
  - {provider: azure.ai.openai, model: gpt-4o-mini-2024-07-18, others: unpriced, valid_from: 2026-01-01,
     when: {deployment: Standard in eastus2}, usd_per_mtok: {input_uncached: 1, input_cached: 0.5, output: 2}}
deployments:
  - {provider: azure.ai.openai, name: prod, deployment_type: Standard, region: eastus2}
""")
    found = cost(mine, "gpt-4o-mini-2024-07-18", "prod", provider="azure.ai.openai")
    assert (found.status, found.total_usd) == ("exact", Decimal("0.001000000000"))  # 600 × 1 + 400 × 0.5 + 100 × 2


CONVERSE = {"inputTokens": 1000, "outputTokens": 100, "totalTokens": 1100}
PROFILE = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/k3x9"
SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"  # $3 and $15 by `global.`, a tenth more elsewhere


@pytest.mark.parametrize("called", [PROFILE, PROFILE.replace("/", "%2F"), "k3x9"])
@pytest.mark.parametrize(
    ("scope", "total"), [("global.", "0.0045"), ("eu.", "0.00495"), ("", "0.00495")], ids=["global", "eu", "regional"]
)
def test_an_inference_profile_has_the_prices_of_its_model_in_its_scope(called: str, scope: str, total: str) -> None:
    mine = book(f"deployments: [{{provider: aws.bedrock, name: '{PROFILE}', model: '{scope}{SONNET}'}}]")
    found = price_usage(mine, CONVERSE, PricingFacts("aws.bedrock", (called,), JUNE))
    assert (found.status, found.total_usd) == ("exact", Decimal(total))
    assert price_usage(mine, CONVERSE, PricingFacts("aws.bedrock", ("other",), JUNE)).status == "unpriced"


def test_a_rate_of_your_own_for_a_scope_takes_the_place_of_the_providers_factor() -> None:
    rates = "rates: [{provider: aws.bedrock, model: '%s', others: book, valid_from: 2026-01-01, %s}]"
    plain = book(rates % (SONNET, "usd_per_mtok: {output: 10}"))
    scoped = book(rates % (SONNET, "when: {region: eu}, usd_per_mtok: {output: 10}"))
    facts = PricingFacts("aws.bedrock", (f"eu.{SONNET}",), JUNE)
    assert price_usage(plain, CONVERSE, facts).total_usd == Decimal("0.0044")  # (1000 × 3 + 100 × 10) × 1.1
    assert price_usage(scoped, CONVERSE, facts).total_usd == Decimal("0.0043")  # 1000 × 3 × 1.1 + 100 × 10
    elsewhere = PricingFacts("aws.bedrock", (f"global.{SONNET}",), JUNE)
    assert price_usage(scoped, CONVERSE, elsewhere).total_usd == Decimal("0.0045")


def test_what_a_provider_reports_comes_before_your_own_word() -> None:
    mine = book("free: [{hosts: [localhost]}]")
    usage = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11, "cost": 0.25}
    found = price_usage(mine, usage, PricingFacts("openrouter", ("any/model",), JUNE, host="localhost"))
    assert (found.status, found.total_usd) == ("provider_reported", Decimal("0.25"))
    assert layers(found) == {"provider_reported": "provider"}


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


FALLBACK = "fallback: genai-prices\n"
# Kimi K2 0711 by genai-prices: $0.57 input, $2.30 output, no price for cached input.
KIMI = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}


def kimi(of: PriceBook, usage: Any = KIMI, *models: str, provider: str = "moonshot_ai", **facts: Any) -> Cost:
    return price_usage(of, usage, PricingFacts(provider, models or ("kimi-k2",), JUNE, **facts))


def test_a_model_that_nobody_here_knows_has_no_price_unless_you_ask_for_the_other_list() -> None:
    assert kimi(book("")).status == "unpriced"
    found = kimi(book(FALLBACK))
    assert (found.status, found.total_usd) == ("estimated", Decimal("0.000800000000"))  # 1000 × 0.57 + 100 × 2.30
    assert layers(found) == {"input_uncached": "genai-prices", "output": "genai-prices"}
    assert "genai-prices" in (found.reason or "")
    assert all((i.price_id or "").startswith("genai-prices/moonshotai/kimi-k2/") for i in found.items)


def test_the_other_list_is_not_asked_about_what_the_book_carries() -> None:
    mine = book(FALLBACK)
    assert cost(mine) == dataclasses.replace(cost(load_book()), price_book=mine.version)
    tier = cost(mine, "gpt-4-0613", conditions={"service_tier": "flex"})
    assert (tier.status, set(layers(tier).values())) == ("unpriced", {None})


@pytest.mark.parametrize(
    ("usage", "facts", "status"),
    [
        ({**KIMI, "prompt_tokens_details": {"cached_tokens": 400}}, {}, "partial"),
        (KIMI, {"conditions": {"batch": True}}, "unpriced"),
        (KIMI, {"provider": "nobody"}, "unpriced"),
        (None, {}, "unpriced"),
    ],
    ids=["no price for a component", "a condition", "an unknown provider", "no usage"],
)
def test_what_the_other_list_does_not_say_is_not_guessed(usage: Any, facts: dict[str, Any], status: str) -> None:
    assert kimi(book(FALLBACK), usage, **facts).status == status


def test_the_other_list_prices_a_provider_that_only_a_span_tells_of() -> None:
    request = Request("moonshotai", "chat", None, model="kimi-k2")
    call = make_call(1, request=request, response=Response(), usage=Usage(input_tokens=1000, output_tokens=100))
    assert price_call(book(FALLBACK), call).total_usd == Decimal("0.000800000000")
    assert price_call(load_book(), call).status == "unpriced"


def test_the_other_list_never_takes_one_providers_price_for_anothers() -> None:
    mine = book(FALLBACK)
    assert cost(mine, "gpt-4o", provider="azure.ai.openai").status == "unpriced"  # which of Azure's, it does not say
    items = cost(mine, "o1", provider="azure.ai.openai").items
    assert {(i.price_id or "").split("/")[1] for i in items} == {"azure"}


@pytest.mark.expects_warning
def test_without_the_package_the_book_is_in_force_with_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices.data", None)
    load_fallback.cache_clear()
    try:
        mine, again = book(FALLBACK), book(FALLBACK + "# again")
    finally:
        load_fallback.cache_clear()
    assert {kimi(mine).status, kimi(again).status} == {"unpriced"}
    assert cost(mine).total_usd == BOOK_PRICE
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "pip install 'llmtrace-sidecar[genai-prices]'" in caplog.text


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
