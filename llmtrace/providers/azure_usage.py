"""What a deployment on Azure adds to a bill for OpenAI's usage: its type and region decide the meter.

Source: https://learn.microsoft.com/en-us/azure/ai-foundry/foundry-models/concepts/deployment-types
"""

from collections.abc import Mapping
from typing import Any

from llmtrace.providers.base import Billing, as_text

PROVIDER = "azure.ai.openai"
# Regions by the price of their data zone, from https://prices.azure.com/api/retail/prices.
US_AND_EU = frozenset({
    "centralus", "eastus", "eastus2", "northcentralus", "southcentralus", "westcentralus", "westus", "westus2",
    "westus3", "francecentral", "germanywestcentral", "italynorth", "northeurope", "polandcentral", "spaincentral",
    "swedencentral", "westeurope",
})  # fmt: skip
ASIA_PACIFIC = frozenset({
    "australiaeast", "centralindia", "eastasia", "japaneast", "japanwest", "jioindiawest", "koreacentral",
    "southeastasia", "southindia",
})  # fmt: skip
PROVISIONED = "ProvisionedManaged"
ASSUMED_BATCH = "taken as a Global Batch deployment: the answer does not tell its type"
ASSUMED = "taken as a Global Standard deployment: the answer does not tell its type"


def deployed(terms: Billing, stated: Mapping[str, Any]) -> Billing:
    """TERMS under the deployment that the call STATED: `deployment_type` as Azure names it, and `region`.

    Provisioned throughput is paid by the hour: such calls are drawn from a commitment.
    """
    kind, region = as_text(stated.get("deployment_type")), as_text(stated.get("region"))
    conditions = {key: value for key, value in terms.conditions.items() if key != "region"}
    if kind is None:
        return terms._replace(conditions=conditions, assumption=ASSUMED_BATCH if stated.get("batch") else ASSUMED)
    conditions["deployment"] = _meters(kind, region)
    if kind.endswith("Batch"):
        conditions["batch"] = True
    return terms._replace(conditions=conditions, committed=kind.endswith(PROVISIONED))


def _meters(kind: str, region: str | None) -> str:
    """Which meters a deployment of KIND in REGION is billed by; one without prices where nothing tells."""
    if kind.startswith("Global"):
        return "global"
    if not kind.startswith("DataZone"):
        return f"{kind} in {region}"
    place = (region or "").lower()
    return "data_zone" if place in US_AND_EU else "data_zone_apac" if place in ASIA_PACIFIC else f"{kind} in {region}"
