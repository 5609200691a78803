"""The user's own prices come before the book's, to the last digit; a file with a mistake is refused with its line."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pricing.own_prices import BOOK_PRICE, JUNE, RATE, book, cost, layers

from llmtrace.pricing import PricingFacts, load_book, price_usage


def test_an_empty_file_changes_no_price() -> None:
    for text in ("", "# nothing yet\n", "rates: []\n"):
        found = cost(book(text))
        assert (found.total_usd, set(layers(found).values())) == (BOOK_PRICE, {"book"})


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
