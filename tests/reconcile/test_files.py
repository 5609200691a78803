"""Bills from files, compared by the command as people run it."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import billing as b
import pytest
from commands import llmtrace


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("home")
    b.track(place)
    return place


def reconcile(
    home: Path, tmp_path: Path, *pages: dict[str, Any], code: int, more: tuple[str, ...] = ()
) -> dict[str, Any]:
    files = []
    for number, body in enumerate(pages):
        (path := tmp_path / f"bill-{number}.json").write_text(json.dumps(body))
        files += ["--file", str(path)]
    done = llmtrace("reconcile", *b.PERIOD, *files, "--json", *more, home=home)
    assert done.returncode == code, done.stderr + done.stdout
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def causes(answer: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(r["day"][8:], r["token_class"], c["name"]) for r in answer["rows"] for c in r["causes"]}


EQUAL = b.page([[b.used(93_000, 9_300)]] * 3)
EQUAL_COSTS = b.page([b.costs("0.2325", "0.093")] * 3)


def test_equal_bills_reconcile_exactly(home: Path, tmp_path: Path) -> None:
    answer = reconcile(home, tmp_path, EQUAL, EQUAL_COSTS, code=0, more=("--tolerance", "0"))
    assert answer["agrees"] is True
    assert len(answer["rows"]) == 6
    assert {r["quantity_drift"] for r in answer["rows"]} == {"0.000000"}
    assert (answer["total"]["tracked_usd"], answer["total"]["coverage"]) == ("0.976500000000", "1.000000")
    assert Decimal(answer["total"]["drift_usd"]) == 0


def test_calls_of_a_service_not_instrumented_are_named_with_the_project_that_paid(home: Path, tmp_path: Path) -> None:
    other = b.used(7_000, 700, project="proj_search")
    bill = b.page([[b.used(93_000, 9_300, project="proj_shop"), other]] * 3)
    answer = reconcile(home, tmp_path, bill, b.page([b.costs("0.25", "0.1")] * 3), code=1)
    assert causes(answer) == {(d, c, "calls_outside") for d in ("10", "11", "12") for c in ("input_uncached", "output")}
    assert answer["rows"][0]["coverage"] == "0.930000"
    text = answer["rows"][0]["causes"][0]["evidence"]
    assert "7,000 tokens more are billed than tracked (7.0% of the bill)" in text
    assert "93 requests" in text
    assert "proj_search was billed exactly that" in text


def test_a_gap_within_the_tolerance_is_none(home: Path, tmp_path: Path) -> None:
    bill = b.page([[b.used(100_000, 10_000)]] * 3)
    reconcile(home, tmp_path, bill, code=1, more=("--tolerance", "6"))
    reconcile(home, tmp_path, bill, code=0, more=("--tolerance", "7"))


def test_a_price_change_is_told_with_the_day_it_begins(home: Path, tmp_path: Path) -> None:
    changed = b.page([b.costs("0.2325", "0.093"), b.costs("0.279", "0.093"), b.costs("0.279", "0.093")])
    answer = reconcile(home, tmp_path, EQUAL, changed, code=1)
    assert causes(answer) == {("11", "input_uncached", "price_change"), ("12", "input_uncached", "price_change")}
    evidence = [c["evidence"] for r in answer["rows"] for c in r["causes"]]
    assert (
        evidence == ["billed at $3 a million tokens, tracked at $2.5, since 2026-11-11; before, both sides agree"] * 2
    )


def test_another_price_on_every_day_is_a_price_of_your_own(home: Path, tmp_path: Path) -> None:
    answer = reconcile(home, tmp_path, EQUAL, b.page([b.costs("0.2", "0.08")] * 3), code=1)
    assert {name for _, _, name in causes(answer)} == {"price"}


def test_another_split_of_the_input_is_the_cache(home: Path, tmp_path: Path) -> None:
    answer = reconcile(home, tmp_path, b.page([[b.used(93_000, 9_300, input_cached_tokens=40_000)]] * 3), code=1)
    assert {(c, n) for _, c, n in causes(answer)} == {("input_uncached", "cache"), ("input_cached", "cache")}


@pytest.mark.parametrize(
    ("more", "name"), [({"batch": True}, "batch"), ({"service_tier": "flex"}, "service_tier")], ids=["batch", "flex"]
)
def test_as_many_tokens_of_another_tier_are_told(more: dict[str, Any], name: str, home: Path, tmp_path: Path) -> None:
    answer = reconcile(
        home, tmp_path, b.page([[b.used(93_000, 9_300, **more)]] * 3), b.page([b.costs("0.125", "0.05")] * 3), code=1
    )
    assert {n for _, _, n in causes(answer)} == {name}


def test_storage_is_billed_beside_tokens(home: Path, tmp_path: Path) -> None:
    bill = b.page([[*b.costs("0.2325", "0.093"), b.cost("vector storage", "2")]] * 3)
    answer = reconcile(home, tmp_path, EQUAL, bill, code=1)
    assert {(c, n) for _, c, n in causes(answer)} == {("vector storage", "beside_tokens")}


def test_dollars_alone_do_not_tell_calls_from_prices(home: Path, tmp_path: Path) -> None:
    answer = reconcile(home, tmp_path, b.page([b.costs("0.3", "0.12")] * 3), code=1)
    assert {n for _, _, n in causes(answer)} == {"no_quantities"}
