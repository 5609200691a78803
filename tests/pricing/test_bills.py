"""Every worked bill of `bills.yaml` is what the engine makes of its usage, to the last digit."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmtrace.pricing import price
from llmtrace.pricing.reading import moment

FILE = yaml.safe_load(Path(__file__).with_name("bills.yaml").read_text(encoding="utf-8"))
BILLS = [(group, bill) for group, bills in FILE["groups"].items() for bill in bills]


@pytest.mark.parametrize("bill", [bill for _, bill in BILLS], ids=lambda b: f"{b['provider']}: {b['rule']}")
def test_bill_comes_to_what_was_worked_out_by_hand(bill: dict[str, Any]) -> None:
    at: date | datetime = bill["at"]
    cost = price(bill["usage"], bill["provider"], bill["model"], moment(at), bill.get("endpoint"), bill.get("context"))
    if bill["usd"] is None:
        assert cost.total_usd is None, bill["work"]
        assert cost.reason
    else:
        assert cost.total_usd == Decimal(bill["usd"]), cost.reason
        assert all(item.cost_usd is not None for item in cost.items)


def test_bills_are_many_and_say_what_they_prove_and_where_the_rates_are_printed() -> None:
    assert len([bill for _, bill in BILLS if bill["usd"] is not None]) >= 60
    for _, bill in BILLS:
        assert bill["rule"] and bill["work"], bill
        assert bill.get("page", FILE["pages"][bill["provider"]]).startswith("https://")
    assert len({bill["rule"] for _, bill in BILLS}) > 55
