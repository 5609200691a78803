"""OpenAI's Agents SDK, on responses and on chat completions, with a tool and a hand-off."""

import sys
from typing import Any

import llmtrace

llmtrace.instrument()

from agents import (  # noqa: E402
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from calls import QUESTION, make  # noqa: E402
from openai import AsyncOpenAI  # noqa: E402

set_tracing_disabled(True)
url = sys.argv[1]


def responses() -> Any:
    return OpenAIResponsesModel("gpt-5-mini", AsyncOpenAI(base_url=f"{url}/v1", api_key="k"))


def chat() -> Any:
    return OpenAIChatCompletionsModel("gpt-4o", AsyncOpenAI(base_url=f"{url}/v1", api_key="k"))


@function_tool
def boats(harbour: str) -> str:
    """The boats in HARBOUR."""
    return f"two boats in {harbour}"


async def stream(model: Any) -> None:
    async for _ in Runner.run_streamed(Agent(name="talker", model=model()), QUESTION).stream_events():
        pass


calls: dict[str, Any] = {}
for name, model in {"responses": responses, "chat": chat}.items():
    calls[f"{name} run"] = lambda model=model: Runner.run(Agent(name="talker", model=model()), QUESTION)
    calls[f"{name} stream"] = lambda model=model: stream(model)
    calls[f"{name} tool"] = lambda model=model: Runner.run(Agent(name="talker", model=model(), tools=[boats]), QUESTION)
make(calls)
