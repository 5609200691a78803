"""Real SDKs, recorded as they call the simulator, and its bill for exactly these calls."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from commands import llmtrace_here as command

import llmtrace
from llmtrace.simulator import Fault, Simulator

ASKED: Any = [{"role": "user", "content": "Tell me about the harbour at night, please. " * 20}]
HANDBOOK = "Refunds are made within fourteen days, to the card that was charged, unless the order was a gift. " * 80


class App:
    """An instrumented app with clients of both providers."""

    def __init__(self, simulator: Simulator, home: Path) -> None:
        llmtrace.instrument("shop", home=home)
        self.simulator, self.home = simulator, home
        self.chat = openai.OpenAI(base_url=simulator.openai_base_url, api_key="k", max_retries=0)
        self.claude = anthropic.Anthropic(base_url=simulator.anthropic_base_url, api_key="k", max_retries=0)

    def ask(self, times: int = 3, **more: Any) -> None:
        for _ in range(times):
            self.chat.chat.completions.create(model="gpt-4o", messages=ASKED, **more)
            self.claude.messages.create(model="claude-sonnet-4-6", max_tokens=60, messages=ASKED)

    def reconcile(self, provider: str) -> dict[str, Any]:
        assert llmtrace.flush(5.0)
        today = datetime.now(UTC).date()
        period = ("--since", str(today - timedelta(days=1)), "--until", str(today + timedelta(days=1)))
        done = command(
            *("reconcile", "--provider", provider, *period, "--json"),
            home=self.home,
            OPENAI_ADMIN_KEY="sk-admin-1",
            ANTHROPIC_ADMIN_KEY="sk-ant-admin01-1",
            LLMTRACE_OPENAI_ADMIN_URL=self.simulator.openai_base_url,
            LLMTRACE_ANTHROPIC_ADMIN_URL=self.simulator.anthropic_base_url,
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        assert (done.returncode == 0) is answer["agrees"]
        return answer


@pytest.fixture
def app(simulator: Simulator, home: Path) -> Iterator[App]:
    made = App(simulator, home)
    with made.chat, made.claude:
        yield made


def causes(answer: dict[str, Any]) -> set[str]:
    return {cause["name"] for cause in answer["causes"]}


def test_all_kinds_of_calls_agree_with_the_bill_to_the_last_token(app: App) -> None:
    app.ask()
    for _ in range(2):
        app.chat.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": HANDBOOK}])
        app.claude.messages.create(
            model="claude-haiku-4-5",
            max_tokens=60,
            system=[{"type": "text", "text": HANDBOOK, "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            messages=ASKED,
        )
    stream = app.chat.chat.completions.create(
        model="gpt-4o", messages=ASKED, stream=True, stream_options={"include_usage": True}
    )
    assert list(stream)
    app.chat.responses.create(model="gpt-5-mini", input="Tell me about the harbour.", service_tier="flex")
    made = app.chat.responses.create(model="gpt-5-mini", input="Tell me about the harbour.", background=True)
    for _ in range(3):
        app.chat.responses.retrieve(made.id)
    app.chat.embeddings.create(model="text-embedding-3-small", input=["harbour", "night"])
    for provider, classes in (
        ("openai", {"input_uncached", "input_cached", "output"}),
        ("anthropic", {"input_uncached", "input_cached", "cache_write_1h", "output"}),
    ):
        answer = app.reconcile(provider)
        assert (answer["agrees"], answer["total"]["coverage"]) == (True, "1.000000")
        assert {row["token_class"] for row in answer["rows"]} == classes
        assert {float(row["quantity_drift"]) for row in answer["rows"]} == {0.0}


def test_answers_that_told_no_usage_are_on_the_bill_and_named(app: App) -> None:
    app.ask(9)
    app.simulator.fault(Fault.no_usage(), times=2)
    app.ask(1)
    assert causes(app.reconcile("openai")) == {"missing_usage"}
    assert causes(app.reconcile("anthropic")) == {"missing_usage"}


def test_streams_that_were_left_early_are_on_the_bill_and_named(app: App) -> None:
    app.ask(9)
    with app.chat.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True) as chunks:
        next(iter(chunks))
    with app.claude.messages.stream(model="claude-sonnet-4-6", max_tokens=60, messages=ASKED) as events:
        next(iter(events))
    for provider in ("openai", "anthropic"):
        answer = app.reconcile(provider)
        assert causes(answer) == {"estimated_usage"}, answer


def test_calls_of_a_service_that_is_not_instrumented_are_named(app: App) -> None:
    app.ask(9)
    llmtrace.uninstrument()
    app.ask(1)
    for provider in ("openai", "anthropic"):
        answer = app.reconcile(provider)
        assert causes(answer) == {"calls_outside"}
        assert {row["coverage"] for row in answer["rows"]} == {"0.900000"}


def test_calls_that_failed_are_on_neither_side(app: App) -> None:
    app.simulator.fault(Fault.status(500), times=2)
    with pytest.raises(openai.InternalServerError):
        app.chat.chat.completions.create(model="gpt-4o", messages=ASKED)
    with pytest.raises(anthropic.InternalServerError):
        app.claude.messages.create(model="claude-sonnet-4-6", max_tokens=60, messages=ASKED)
    app.ask(1)
    assert app.reconcile("openai")["agrees"]
    assert app.reconcile("anthropic")["agrees"]
