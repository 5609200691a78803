"""Rules name the feature of what is stored, now and in the past; what somebody named stays; costs stay; all is kept."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from foreign_spans import otel_new
from samples import make_call

from llmtrace import codec, otlp_bytes
from llmtrace.client import Client
from llmtrace.journal import JournalWriter, journal_folder
from llmtrace.model import Origin
from llmtrace.owner import Owner

SEARCH = '[[rules]]\nname = "s"\nfeature = "search"\nroute = "/search*"\n'


class Home:
    """A home with one owner, and a journal that a test writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        journal_folder(folder).mkdir()
        self.writer = JournalWriter(journal_folder(folder), "app")
        self.owner = Owner(folder, None, "test").open()

    def rules(self, text: str) -> None:
        (self.folder / "llmtrace.toml").write_text(text)

    def store(self, *calls: Any) -> None:
        self.writer.append(otlp_bytes.encode([codec.to_span(c, {"service.name": "shop"}) for c in calls]), len(calls))
        self.owner.ingest()

    def apply(self, *, is_dry: bool = False, **options: Any) -> dict[str, Any]:
        return self.owner.apply_rules(options, is_dry=is_dry)

    def features(self) -> dict[int, tuple[str | None, str | None]]:
        rows = self.owner.sql("SELECT span_id, feature, feature_source FROM calls").rows
        return {int(span, 16): (feature, source) for span, feature, source in rows}


@pytest.fixture
def mine(home: Path) -> Iterator[Home]:
    made = Home(home)
    yield made
    made.writer.close()
    made.owner.close()


def untagged(number: int, **origin: str) -> Any:
    return make_call(number, feature=None, feature_source=None, origin=Origin(**origin))


def test_calls_get_their_feature_as_they_are_stored(mine: Home) -> None:
    mine.rules(SEARCH)
    mine.store(
        untagged(1, route="/search/{q}"), untagged(2, route="/items"), make_call(3, origin=Origin(route="/search"))
    )
    assert mine.features() == {1: ("search", "rule:s"), 2: (None, None), 3: ("summarize", "code")}
    mine.rules(SEARCH.replace("/search*", "/items*").replace("search", "items"))
    mine.store(untagged(4, route="/items"))
    assert mine.features()[4] == ("items", "rule:s"), "a changed file holds from the next call on"
    assert mine.features()[1] == ("search", "rule:s")


def test_spans_of_other_instrumentations_get_theirs_too(mine: Home) -> None:
    mine.rules(SEARCH)
    span = otel_new()
    span = replace(span, attributes={**span.attributes, "http.route": "/search"})
    mine.writer.append(otlp_bytes.encode([span]), 1)
    mine.owner.ingest()
    assert set(mine.features().values()) == {("search", "rule:s")}


def test_the_past_is_named_by_the_rules_of_today_and_a_dry_run_changes_nothing(mine: Home) -> None:
    mine.store(untagged(1, route="/search"), untagged(2, route="/x"), make_call(3, origin=Origin(route="/search")))
    mine.rules(SEARCH)
    tried = mine.apply(is_dry=True)
    assert (tried["calls"], tried["changed"], tried["changed_usd"]) == (2, 1, Decimal("0.003500000000"))
    assert tried["rows"] == [
        {"before": None, "after": "search", "source": "rule:s", "calls": 1, "cost_usd": Decimal("0.003500000000"),
         "unpriced_calls": 0}
    ]  # fmt: skip
    assert mine.features()[1] == (None, None)
    assert {**mine.apply(), "dry_run": True} == tried
    assert mine.features() == {1: ("search", "rule:s"), 2: (None, None), 3: ("summarize", "code")}
    assert mine.apply()["changed"] == 0


def test_changed_rules_name_anew_what_rules_named_and_nothing_else(mine: Home) -> None:
    mine.rules(SEARCH)
    mine.store(untagged(1, route="/search"), make_call(2, origin=Origin(route="/search")))
    mine.rules(SEARCH.replace('feature = "search"', 'feature = "find"'))
    assert [(r["before"], r["after"]) for r in mine.apply()["rows"]] == [("search", "find")]
    assert mine.features() == {1: ("find", "rule:s"), 2: ("summarize", "code")}
    mine.rules("")
    assert [(r["before"], r["after"]) for r in mine.apply()["rows"]] == [("find", None)]
    assert mine.features() == {1: (None, None), 2: ("summarize", "code")}


