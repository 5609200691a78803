"""Bills of deployments on Azure, worked by hand from https://prices.azure.com/api/retail/prices.

Every sum is written out beside the test, in dollars per million tokens.
"""

from datetime import UTC, datetime
from typing import Any

import pytest
from samples import make_call

from llmtrace.model import Cost, Request, Response
from llmtrace.pricing import load_book, price, price_call

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 200}}


def azure(model: str, usage: Any = USAGE, at: str = "2026-08-01", **context: Any) -> Cost:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    return price(usage, "azure.ai.openai", model, moment, "chat.completions", context)


def usd(cost: Cost) -> str:
    assert cost.total_usd is not None, cost.reason
    return format(cost.total_usd.normalize(), "f")


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        # 800 × 0.75 + 200 × 0.075 + 100 × 4.50
        ({"deployment_type": "GlobalStandard"}, "0.001065"),
        ({"deployment_type": "GlobalStandard", "region": "swedencentral"}, "0.001065"),
        # 800 × 0.375 + 200 × 0.0375 + 100 × 2.25
        ({"deployment_type": "GlobalBatch"}, "0.0005325"),
        # 800 × 1.50 + 200 × 0.15 + 100 × 9.00
        ({"deployment_type": "GlobalStandard", "service_tier": "priority"}, "0.00213"),
        # 800 × 0.825 + 200 × 0.0825 + 100 × 4.95
        ({"deployment_type": "DataZoneStandard", "region": "eastus2"}, "0.0011715"),
        ({"deployment_type": "DataZoneStandard", "region": "SwedenCentral"}, "0.0011715"),
        # 800 × 0.90 + 200 × 0.09 + 100 × 5.40
        ({"deployment_type": "DataZoneStandard", "region": "japaneast"}, "0.001278"),
        # 800 × 0.4125 + 200 × 0.04125 + 100 × 2.475
        ({"deployment_type": "DataZoneBatch", "region": "westeurope"}, "0.00058575"),
    ],
)
def test_deployment_decides_the_meter(context: dict[str, Any], expected: str) -> None:
    cost = azure("gpt-5.4-mini-2026-03-17", **context)
    assert (cost.status, usd(cost)) == ("exact", expected)


def test_rate_that_a_data_zones_meter_rounds_is_the_meters() -> None:
    # 800 × 0.165 + 200 × 0.083 + 100 × 0.66: ten percent over Global's 0.075 would be 0.0825.
    cost = azure("gpt-4o-mini-2024-07-18", deployment_type="DataZoneStandard", region="westus3")
    assert usd(cost) == "0.0002146"


def test_long_request_is_billed_by_the_long_meters_alone() -> None:
    # 272,001 × 10.00 + 100 × 45.00; one token less: 272,000 × 5.00 + 100 × 30.00.
    long, short = ({"prompt_tokens": n, "completion_tokens": 100} for n in (272_001, 272_000))
    assert usd(azure("gpt-5.6-sol", long, deployment_type="GlobalStandard")) == "2.72451"
    assert usd(azure("gpt-5.6-sol", short, deployment_type="GlobalStandard")) == "1.363"


@pytest.mark.parametrize(
    "context",
    [
        {"deployment_type": "Standard", "region": "eastus2"},
        {"deployment_type": "DataZoneStandard"},
        {"deployment_type": "DataZoneStandard", "region": "atlantis"},
        {"deployment_type": "Hovercraft", "region": "eastus2"},
        {"deployment_type": "GlobalStandard", "service_tier": "flex"},
    ],
)
def test_deployment_without_a_known_meter_has_no_price(context: dict[str, Any]) -> None:
    cost = azure("gpt-5.4-mini-2026-03-17", **context)
    assert (cost.status, cost.total_usd) == ("unpriced", None)
    assert str(next(v for v in context.values())) in (cost.reason or "") or "service_tier" in context


def test_provisioned_throughput_is_committed() -> None:
    cost = azure("gpt-5.4-mini-2026-03-17", deployment_type="GlobalProvisionedManaged")
    assert (cost.status, cost.total_usd) == ("committed", None)


def test_deployment_is_priced_by_its_underlying_model() -> None:
    named = azure("prod", underlying_model="gpt-5.4-mini-2026-03-17", deployment_type="GlobalStandard")
    assert usd(named) == "0.001065"
    assert azure("prod", deployment_type="GlobalStandard").status == "unpriced"


def test_deployment_type_means_nothing_to_openai() -> None:
    at = datetime(2026, 8, 1, tzinfo=UTC)
    context = {"deployment_type": "GlobalStandard"}
    assert price(USAGE, "openai", "gpt-5.4-mini", at, "chat.completions", context).status == "unpriced"


def test_captured_call_is_priced_by_the_model_that_answered() -> None:
    # 1,000 × 0.75 + 100 × 4.50, by the meters of Global Standard, which the answer does not tell: an estimate.
    call = make_call(
        1,
        request=Request("azure.ai.openai", "chat", "chat.completions", model="prod", server_address="x.azure.com"),
        response=Response(
            model="gpt-5.4-mini-2026-03-17",
            finish_reasons=("stop",),
            usage={"prompt_tokens": 1000, "completion_tokens": 100},
        ),
    )
    cost = price_call(load_book(), call)
    assert (cost.status, usd(cost)) == ("estimated", "0.0012")
    assert "Global Standard" in (cost.reason or "")
    assert {i.price_id.partition("/")[0] for i in cost.items if i.price_id} == {"azure.ai.openai"}


def test_captured_call_that_names_only_a_deployment_has_no_price() -> None:
    request = Request("azure.ai.openai", "chat", "chat.completions", model="prod")
    call = make_call(2, request=request, response=Response(model="prod", usage={"prompt_tokens": 1000}))
    assert price_call(load_book(), call).status == "unpriced"
