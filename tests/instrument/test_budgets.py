"""Budgets with real SDKs: refused before anything is sent, settled with what calls cost, and never in the way."""

import asyncio
import logging
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest
from calling import ANTHROPIC, ASYNC_STREAMS, MESSAGES, OPENAI, PLAIN, STREAMS, closing, make_clients, read, run
from conftest import recorded_calls

import llmtrace
from llmtrace import lifecycle
from llmtrace.budgets.budget import BudgetState
from llmtrace.budgets.gate import Gate
from llmtrace.simulator import Fault, Simulator

# 1,000 tokens in and 100 out of gpt-4o: $0.0025 + $0.001 by OpenAI's price page.
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
COST = Decimal("0.0035")


def gate() -> Gate:
    assert lifecycle._capture is not None
    found = lifecycle._capture.gate
    assert isinstance(found, Gate)
    return found


def state() -> BudgetState:
    assert llmtrace.flush(5)
    (found,) = gate().states()
    return found


def ask(simulator: Simulator, client: openai.OpenAI, **changes: Any) -> Any:
    simulator.answer(text="fine", usage=USAGE)
    return client.chat.completions.create(**{**OPENAI, **changes})


@pytest.mark.parametrize("name", [*PLAIN, *STREAMS, *ASYNC_STREAMS])
def test_a_call_without_room_is_refused_before_anything_is_sent(name: str, simulator: Simulator, home: Path) -> None:
    llmtrace.budget("search", usd=0, on_exceed="raise")
    llmtrace.instrument(home=home)
    clients = make_clients(simulator)
    with llmtrace.feature("search"), pytest.raises(llmtrace.BudgetExceeded) as raised:
        run(name, clients) if name in PLAIN else read(name, clients)
    assert simulator.requests == []
    assert (raised.value.budget, raised.value.limit, raised.value.feature) == ("search per day", "usd", "search")
    assert raised.value.__cause__ is None
    (call,) = recorded_calls(home)
    assert (call.status, call.error_type, call.request_sent, call.feature) == (
        "error",
        "BudgetExceeded",
        False,
        "search",
    )


@pytest.mark.expects_warning
def test_calls_go_on_until_the_money_is_spent(simulator: Simulator, home: Path) -> None:
    llmtrace.budget("search", usd="0.01", on_exceed="raise")
    llmtrace.instrument(home=home)
    client = make_clients(simulator).openai
    with llmtrace.feature("search"):
        for n in range(1, 3):
            ask(simulator, client)
            assert state().spent_usd == COST * n
        ask(simulator, client)
        assert state().spent_usd == COST * 3
        with pytest.raises(llmtrace.BudgetExceeded) as raised:
            ask(simulator, client)
    with llmtrace.feature("other"):
        ask(simulator, client)
    ask(simulator, client)
    assert (raised.value.spent_usd, raised.value.limit_usd) == (COST * 3, Decimal("0.01"))
    assert raised.value.resets_at == state().window_end
    assert (state().spent_usd, state().calls, state().refused_calls) == (COST * 3, 3, 1)
    assert len(simulator.requests) == 5


@pytest.mark.parametrize("name", [*STREAMS, *ASYNC_STREAMS])
def test_a_stream_is_settled_when_it_ends(name: str, simulator: Simulator, home: Path) -> None:
    llmtrace.budget(usd=1, on_exceed="raise")
    llmtrace.instrument(home=home)
    seen: list[tuple[Decimal, bool]] = []

    def look(count: int) -> None:
        if count == 1:
            found = gate().states()[0]
            seen.append((found.spent_usd, found.reserved_usd > 0))

    read(name, make_clients(simulator), look)
    assert seen == [(Decimal(0), True)]
    after = state()
    assert after.spent_usd > 0
    assert after.reserved_usd == 0


def test_parallel_calls_cannot_pass_the_limit_together(simulator: Simulator, home: Path) -> None:
    # 60 tokens out cost at most $0.0006, and the prompt less than $0.0001: four fit, whatever comes back.
    llmtrace.budget(usd="0.0028", on_exceed="raise", warn_at=())
    llmtrace.instrument(home=home)
    for _ in range(10):
        simulator.fault(Fault.delay(0.3))
    clients = make_clients(simulator)

    async def all_at_once() -> list[Any]:
        calls = [clients.openai_async.chat.completions.create(**OPENAI) for _ in range(10)]
        return await asyncio.gather(*calls, return_exceptions=True)

    got = asyncio.run(closing(clients, all_at_once))
    refused = [g for g in got if isinstance(g, llmtrace.BudgetExceeded)]
    assert len(simulator.requests) == 10 - len(refused)
    assert refused
    assert state().spent_usd <= Decimal("0.0028")


