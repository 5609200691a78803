"""The tools for maintainers find what they are for, and write nothing."""

import importlib.util
import json
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from llmtrace.pricing.reading import moment, read_book

TOOLS = Path(__file__).parents[2] / "tools"
BOOK = """
provider: anthropic
sources: {page: {url: "https://example.com/prices", note: A page., verified_at: 2026-01-01, confidence: official}}
models:
  claude-m:
    - valid_from: 2026-01-01
      valid_to: 2026-06-01
      source: page
      usd_per_mtok: {input_uncached: "3", cache_write_5m: "3.75", output: "15"}
    - valid_from: 2026-06-01
      source: page
      usd_per_mtok: {input_uncached: "2", cache_write_5m: "2.50", output: "10"}
    - {valid_from: 2026-01-01, source: page, when: {batch: true}, usd_per_mtok: {input_uncached: "1.50"}}
"""
MODEL = {
    "litellm_provider": "anthropic",
    "input_cost_per_token": 3e-06,
    "input_cost_per_token_batches": 1.5e-06,
    "cache_creation_input_token_cost": 3.75e-06,
    "cache_read_input_token_cost": 3e-07,
    "output_cost_per_token": 1.5e-05,
}


@pytest.fixture(scope="module")
def compare_prices() -> ModuleType:
    return load("compare_prices")


@pytest.fixture(scope="module")
def compare_costs() -> ModuleType:
    return load("compare_costs")


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def found(tool: ModuleType, at: str, **change: Any) -> list[str]:
    rates = tool.litellm_rates("LiteLLM", {"claude-m": {**MODEL, **change}, "other": {"litellm_provider": "nobody"}})
    return list(tool.disagreements(read_book({"a.yaml": BOOK}), rates, moment(at)))


def test_lists_that_agree_give_no_line_but_the_count(compare_prices: ModuleType) -> None:
    assert found(compare_prices, "2026-03-01") == ["LiteLLM: 1 no rate here, 4 same"]


def test_a_rate_that_differs_is_told_with_both_and_the_source(compare_prices: ModuleType) -> None:
    [line, _] = found(compare_prices, "2026-03-01", output_cost_per_token=1.4e-05)
    assert line.startswith("anthropic/claude-m output at 2026-03-01: LiteLLM 14, book 15 [")
    assert "https://example.com/prices" in line


def test_rates_are_compared_as_of_the_day(compare_prices: ModuleType) -> None:
    lines = found(compare_prices, "2026-07-01")
    assert [line.partition(" at ")[0] for line in lines[:-1]] == [
        "anthropic/claude-m input_uncached",
        "anthropic/claude-m output",
        "anthropic/claude-m cache_write_5m",
    ]


def test_rates_under_conditions_are_compared_with_those_under_the_same(compare_prices: ModuleType) -> None:
    [line, _] = found(compare_prices, "2026-03-01", input_cost_per_token_batches=1.2e-06)
    assert "input_uncached (batch=True) at 2026-03-01: LiteLLM 1.2, book 1.5" in line


def test_rows_of_genai_prices_are_read(compare_prices: ModuleType) -> None:
    row = {"provider": "anthropic", "model": "claude-m", "rate": "output_mtok", "when": {}, "usd": "16", "above": 0}
    batch = {**row, "rate": "input_mtok", "when": {"processing": "batch"}, "usd": "1.5"}
    rates = compare_prices.genai_rates([row, batch, {**row, "provider": "nobody"}, {**row, "rate": "hours"}])
    lines = list(compare_prices.disagreements(read_book({"a.yaml": BOOK}), rates, moment("2026-03-01")))
    assert "genai-prices 16, book 15" in lines[0]
    assert lines[1:] == ["genai-prices: 1 differs, 1 same"]


def test_a_wheels_file_is_found_and_nothing_is_written(
    compare_prices: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "lib" / "litellm"
    package.mkdir(parents=True)
    file = package / "model_prices_and_context_window_backup.json"
    file.write_text(json.dumps({"gpt-4.1": {"litellm_provider": "openai", "input_cost_per_token": 9e-06}}))
    before = {p: p.stat().st_mtime_ns for root in (tmp_path, TOOLS) for p in root.rglob("*") if "cache" not in str(p)}
    compare_prices.main(["--litellm", str(tmp_path), "--at", "2026-03-01"])
    assert "openai/gpt-4.1 input_uncached at 2026-03-01: LiteLLM 9, book 2" in capsys.readouterr().out
    assert before == {
        p: p.stat().st_mtime_ns for root in (tmp_path, TOOLS) for p in root.rglob("*") if "cache" not in str(p)
    }


def test_an_environment_without_the_wheel_is_told(compare_prices: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="install LiteLLM"):
        compare_prices.main(["--litellm", str(tmp_path)])


def test_an_answer_is_judged_by_the_worked_bill(compare_costs: ModuleType) -> None:
    bill, unknowable = compare_costs.read_bills(compare_costs.BILLS)[0], None
    for other in compare_costs.read_bills(compare_costs.BILLS):
        unknowable = other if other.usd is None else unknowable
    assert unknowable is not None and bill.usd is not None
    for cost, verdict in ((bill.usd + Decimal("1e-10"), "right"), (bill.usd * 2, "wrong"), (None, "unknown")):
        answers = compare_costs.Answers("x", "1", {bill.id: cost, unknowable.id: cost})
        assert answers.verdict(bill) == verdict
        assert answers.verdict(unknowable) == ("right" if cost is None else "wrong")


def test_our_own_engine_is_right_about_every_bill(compare_costs: ModuleType) -> None:
    bills = compare_costs.read_bills(compare_costs.BILLS)
    answers = compare_costs.ours(bills)
    assert [bill.id for bill in bills if answers.verdict(bill) != "right"] == []
    assert f"| **all** | {len(bills)} | {len(bills)} / 0 / 0 |" in compare_costs.table(bills, [answers])


def test_the_page_of_the_docs_tells_of_every_bill(compare_costs: ModuleType) -> None:
    page = (TOOLS.parent / "docs" / "comparison.md").read_text(encoding="utf-8")
    bills = compare_costs.read_bills(compare_costs.BILLS)
    assert page.startswith(f"# Worked bills, and what price engines make of them\n\n{len(bills)} bills")
    for bill in bills:
        assert f"| {bill.rule} | {bill.model}, {bill.at:%Y-%m-%d} |" in page
