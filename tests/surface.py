"""Every endpoint of the SDKs in every mode of calling, as tables; sync and async are one function.

A case is (client, resource, mode). `call` gives what the application sees, made comparable.
"""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import anthropic
import openai
from bare import stable
from calling import MESSAGES, Answer

from llmtrace.simulator import Simulator

AZURE_VERSION = "2024-10-21"


@dataclass(frozen=True)
class Surface:
    """A method family of an SDK: what it is asked with, and what llmtrace calls it."""

    path: str
    body: dict[str, Any]
    endpoint: str
    operation: str
    stream: dict[str, Any] | None = None
    parse: dict[str, Any] | None = None
    helper: dict[str, Any] | None = None


USAGE: dict[str, Any] = {"stream_options": {"include_usage": True}}
CHAT = {"model": "gpt-4o", "messages": MESSAGES, "max_tokens": 60}
TEXT = {"model": "gpt-3.5-turbo-instruct", "prompt": "The harbour at night", "max_tokens": 60}
RESPONSE = {"model": "gpt-5-mini", "input": "Tell me about the harbour at night, please.", "max_output_tokens": 700}
EMBEDDING = {"model": "text-embedding-3-small", "input": ["harbour", "night"], "dimensions": 8}
MESSAGE = {"model": "claude-sonnet-4-6", "messages": MESSAGES, "max_tokens": 60}

OPENAI_SURFACES = (
    Surface("chat.completions", CHAT, "chat.completions", "chat", USAGE, {"response_format": Answer}, USAGE),
    Surface("responses", RESPONSE, "responses", "chat", {}, {"text_format": Answer}, {}),
    Surface("completions", TEXT, "completions", "text_completion", USAGE),
    Surface("embeddings", EMBEDDING, "embeddings", "embeddings"),
)
ANTHROPIC_SURFACES = (
    Surface("messages", MESSAGE, "messages", "chat", {}, {"output_format": Answer}, {}),
    Surface("beta.messages", MESSAGE, "messages", "chat", {}, {"output_format": Answer}, {}),
)


def make_openai(simulator: Simulator, is_async: bool, **options: Any) -> Any:
    kind = openai.AsyncOpenAI if is_async else openai.OpenAI
    return kind(base_url=simulator.openai_base_url, api_key="k", **{"max_retries": 0, **options})


def make_azure(simulator: Simulator, is_async: bool, **options: Any) -> Any:
    kind = openai.AsyncAzureOpenAI if is_async else openai.AzureOpenAI
    return kind(
        azure_endpoint=simulator.azure_endpoint, api_key="k", api_version=AZURE_VERSION, **{"max_retries": 0, **options}
    )


def make_anthropic(simulator: Simulator, is_async: bool, **options: Any) -> Any:
    kind = anthropic.AsyncAnthropic if is_async else anthropic.Anthropic
    return kind(base_url=simulator.anthropic_base_url, api_key="k", **{"max_retries": 0, **options})


# client -> (how it is made, what it offers, the provider's name in OpenTelemetry's words)
CLIENTS: dict[str, tuple[Callable[..., Any], tuple[Surface, ...], str]] = {
    "openai": (make_openai, OPENAI_SURFACES, "openai"),
    "azure": (make_azure, OPENAI_SURFACES, "azure.ai.openai"),
    "anthropic": (make_anthropic, ANTHROPIC_SURFACES, "anthropic"),
}


async def settle(value: Any) -> Any:
    """VALUE, awaited where it has to be."""
    return await value if inspect.isawaitable(value) else value


async def each(items: Any) -> AsyncIterator[Any]:
    """ITEMS one by one, sync or async."""
    if hasattr(items, "__aiter__"):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


@asynccontextmanager
async def entered(manager: Any) -> AsyncIterator[Any]:
    """MANAGER entered, sync or async."""
    if hasattr(manager, "__aenter__"):
        async with manager as value:
            yield value
    else:
        with manager as value:
            yield value


async def read(items: Any) -> list[Any]:
    return [stable(item) async for item in each(items)]


# The modes: each takes the resource and its surface, and gives what the caller sees.


async def create(resource: Any, surface: Surface) -> Any:
    return stable(await settle(resource.create(**surface.body)))


async def parse(resource: Any, surface: Surface) -> Any:
    return stable(await settle(resource.parse(**surface.body, **(surface.parse or {}))))


async def stream(resource: Any, surface: Surface) -> Any:
    opened = await settle(resource.create(**surface.body, stream=True, **(surface.stream or {})))
    return type(opened).__name__, await read(opened)