@pytest.mark.expects_warning
def test_warn_never_raises_and_warns_once_at_each_threshold(
    simulator: Simulator, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[float, str | None]] = []
    llmtrace.budget("search", usd="0.007", on_warn=lambda s: told.append((round(s.share or 0, 2), s.feature)))
    llmtrace.instrument(home=home)
    client = make_clients(simulator).openai
    with llmtrace.feature("search"), caplog.at_level(logging.WARNING, "llmtrace"):
        for _ in range(4):
            ask(simulator, client)
            assert llmtrace.flush(5)
    assert told == [(0.5, "search"), (1.0, "search")]
    assert len(simulator.requests) == 4
    texts = [r.getMessage() for r in caplog.records]
    assert [t for t in texts if "is at 50 %" in t] == [
        "the budget 'search per day' is at 50 %: 0.003500 USD of 0.007 a day are spent"
    ]
    assert len([t for t in texts if "is at 100 %" in t]) == 1
    assert len([t for t in texts if "is exceeded" in t and "calls go on" in t]) == 1
    assert state().spent_usd == COST * 4


def test_a_function_is_given_the_exception_and_may_raise_it(simulator: Simulator, home: Path) -> None:
    given: list[llmtrace.BudgetExceeded] = []

    def decide(err: llmtrace.BudgetExceeded) -> None:
        given.append(err)
        if len(given) > 1:
            raise err

    llmtrace.budget(usd=0, on_exceed=decide)
    llmtrace.instrument(home=home)
    client = make_clients(simulator).openai
    ask(simulator, client)
    with pytest.raises(llmtrace.BudgetExceeded) as raised:
        ask(simulator, client)
    assert raised.value is given[1]
    assert len(simulator.requests) == 1


