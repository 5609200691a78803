import csv
import io
from decimal import Decimal
from typing import Any

from llmtrace.dashboard import table
from llmtrace.dashboard.groups import OTHERS, Group


def measures(cost: str | None, calls: int, **more: Any) -> dict[str, Any]:
    return {
        "calls": calls,
        "errors": 0,
        "cost_usd": None if cost is None else Decimal(cost),
        "unpriced_calls": 0 if cost is not None else calls,
        "estimated_calls": 0,
        "input_tokens": 10,
        "cached_input_tokens": None,
        "output_tokens": 5,
        "latency_p50_s": 0.5,
        "latency_p95_s": 1.5,
        **more,
    }


NOW = [
    {"key": "=cmd|'/c calc'!A1", "is_other": False, "groups": 1, **measures("2.000000000001", 4)},
    {"key": None, "is_other": False, "groups": 0, **measures("1", 1)},
    {"key": None, "is_other": True, "groups": 3, **measures("0.5", 5)},
]
TOTAL = {**measures("3.500000000001", 11), "unpriced_calls": 1}


def entries() -> list[table.Entry]:
    report = [{"key": "=cmd|'/c calc'!A1", **measures("1", 2)}, {"key": "gone", **measures("4", 1)}]
    before = table.before_of(report, NOW, measures("7", 5))
    trends = {Group("=cmd|'/c calc'!A1"): [1.0, 2.0], OTHERS: [0.5, 0.0]}
    return table.entries_of(NOW, TOTAL, measures(None, 1), before, measures("7", 5), trends)


def test_the_groups_tie_with_the_total() -> None:
    found = entries()
    groups = [e for e in found if e.kind == table.GROUP]
    assert sum(e.row["cost_usd"] for e in groups) == found[0].row["cost_usd"]
    assert [e.kind for e in found] == [table.TOTAL, *[table.GROUP] * 3, table.UNPRICED]


def test_the_others_were_what_is_left_of_the_total() -> None:
    others = next(e for e in entries() if e.group == OTHERS)
    assert others.before == {"calls": 3, "cost_usd": Decimal(6)}
    assert others.name == "(other) 3 more"


def test_a_group_that_was_not_there_before_is_new() -> None:
    untagged = next(e for e in entries() if e.group == Group(None))
    assert untagged.change_text == "new"
    assert untagged.change is None


def test_without_a_period_before_nothing_is_said_of_changes() -> None:
    assert table.before_of([], NOW, None) == {}
    assert table.entries_of(NOW, TOTAL, None, {}, None, {})[1].change_text == "–"


def test_cells_are_numbers_to_sort_by_and_written_as_everywhere() -> None:
    styler = table.styled(entries())
    assert styler.data["spend_usd"].tolist()[:3] == [3.500000000001, 2.000000000001, 1.0]
    cells = styler._translate(False, False)["body"][0]
    assert "≥ $3.50" in [cell["display_value"] for cell in cells]


def test_the_total_is_bold() -> None:
    styler = table.styled(entries())
    styler._compute()
    assert all(("font-weight", "bold") in styler.ctx[(0, column)] for column in range(3))
    assert (1, 0) not in styler.ctx


def test_the_file_has_exact_numbers_and_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(table.csv_text(entries(), "feature"))))
    assert [r["kind"] for r in rows] == ["total", "group", "group", "other", "unpriced"]
    assert rows[0]["spend_usd"] == "3.500000000001"
    assert rows[0]["spend_is_lower_bound"] == "True"
    assert rows[1]["feature"] == "'=cmd|'/c calc'!A1"
    assert rows[4]["spend_usd"] == ""
    assert rows[1]["cached_input_tokens"] == ""


def test_every_column_has_a_width() -> None:
    assert set(table.WIDTHS) == {table.NAME, table.TREND, *(c.name for c in table.COLUMNS)}
