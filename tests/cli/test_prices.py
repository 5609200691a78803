"""`llmtrace prices`: the price book in a terminal."""

import json
from pathlib import Path

import pytest
from commands import llmtrace_here as llmtrace

from llmtrace.pricing import load_book

KEYS = {"price_id", "component", "when", "valid_from", "valid_until", "source_url", "verified_at"}


def test_status_tells_version_rows_and_checks(tmp_path: Path) -> None:
    answer = json.loads(llmtrace("prices", "status", "--json", home=tmp_path).stdout)
    book = load_book()
    assert (answer["version"], answer["rows"]) == (book.version, len(book.prices))
    assert {row["provider"] for row in answer["providers"]} == {p.provider for p in book.prices}
    assert answer["oldest"] < answer["newest"]
    text = llmtrace("prices", "status", home=tmp_path).stdout
    assert f"version {book.version}" in text
    assert "anthropic" in text


def test_show_lists_the_prices_of_an_alias_on_a_day(tmp_path: Path) -> None:
    done = llmtrace("prices", "show", "gpt-4o", "--at", "2024-11-11", "--json", home=tmp_path)
    answer = json.loads(done.stdout)
    rates = {p["component"]: p["rate_usd"] for p in answer["prices"]}
    assert rates == {"input_uncached": "2.50", "input_cached": "1.25", "output": "10.00"}
    assert all(set(p) >= KEYS and p["model"] == "gpt-4o-2024-08-06" for p in answer["prices"])
    assert answer["at"] == "2024-11-11T00:00:00Z"


def test_show_tells_conditions_factors_and_sources_as_text(tmp_path: Path) -> None:
    text = llmtrace("prices", "show", "claude-opus-4-6", "--provider", "anthropic", home=tmp_path).stdout
    assert "anthropic/claude-opus-4-6 on 20" in text
    assert "batch" in text
    assert "× 1.1 on token prices with geo" in text
    assert "https://platform.claude.com/docs/en/about-claude/pricing (official, read on 20" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "gpt-4oo"], "did you mean gpt-4o"),
        (["show", "zzzzzzzz"], "prices status"),
        (["show", "gpt-4o", "--provider", "nobody"], "there are of anthropic"),
        (["show", "gpt-4o", "--at", "2020-01-01"], "its first is of 2024"),
        (["show", "gpt-4o", "--at", "soon"], "write 7d"),
        (["shwo", "gpt-4o"], "Did you mean 'show'?"),
        (["show"], "Missing argument 'MODEL'"),
    ],
    ids=str,
)
def test_what_cannot_be_shown_says_why(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = llmtrace("prices", *arguments, home=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
