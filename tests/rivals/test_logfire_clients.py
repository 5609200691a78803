"""Clients that Logfire wraps one by one before llmtrace comes: each of their calls is one row, and one span of its."""

import os
import subprocess
from pathlib import Path

import pytest
from conftest import recorded_calls

from llmtrace.simulator import Simulator

pytestmark = [pytest.mark.rivals, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
VENVS = Path(os.environ.get("RIVAL_VENVS", "~/venvs")).expanduser()

APP = """
import asyncio, sys
import anthropic, logfire, openai
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

memory = InMemorySpanExporter()
logfire.configure(send_to_logfire=False, console=False, additional_span_processors=[SimpleSpanProcessor(memory)])
here = {"base_url": sys.argv[1] + "/v1", "api_key": "k", "max_retries": 0}
sync, asynchronous = openai.OpenAI(**here), openai.AsyncOpenAI(**here)
claude = anthropic.Anthropic(base_url=sys.argv[1], api_key="k", max_retries=0)
wrapped = logfire.instrument_openai([sync, asynchronous])
logfire.instrument_anthropic(claude)

import llmtrace

llmtrace.instrument()
asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
of_claude = {"model": "claude-sonnet-4-6", "messages": asked["messages"], "max_tokens": 60}


async def call():
    await asynchronous.chat.completions.create(**asked)
    async for _ in await asynchronous.chat.completions.create(**asked, stream=True):
        pass


sync.chat.completions.create(**asked)
list(sync.chat.completions.create(**asked, stream=True))
asyncio.run(call())
claude.messages.create(**of_claude)
list(claude.messages.create(**of_claude, stream=True))
names = [span.name for span in memory.get_finished_spans()]
assert len([name for name in names if name.startswith(("Chat Completion", "Message"))]) == 6, names
with wrapped:
    pass  # Logfire takes its wrappers off again
sync.chat.completions.create(**asked)
assert llmtrace.flush(10)
"""


def test_each_call_of_a_client_that_was_wrapped_first_is_one_row(simulator: Simulator, home: Path) -> None:
    python = VENVS / "provider-logfire" / "bin" / "python"
    if not python.exists():
        pytest.fail(f"no {python}; tests/rivals/provider_venvs.sh makes it")
    done = subprocess.run(
        [str(python), "-c", APP, simulator.url],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "LLMTRACE_HOME": str(home), "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert "llmtrace" not in done.stderr
    calls = recorded_calls(home)
    told = [(call.request.provider, call.request.stream, call.status) for call in calls]
    openai, anthropic = "openai", "anthropic"
    assert told == [
        (openai, False, "ok"),
        (openai, True, "ok"),
        (openai, False, "ok"),
        (openai, True, "ok"),
        (anthropic, False, "ok"),
        (anthropic, True, "ok"),
        (openai, False, "ok"),
    ]
