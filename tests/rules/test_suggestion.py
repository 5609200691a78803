"""What is suggested for untagged calls can be put into the file as it is, and fits the calls that it is made of."""

from decimal import Decimal
from typing import Any

import pytest
from samples import make_call

from llmtrace.model import Origin
from llmtrace.rules import largest_origin, suggest_rules
from llmtrace.rules.reading import parse_rules
from llmtrace.rules.suggestion import guess_feature


def row(kind: str | None, origin: str | None, calls: int = 1, cost_usd: str | None = "1") -> dict[str, Any]:
    return {"kind": kind, "origin": origin, "calls": calls, "cost_usd": None if cost_usd is None else Decimal(cost_usd)}


@pytest.mark.parametrize(
    ("kind", "origin", "feature"),
    [
        ("route", "/api/v1/search/{query}/more", "search"),
        ("route", "/{tenant}/chat", "chat"),
        ("route", "/<int:item>", "route"),
        ("task", "shop.tasks.send_digest", "send_digest"),
        ("module", "shop.search", "search"),
        ("command", "tool.py mail digest", "digest"),
        ("test", "tests/test_a.py::test_b[1]", "test_b"),
        ("command", "nightly.py", "nightly"),
    ],
)
def test_a_guess_is_a_word_that_says_something(kind: str, origin: str, feature: str) -> None:
    assert guess_feature(kind, origin) == feature


def test_what_is_suggested_is_a_file_whose_rules_fit() -> None:
    rows = [row("route", '/say/"hi"/{x}'), row("task", "a\\b"), row(None, None), row("command", "odd * name")]
    text = suggest_rules(rows)
    rules = parse_rules(text, "llmtrace.toml")
    assert len(rules.rules) == 2, "neither what is not known nor what a pattern would misread"
    call = make_call(1, feature=None, feature_source=None, origin=Origin(route='/say/"hi"/{x}'))
    assert rules.apply(call, None, None).feature == "say"
    assert suggest_rules([]) == ""


def test_the_largest_origin_is_told_by_cost_or_else_by_calls() -> None:
    rows = [row(None, None, 9, "9"), row("route", "/search", 3, "3")]
    assert largest_origin(rows, 12, Decimal(12)) == "25% of the untagged cost comes from route /search"
    assert largest_origin([row("task", "t", 3, None)], 4, None) == "75% of the untagged calls come from task t"
    assert largest_origin([row(None, None)], 1, Decimal(1)) is None
    assert largest_origin([], 0, None) is None