@pytest.mark.expects_warning
def test_a_function_that_fails_does_not_fail_the_call(
    simulator: Simulator, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(err: llmtrace.BudgetExceeded) -> None:
        raise ZeroDivisionError

    llmtrace.budget(usd=0, on_exceed=fail, on_warn=fail)  # type: ignore[arg-type]
    llmtrace.instrument(home=home)
    assert ask(simulator, make_clients(simulator).openai).choices
    assert "ZeroDivisionError" in caplog.text


def test_a_loop_that_runs_away_is_stopped_for_each_feature(simulator: Simulator, home: Path) -> None:
    llmtrace.budget("*", calls_per_minute=3, on_exceed="raise")
    llmtrace.instrument(home=home)
    client = make_clients(simulator).openai
    for feature in ("a", "b", None):
        with llmtrace.feature(feature):
            for _ in range(3):
                ask(simulator, client)
            with pytest.raises(llmtrace.BudgetExceeded, match="3 calls in the last minute, of 3"):
                ask(simulator, client)
    assert len(simulator.requests) == 9


@pytest.mark.parametrize(("unknown", "sent"), [("allow", 1), ("block", 0)])
def test_a_call_whose_price_is_not_known_goes_by_choice(
    unknown: str, sent: int, simulator: Simulator, home: Path
) -> None:
    llmtrace.budget(usd=5, on_exceed="raise", unknown=unknown)
    llmtrace.instrument(home=home)
    client = make_clients(simulator).openai
    try:
        ask(simulator, client, model="house-model-7b")
    except llmtrace.BudgetExceeded as err:
        assert (err.limit, "price of house-model-7b is not known" in str(err)) == ("unknown", True)
    assert len(simulator.requests) == sent
    if sent:
        assert (state().unpriced_calls, state().spent_usd) == (1, Decimal(0))


@pytest.mark.expects_warning
@pytest.mark.parametrize(("on_error", "sent"), [("allow", 2), ("block", 0)])
def test_a_ledger_that_cannot_be_read_lets_calls_through_or_not_by_choice(
    on_error: str, sent: int, simulator: Simulator, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (home / "budgets").parent.mkdir(parents=True, exist_ok=True)
    (home / "budgets").write_text("in the way")
    llmtrace.budget(usd=5, on_exceed="raise", on_error=on_error)
    llmtrace.instrument(home=home)
    client = make_clients(simulator).openai
    for _ in range(2):
        try:
            ask(simulator, client)
        except llmtrace.BudgetExceeded as err:
            assert err.limit == "error"
    assert len(simulator.requests) == sent
    assert len([r for r in caplog.records if "cannot be checked" in r.getMessage()]) == 1


def test_a_failed_call_gives_back_what_it_held(simulator: Simulator, home: Path) -> None:
    llmtrace.budget(usd=1, on_exceed="raise")
    llmtrace.instrument(home=home)
    simulator.fault(Fault.status(400))
    with pytest.raises(openai.BadRequestError):
        make_clients(simulator).openai.chat.completions.create(**OPENAI)
    assert (state().spent_usd, state().reserved_usd) == (Decimal(0), Decimal(0))


def test_budgets_of_the_configuration_file_are_checked(simulator: Simulator, home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "llmtrace.toml").write_text('[[budgets]]\nfeature = "search"\nusd = 0\non_exceed = "raise"\n')
    llmtrace.instrument(home=home)
    client = make_clients(simulator).anthropic
    with llmtrace.feature("search"), pytest.raises(llmtrace.BudgetExceeded):
        client.messages.create(**ANTHROPIC)
    client.messages.create(**ANTHROPIC)
    assert len(simulator.requests) == 1


@pytest.mark.expects_warning
def test_a_wrong_configuration_file_is_told_and_stops_nothing(
    simulator: Simulator, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home.mkdir(exist_ok=True)
    (home / "llmtrace.toml").write_text('[[budgets]]\nfeature = "search"\nusd = "x"\n')
    llmtrace.instrument(home=home)
    ask(simulator, make_clients(simulator).openai)
    assert "llmtrace.toml, line 3: usd='x' is no amount of dollars" in caplog.text


def test_processes_share_a_budget(simulator: Simulator, home: Path) -> None:
    code = (
        "import sys, openai, llmtrace\n"
        "llmtrace.budget(usd='0.01', on_exceed='raise')\n"
        "llmtrace.instrument(home=sys.argv[1])\n"
        "client, refused = openai.OpenAI(base_url=sys.argv[2], api_key='k'), 0\n"
        "for _ in range(20):\n"
        "    try:\n"
        f"        client.chat.completions.create(model='gpt-4o', max_tokens=60, messages={MESSAGES!r})\n"
        "    except llmtrace.BudgetExceeded:\n"
        "        refused += 1\n"
        "llmtrace.flush(5)\n"
        "print(refused)\n"
    )
    arguments = [sys.executable, "-c", code, str(home), simulator.openai_base_url]
    workers = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    refused = sum(int(worker.communicate(timeout=100)[0]) for worker in workers)
    assert len(simulator.requests) == 60 - refused
    assert refused > 0
    llmtrace.budget(usd="0.01", on_exceed="raise")
    llmtrace.instrument(home=home)
    with pytest.raises(llmtrace.BudgetExceeded):
        for _ in range(40):
            make_clients(simulator).openai.chat.completions.create(**OPENAI)
    assert state().spent_usd <= Decimal("0.01")


def test_a_forked_child_leaves_the_parents_reservations_alone(simulator: Simulator, home: Path) -> None:
    import os

    llmtrace.budget(usd=1, on_exceed="raise")
    llmtrace.instrument(home=home)
    client = make_clients(simulator).openai
    stream = client.chat.completions.create(**OPENAI, stream=True)
    next(iter(stream))
    held = gate().states()[0].reserved_usd
    child = os.fork()
    if not child:
        del stream
        gate().states()
        os._exit(0)
    os.waitpid(child, 0)
    assert held > 0
    assert gate().states()[0].reserved_usd == held
    for _ in stream:
        pass
    assert state().reserved_usd == 0


def test_without_budgets_nothing_of_them_is_loaded(home: Path) -> None:
    code = (
        "import sys, llmtrace\n"
        "LOADED = ('llmtrace.budgets', 'llmtrace.pricing', 'tomllib', 'yaml')\n"
        f"llmtrace.instrument(home={str(home)!r})\n"
        "print(sorted(m for m in sys.modules if m.startswith(LOADED)))"
    )
    home.mkdir(exist_ok=True)
    (home / "llmtrace.toml").write_text("[privacy]\nredact = []\n")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_exceptions_of_the_app_are_the_sdks_own(simulator: Simulator, home: Path) -> None:
    llmtrace.budget(usd=5, on_exceed="raise")
    llmtrace.instrument(home=home)
    simulator.fault(Fault.status(429))
    client = make_clients(simulator, max_retries=0).openai
    with pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(**OPENAI)
    assert type(raised.value) is openai.RateLimitError
