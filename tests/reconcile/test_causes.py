"""Each gap between what was tracked and what the simulator bills, made alone, is named by its cause and by no other."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import billing as b
import pytest
from commands import llmtrace_here as llmtrace
from samples import NOON
from serving import serve

from llmtrace.model import Request, Usage
from llmtrace.simulator import Simulator
from llmtrace.store.duckdb import DuckStore

DAYS = [NOON + timedelta(days=day) for day in range(3)]
CLAUDE = "claude-sonnet-4-6"
KEYS = {"OPENAI_ADMIN_KEY": "sk-admin-1", "ANTHROPIC_ADMIN_KEY": "sk-ant-admin01-1"}


@dataclass
class Case:
    """Calls of one provider that an app made, and the bill for them: 1,000 input and 100 output tokens each."""

    provider: str
    home: Path
    simulator: Simulator
    tracked: int = 0

    def track(self, calls: int = 93, *, cached: int = 0, days: int = 3, at: datetime = NOON, **changes: Any) -> None:
        """CALLS on each of DAYS, of whose input CACHED tokens were read from a cache."""
        more = {"usage": Usage(1000, cached, output_tokens=100), "used": self.usage(cached), "model": self.model}
        if self.provider == "anthropic":
            more["request"] = Request("anthropic", "chat", "messages", model=CLAUDE)
        b.track(self.home, calls=calls, days=days, at=at, first=1 + self.tracked, **{**more, **changes})
        self.tracked += calls * days

    def bill(self, calls: int = 93, *, cached: int = 0, days: list[datetime] = DAYS, **more: Any) -> None:
        """As many on each of DAYS on the bill."""
        for day in days:
            self.simulator.bill(self.provider, self.model, self.usage(cached), at=day, times=calls, **more)

    @property
    def model(self) -> str:
        return b.MODEL if self.provider == "openai" else CLAUDE

    def usage(self, cached: int = 0) -> dict[str, Any]:
        if self.provider == "openai":
            return b.usage(1000, 100, cached)
        return {"input_tokens": 1000 - cached, "cache_read_input_tokens": cached, "output_tokens": 100}

    def reconcile(self, *more: str, code: int = 1) -> dict[str, Any]:
        urls = {
            "LLMTRACE_OPENAI_ADMIN_URL": self.simulator.openai_base_url,
            "LLMTRACE_ANTHROPIC_ADMIN_URL": self.simulator.anthropic_base_url,
        }
        period = ("--since", "2026-11-10", "--until", "2026-11-13", "--provider", self.provider, "--json")
        done = llmtrace("reconcile", *period, *more, home=self.home, **KEYS, **urls)
        assert done.returncode == code, done.stderr + done.stdout
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


@pytest.fixture(params=["openai", "anthropic"])
def case(request: pytest.FixtureRequest, home: Path, simulator: Simulator) -> Case:
    return Case(request.param, home, simulator)


@pytest.fixture
def openai_case(home: Path, simulator: Simulator) -> Iterator[Case]:
    return Case("openai", home, simulator)


def causes(answer: dict[str, Any]) -> set[str]:
    """The names of all causes; each row that is off has one."""
    assert all(bool(row["causes"]) == row["is_off"] for row in answer["rows"])
    return {cause["name"] for cause in answer["causes"]}


def evidence(answer: dict[str, Any]) -> list[str]:
    return [cause["evidence"] for row in answer["rows"] for cause in row["causes"]]


def test_a_bill_for_what_was_tracked_has_no_gap_and_no_cause(case: Case) -> None:
    case.track(cached=400)
    case.bill(cached=400)
    answer = case.reconcile("--tolerance", "0.001", code=0)
    assert (answer["agrees"], answer["causes"], answer["total"]["coverage"]) == (True, [], "1.000000")
    assert [(row["is_off"], row["causes"]) for row in answer["rows"]] == [(False, [])] * 9


def test_calls_outside_llmtrace_are_found_to_be_seven_percent(case: Case) -> None:
    case.track()
    case.bill(scope="shop")
    case.bill(7, scope="search", key="key_search")
    answer = case.reconcile()
    assert causes(answer) == {"calls_outside"}
    assert answer["total"]["coverage"] == "0.930000"
    assert [row["coverage"] for row in answer["rows"]] == ["0.930000"] * 6
    assert evidence(answer)[0].startswith("7,000 tokens more are billed than tracked (7.0% of the bill)")
    assert ("in 7 requests that are not" in evidence(answer)[0]) is (case.provider == "openai")
    assert "search was billed exactly that" in evidence(answer)[0]
    assert answer["rows"][0]["keys"] == {"key_search": "7000"}


def test_another_tier_is_told(openai_case: Case) -> None:
    openai_case.track()
    openai_case.bill(service_tier="flex")
    answer = openai_case.reconcile()
    assert causes(answer) == {"service_tier"}
    assert evidence(answer)[0] == "as many tokens, of other tiers: flex +93,000, standard -93,000"


def test_tokens_of_batches_are_told(case: Case) -> None:
    case.track()
    case.bill()
    case.bill(20, batch=True)
    answer = case.reconcile()
    assert causes(answer) == {"batch"}
    assert evidence(answer)[0].startswith("20,000 tokens more were billed as batches")


def test_as_many_tokens_billed_as_a_batch_are_told(case: Case) -> None:
    case.track()
    case.bill(batch=True)
    assert causes(case.reconcile()) == {"batch"}


def test_another_split_of_the_input_is_the_cache(case: Case) -> None:
    case.track()
    case.bill(cached=400)
    answer = case.reconcile()
    assert causes(answer) == {"cache"}
    assert "input_uncached -37,200" in evidence(answer)[0]
    assert "input_cached +37,200" in evidence(answer)[0]


def test_calls_without_usage_are_told_and_are_not_calls_outside(case: Case) -> None:
    case.track(86)
    case.track(7, used={}, usage=Usage(), usage_source="missing")
    case.bill()
    answer = case.reconcile()
    assert causes(answer) == {"missing_usage"}
    assert set(evidence(answer)) == {"7 tracked calls of that day and model came without usage"}


def test_estimated_tokens_are_told_and_are_not_calls_outside(case: Case) -> None:
    case.track(80)
    short = {**case.usage(), **dict.fromkeys(("prompt_tokens", "input_tokens") & case.usage().keys(), 700)}
    case.track(13, used=short, usage=Usage(700, output_tokens=100), usage_source="estimated")
    case.bill()
    answer = case.reconcile()
    assert causes(answer) == {"estimated_usage"}
    assert evidence(answer)[0] == "13 of 93 tracked calls have estimated or incomplete tokens"


def test_calls_without_usage_and_calls_outside_are_both_told(openai_case: Case) -> None:
    openai_case.track(86)
    openai_case.track(7, used={}, usage=Usage(), usage_source="missing")
    openai_case.bill(100)
    answer = openai_case.reconcile()
    assert causes(answer) == {"missing_usage", "calls_outside"}
    assert any("in 7 requests that are not" in text for text in evidence(answer))


def test_another_price_is_told_with_the_day_it_began(case: Case) -> None:
    case.track()
    case.bill()
    case.simulator.charge(case.model, "input_uncached", "4", since=DAYS[1])
    answer = case.reconcile()
    assert causes(answer) == {"price_change"}
    was = "2.5" if case.provider == "openai" else "3"
    text = f"billed at $4 a million tokens, tracked at ${was}, since 2026-11-11; before, both sides agree"
    assert evidence(answer) == [text] * 2


def test_a_price_that_was_always_another_is_told(case: Case) -> None:
    case.track()
    case.bill()
    case.simulator.charge(case.model, "output", "12")
    assert causes(case.reconcile()) == {"price"}


def test_calls_outside_and_another_price_are_both_told(case: Case) -> None:
    case.track()
    case.bill(100)
    case.simulator.charge(case.model, "input_uncached", "4")
    answer = case.reconcile()
    assert {(r["token_class"], c["name"]) for r in answer["rows"] for c in r["causes"]} == {
        ("input_uncached", "calls_outside"),
        ("input_uncached", "price"),
        ("output", "calls_outside"),
    }


def test_days_of_another_zone_are_told(case: Case) -> None:
    for number, early in enumerate((10, 20, 30, 40)):
        day = datetime(2026, 11, 10 + number)
        for calls, hour in ((early, 7), (early // 2, 8), (15, 20)):
            at = day + timedelta(hours=hour)
            case.track(calls, days=1, at=at)
            case.bill(calls, days=[at - timedelta(hours=8)])
    answer = case.reconcile()
    assert causes(answer) == {"time_zone"}
    assert set(evidence(answer)) == {"every day agrees if its days are those of UTC-8"}


def test_calls_that_went_on_over_midnight_are_told(case: Case) -> None:
    case.track()
    case.track(5, days=1, at=datetime(2026, 11, 10, 23, 59, 30))
    case.bill()
    case.bill(5, days=[DAYS[1]])
    answer = case.reconcile()
    assert causes(answer) == {"time_zone"}
    assert evidence(answer)[0] == "-5,000 here and +5,000 on 2026-11-11: together the days agree"


def test_tokens_without_a_price_here_are_told(openai_case: Case) -> None:
    openai_case.track(model="gpt-0-nobody-knows", request=Request("openai", "chat", "chat.completions"))
    for day in DAYS:
        openai_case.simulator.bill("openai", "gpt-0-nobody-knows", openai_case.usage(), at=day, times=93)
    for token_class in ("input_uncached", "output"):
        openai_case.simulator.charge("gpt-0-nobody-knows", token_class, "7")
    answer = openai_case.reconcile()
    assert causes(answer) == {"unpriced"}
    assert "llmtrace prices show gpt-0-nobody-knows" in evidence(answer)[0]


def test_less_on_the_bill_than_was_tracked_is_paid_elsewhere(case: Case) -> None:
    case.track()
    case.bill(80)
    assert causes(case.reconcile()) == {"billed_elsewhere"}


def test_only_a_project_and_a_service_are_compared(openai_case: Case) -> None:
    openai_case.track()
    openai_case.bill(scope="proj_shop")
    openai_case.bill(7, scope="proj_search", key="key_search")
    openai_case.reconcile("--scope", "proj_shop", "--service", "shop", code=0)
    only_key = openai_case.reconcile("--key", "key_search", "--service", "nobody")
    assert {row["billed_quantity"] for row in only_key["rows"]} == {"7000", "700"}
    assert {row["tracked_quantity"] for row in only_key["rows"]} == {"0"}


def test_a_gap_within_the_tolerance_is_none(openai_case: Case) -> None:
    openai_case.track()
    openai_case.bill(100)
    openai_case.reconcile("--tolerance", "6", code=1)
    openai_case.reconcile("--tolerance", "7", code=0)


def test_more_than_one_answer_holds_is_asked_for_day_by_day(openai_case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    openai_case.track()
    openai_case.bill()
    monkeypatch.setitem(DuckStore.query.__kwdefaults__, "limit", 3)
    assert openai_case.reconcile(code=0)["total"]["coverage"] == "1.000000"
    monkeypatch.setitem(DuckStore.query.__kwdefaults__, "limit", 1)
    done = llmtrace(
        *("reconcile", "--provider", "openai", "--since", "2026-11-10", "--until", "2026-11-13"),
        home=openai_case.home,
        LLMTRACE_OPENAI_ADMIN_URL=openai_case.simulator.openai_base_url,
        **KEYS,
    )
    assert (done.returncode, "2026-11-10 has more models than one answer can hold" in done.stderr) == (2, True)


def test_what_was_paid_in_advance_is_compared_by_its_tokens(home: Path, simulator: Simulator) -> None:
    case = Case("anthropic", home, simulator)
    case.track()
    case.track(20, used={**case.usage(), "service_tier": "priority"}, tier="priority")
    case.bill()
    case.bill(20, service_tier="priority")
    answer = case.reconcile(code=0)
    assert (answer["total"]["coverage"], answer["rows"][0]["billed_quantity"]) == ("1.000000", "113000")


def test_a_sidecar_answers_for_what_was_tracked(openai_case: Case, tmp_path: Path) -> None:
    openai_case.track()
    openai_case.bill()
    with serve(openai_case.home) as sidecar:
        openai_case.reconcile("--url", sidecar.url, "--home", str(tmp_path / "elsewhere"), "--service", "shop", code=0)
