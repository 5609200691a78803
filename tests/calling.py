"""Every way of calling that the SDKs offer, as a table."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
from pydantic import BaseModel

from llmtrace.simulator import Simulator

MESSAGES: list[Any] = [{"role": "user", "content": "Tell me about the harbour at night, please."}]
OPENAI: dict[str, Any] = {"model": "gpt-4o", "messages": MESSAGES, "max_tokens": 60}
ANTHROPIC: dict[str, Any] = {"model": "claude-sonnet-4-6", "messages": MESSAGES, "max_tokens": 60}


class Answer(BaseModel):
    city: str
    population: int


@dataclass(frozen=True)
class Clients:
    openai: openai.OpenAI
    openai_async: openai.AsyncOpenAI
    anthropic: anthropic.Anthropic
    anthropic_async: anthropic.AsyncAnthropic


def make_clients(simulator: Simulator, **options: Any) -> Clients:
    return Clients(
        openai.OpenAI(base_url=simulator.openai_base_url, api_key="k", **options),
        openai.AsyncOpenAI(base_url=simulator.openai_base_url, api_key="k", **options),
        anthropic.Anthropic(base_url=simulator.anthropic_base_url, api_key="k", **options),
        anthropic.AsyncAnthropic(base_url=simulator.anthropic_base_url, api_key="k", **options),
    )


STREAM: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}

# name -> (is a stream, the call). A plain call returns the answer, a stream's call the object to read.
PLAIN: dict[str, Callable[[Clients], Any]] = {
    "openai create": lambda c: c.openai.chat.completions.create(**OPENAI),
    "openai parse": lambda c: c.openai.chat.completions.parse(**OPENAI, response_format=Answer),
    "openai post": lambda c: c.openai.post("/chat/completions", cast_to=object, body=dict(OPENAI)),
    "openai async create": lambda c: c.openai_async.chat.completions.create(**OPENAI),
    "openai async parse": lambda c: c.openai_async.chat.completions.parse(**OPENAI, response_format=Answer),
    "anthropic create": lambda c: c.anthropic.messages.create(**ANTHROPIC),
    "anthropic parse": lambda c: c.anthropic.messages.parse(**ANTHROPIC, output_format=Answer),
    "anthropic beta create": lambda c: c.anthropic.beta.messages.create(**ANTHROPIC),
    "anthropic async create": lambda c: c.anthropic_async.messages.create(**ANTHROPIC),
    "anthropic async beta create": lambda c: c.anthropic_async.beta.messages.create(**ANTHROPIC),
}
STREAMS: dict[str, Callable[[Clients], Any]] = {
    "openai stream": lambda c: c.openai.chat.completions.create(**OPENAI, **STREAM),
    "openai helper": lambda c: c.openai.chat.completions.stream(**OPENAI, stream_options={"include_usage": True}),
    "anthropic stream": lambda c: c.anthropic.messages.create(**ANTHROPIC, stream=True),
    "anthropic helper": lambda c: c.anthropic.messages.stream(**ANTHROPIC),
    "anthropic beta stream": lambda c: c.anthropic.beta.messages.create(**ANTHROPIC, stream=True),
    "anthropic beta helper": lambda c: c.anthropic.beta.messages.stream(**ANTHROPIC),
}
ASYNC_STREAMS: dict[str, Callable[[Clients], Any]] = {
    "openai async stream": lambda c: c.openai_async.chat.completions.create(**OPENAI, **STREAM),
    "openai async helper": lambda c: c.openai_async.chat.completions.stream(
        **OPENAI, stream_options={"include_usage": True}
    ),
    "anthropic async stream": lambda c: c.anthropic_async.messages.create(**ANTHROPIC, stream=True),
    "anthropic async helper": lambda c: c.anthropic_async.messages.stream(**ANTHROPIC),
    "anthropic async beta helper": lambda c: c.anthropic_async.beta.messages.stream(**ANTHROPIC),
}
EVERY_STREAM = [*STREAMS, *ASYNC_STREAMS]


def run(name: str, clients: Clients) -> Any:
    return asyncio.run(closing(clients, lambda: PLAIN[name](clients))) if "async" in name else PLAIN[name](clients)


async def closing(clients: Clients, call: Callable[[], Awaitable[Any]]) -> Any:
    """What CALL gives, with the async clients' connections closed in the loop they belong to."""
    async with clients.openai_async, clients.anthropic_async:
        return await call()


def read(name: str, clients: Clients, body: Callable[[int], None] = lambda i: None) -> int:
    """Read the stream NAME item by item, calling BODY in the loop; how many items there were."""
    if name in STREAMS:
        with STREAMS[name](clients) as stream:
            count = 0
            for count, _ in enumerate(stream, 1):
                body(count)
            return count
    return asyncio.run(closing(clients, lambda: read_async(name, clients, body)))


async def read_async(name: str, clients: Clients, body: Callable[[int], None]) -> int:
    opened = ASYNC_STREAMS[name](clients)
    count = 0
    async with await opened if hasattr(opened, "__await__") else opened as stream:
        async for _ in stream:
            count += 1
            body(count)
    return count