def test_what_stood_there_is_kept_and_the_bill_stays_as_it_is(mine: Home) -> None:
    mine.store(untagged(1, route="/search"))
    before = mine.owner.explain(f"{1:016x}", {})
    mine.rules(SEARCH)
    mine.apply()
    rows = mine.owner.sql("SELECT * FROM calls_all ORDER BY revision").dicts()
    assert [(r["revision"], r["feature"]) for r in rows] == [(1, None), (2, "search")]
    changed = ("revision", "feature", "feature_source")
    assert all(rows[0][name] == rows[1][name] for name in rows[0] if name not in changed)
    after = mine.owner.explain(f"{1:016x}", {})
    assert after["items"] == before["items"]
    assert after["total_usd"] == before["total_usd"] == Decimal("0.003500000000")
    repriced = mine.owner.reprice({"since": "2000-01-01"}, is_dry=False)
    assert repriced["changed"] == 0


def test_pricing_anew_keeps_the_feature_that_a_rule_named(mine: Home) -> None:
    mine.rules(SEARCH)
    mine.store(untagged(1, route="/search"))
    (mine.folder / "prices.yaml").write_text(
        "rates:\n  - {provider: openai, model: gpt-4o, others: book, valid_from: 2026-01-01,"
        ' usd_per_mtok: {input_uncached: "1", output: "1"}}\n'
    )
    assert mine.owner.reprice({"since": "2000-01-01"}, is_dry=False)["changed"] == 1
    assert mine.features() == {1: ("search", "rule:s")}


def test_filters_restrict_what_is_named(mine: Home) -> None:
    mine.store(untagged(1, route="/search"), untagged(200_000, route="/search"))
    mine.rules(SEARCH)
    assert mine.apply(until="2026-11-11")["changed"] == 1
    assert mine.features() == {1: ("search", "rule:s"), 200_000: (None, None)}


def test_many_calls_are_named_in_batches(mine: Home) -> None:
    mine.store(*(untagged(n, route=f"/search/{n % 3}") for n in range(1, 12_001)))
    mine.rules('[[rules]]\nfeature = "search {1}"\nroute = "/search/*"\n')
    answer = mine.apply()
    assert answer["changed"] == 12_000
    assert sorted((r["after"], r["calls"]) for r in answer["rows"]) == [(f"search {n}", 4000) for n in range(3)]
    counted = mine.owner.sql(
        "SELECT count(*), count(DISTINCT span_id), min(revision), sum(cost_usd) FROM call_rows"
    ).rows
    assert counted == [(12_000, 12_000, 2, Decimal("42.000000000000"))]


def test_what_is_untagged_is_told_by_the_place_that_made_it(mine: Home) -> None:
    mine.store(
        untagged(1, route="/search", module="shop.search", command="uvicorn"),
        untagged(2, route="/search", module="shop.search", command="uvicorn"),
        untagged(3, task="jobs.mail", module="jobs", command="celery"),
        untagged(4, test="tests/test_a.py::test_b", module="tests.test_a"),
        untagged(5, module="shop.cron", command="cron.py"),
        untagged(6, module="__main__", command="nightly.py"),
        untagged(7),
        make_call(8, origin=Origin(route="/search")),
    )
    found = mine.owner.ask("untagged", {}).dicts()
    assert [(r["kind"], r["origin"], r["calls"]) for r in found] == [
        ("route", "/search", 2),
        ("command", "nightly.py", 1),
        ("module", "shop.cron", 1),
        ("task", "jobs.mail", 1),
        ("test", "tests/test_a.py::test_b", 1),
        (None, None, 1),
    ]
    assert found[0]["cost_usd"] == Decimal("0.007000000000")
    assert len(mine.owner.ask("untagged", {"limit": 1}).rows) == 1


def test_a_client_becomes_the_owner_to_apply_them(home: Path) -> None:
    first = Home(home)
    first.store(untagged(1, route="/search"))
    first.rules(SEARCH)
    first.owner.close()
    answer = Client(home, None, None, None).apply_rules({}, is_dry=False)
    assert (answer["changed"], answer["changed_usd"]) == (1, "0.003500000000")