async def helper(resource: Any, surface: Surface) -> Any:
    async with entered(resource.stream(**surface.body, **(surface.helper or {}))) as opened:
        return type(opened).__name__, await read(opened)


async def raw(resource: Any, surface: Surface) -> Any:
    response = await settle(resource.with_raw_response.create(**surface.body))
    return type(response).__name__, response.status_code, stable(await settle(response.parse()))


async def raw_unparsed(resource: Any, surface: Surface) -> Any:
    response = await settle(resource.with_raw_response.create(**surface.body))
    return stable(json.loads(response.http_response.content))


async def raw_stream(resource: Any, surface: Surface) -> Any:
    response = await settle(resource.with_raw_response.create(**surface.body, stream=True, **(surface.stream or {})))
    return type(response).__name__, await read(await settle(response.parse()))


async def streamed(resource: Any, surface: Surface) -> Any:
    async with entered(resource.with_streaming_response.create(**surface.body)) as response:
        return type(response).__name__, stable(await settle(response.parse()))


async def streamed_json(resource: Any, surface: Surface) -> Any:
    async with entered(resource.with_streaming_response.create(**surface.body)) as response:
        return stable(await settle(response.json()))


async def streamed_lines(resource: Any, surface: Surface) -> Any:
    opened = resource.with_streaming_response.create(**surface.body, stream=True, **(surface.stream or {}))
    async with entered(opened) as response:
        lines = [line async for line in each(response.iter_lines())]
    return [stable(json.loads(line[6:])) for line in lines if line.startswith("data: {")]


async def streamed_stream(resource: Any, surface: Surface) -> Any:
    opened = resource.with_streaming_response.create(**surface.body, stream=True, **(surface.stream or {}))
    async with entered(opened) as response:
        return await read(await settle(response.parse()))


@dataclass(frozen=True)
class Mode:
    """A way of calling; `needs` names the part of a surface without which it is not offered."""

    use: Callable[[Any, Surface], Any]
    needs: str = "body"
    is_stream: bool = field(default=False)


MODES: dict[str, Mode] = {
    "create": Mode(create),
    "parse": Mode(parse, "parse"),
    "stream": Mode(stream, "stream", is_stream=True),
    "helper": Mode(helper, "helper", is_stream=True),
    "raw": Mode(raw),
    "raw unparsed": Mode(raw_unparsed),
    "raw stream": Mode(raw_stream, "stream", is_stream=True),
    "streamed": Mode(streamed),
    "streamed json": Mode(streamed_json),
    "streamed lines": Mode(streamed_lines, "stream", is_stream=True),
    "streamed stream": Mode(streamed_stream, "stream", is_stream=True),
}


# Azure's clients differ in the request alone.
AZURE_MODES = frozenset({"create", "parse", "stream", "helper", "streamed lines"})


@dataclass(frozen=True)
class Case:
    """One way of calling one endpoint with one client."""

    client: str
    surface: Surface
    mode: str
    is_async: bool

    def __str__(self) -> str:
        return f"{self.client} {self.surface.path} {self.mode}{' async' if self.is_async else ''}"

    @property
    def provider(self) -> str:
        return CLIENTS[self.client][2]

    @property
    def is_stream(self) -> bool:
        return MODES[self.mode].is_stream

    def call(self, simulator: Simulator, **options: Any) -> Any:
        """What the application sees, with OPTIONS of the client."""
        return asyncio.run(self._call(simulator, options))

    async def _call(self, simulator: Simulator, options: dict[str, Any]) -> Any:
        async with entered(CLIENTS[self.client][0](simulator, self.is_async, **options)) as client:
            return await MODES[self.mode].use(attrgetter(self.surface.path)(client), self.surface)


def iter_cases() -> Iterator[Case]:
    for client, (_, surfaces, _) in CLIENTS.items():
        for surface in surfaces:
            for name, mode in MODES.items():
                if getattr(surface, mode.needs) is not None and (client != "azure" or name in AZURE_MODES):
                    yield from (Case(client, surface, name, is_async) for is_async in (False, True))


CASES = tuple(iter_cases())


def tokens_of(usage: Any) -> tuple[int, int | None]:
    """Input and output tokens of USAGE, in either provider's words."""
    if "prompt_tokens" in usage:
        return usage["prompt_tokens"], usage.get("completion_tokens")
    cached = (usage.get("cache_read_input_tokens") or 0) + (usage.get("cache_creation_input_tokens") or 0)
    return usage["input_tokens"] + cached, usage["output_tokens"]
