"""The ways of calling that the SDKs of Google, Mistral, Cohere and Ollama offer, for rows that a server answers with.

A row's `operation` names its API: `generate`, `embed`, `interact` (google), `chat`, `fim`, `embeddings`, `ocr`,
`agents`, `converse` (mistral), `chat`, `chat_v1`, `embed`, `rerank` (cohere), `chat`, `generate`, `embed` (ollama).
"""

import gc
import inspect
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import cohere
import ollama
from google import genai
from mistralai.client import Mistral
from pydantic import ValidationError
from replaying import ROW_HEADER, LoopError, Row

SAID = [{"role": "user", "content": "Where do pelicans sleep?"}]
# What a request must have where the recorded one is not to the SDK's liking.
PLAIN: dict[tuple[str, str], dict[str, Any]] = {
    ("mistral", "chat"): {"messages": SAID},
    ("mistral", "agents"): {"messages": SAID, "agent_id": "ag_1"},
    ("cohere", "chat"): {"messages": SAID},
}
# Where the SDK has a name of its own for a part of the request.
RENAMED = {("mistral", "embeddings", "input"): "inputs"}
MODEL = {
    "google": "gemini-2.5-flash",
    "mistral": "mistral-small-latest",
    "cohere": "command-a-03-2025",
    "ollama": "qwen3",
}


class Natives:
    """One client of each SDK, all of them for the server at ADDRESS."""

    def __init__(self, address: str, *, is_async: bool = False, retries: int = 0) -> None:
        """RETRIES: how often a client tries again where it can be told."""
        self.address, self.is_async, self._retries = address, is_async, retries
        self._opened: list[Any] = []

    @cached_property
    def gemini(self) -> genai.Client:
        return genai.Client(api_key="k", http_options=genai.types.HttpOptions(base_url=self.address))

    @cached_property
    def vertex(self) -> genai.Client:
        return genai.Client(vertexai=True, api_key="k", http_options=genai.types.HttpOptions(base_url=self.address))

    @cached_property
    def mistral(self) -> Mistral:
        return Mistral(api_key="k", server_url=self.address)

    @cached_property
    def cohere(self) -> Any:
        kind = cohere.AsyncClientV2 if self.is_async else cohere.ClientV2
        return kind(api_key="k", base_url=self.address, max_retries=self._retries)

    @cached_property
    def cohere_v1(self) -> Any:
        kind = cohere.AsyncClient if self.is_async else cohere.Client
        return kind(api_key="k", base_url=self.address, max_retries=self._retries)

    def _made(self, *names: str) -> list[Any]:
        """The clients NAMES that were needed."""
        return [vars(self)[name] for name in names if name in vars(self)]

    def __enter__(self) -> "Natives":
        return self

    def __exit__(self, *_: object) -> None:
        for client in (*self._made("gemini", "vertex"), *self._opened):
            client.close()
        for client in self._made("mistral"):
            client.sdk_configuration.client.close()
        for client in self._made("cohere", "cohere_v1"):
            client._client_wrapper.httpx_client.httpx_client.close()
        collect()

    async def __aenter__(self) -> "Natives":
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._made("mistral"):
            await client.sdk_configuration.async_client.aclose()
        for client in self._made("gemini", "vertex"):
            await client.aio.aclose()
        for client in self._made("cohere", "cohere_v1"):
            await client._client_wrapper.httpx_client.httpx_client.aclose()
        for client in self._opened:
            await client.close()
        collect()

    def method(self, row: Row) -> tuple[Callable[..., Any], dict[str, Any]]:
        """The SDK's method for ROW, and what to call it with."""
        finder: Callable[[Row], tuple[Callable[..., Any], dict[str, Any]]] = getattr(self, f"_{family_of(row)}")
        return finder(row)

    def _google(self, row: Row) -> tuple[Callable[..., Any], dict[str, Any]]:
        client: Any = self.vertex if row.provider == "vertex" else self.gemini
        if self.is_async:
            client = client.aio
        headers, body = {ROW_HEADER: row.id}, dict(row.request)
        if row.operation == "interact_fetch":
            told = {"stream": True} if row.streaming else {}
            return client.interactions.get, {"id": body["id"], **told, "extra_headers": headers}
        if row.operation == "interact":
            known = {k: body.pop(k) for k in ("input", "model", "agent", "stream") if k in body}
            return client.interactions.create, {**known, "extra_headers": headers, "extra_body": body or None}
        model = body.pop("model", None) or MODEL["google"]
        http = {"headers": headers, "extra_body": {k: v for k, v in body.items() if k != "stream"}}
        arguments = {"model": model, "contents": "x", "config": {"http_options": http}}
        if row.operation == "embed":
            return client.models.embed_content, arguments
        name = "generate_content_stream" if row.streaming else "generate_content"
        return getattr(client.models, name), arguments

    def _mistral(self, row: Row) -> tuple[Callable[..., Any], dict[str, Any]]:
        resource, name = {
            "chat": (self.mistral.chat, "complete"),
            "agents": (self.mistral.agents, "complete"),
            "fim": (self.mistral.fim, "complete"),
            "embeddings": (self.mistral.embeddings, "create"),
            "ocr": (self.mistral.ocr, "process"),
            "converse": (self.mistral.beta.conversations, "start"),
        }[row.operation]
        if row.streaming:
            name = "start_stream" if name == "start" else "stream"
        name = f"{name}_async" if self.is_async else name
        arguments = self._known(resource, name, row)
        return getattr(resource, name), {**arguments, "http_headers": {ROW_HEADER: row.id}}

    def _cohere(self, row: Row) -> tuple[Callable[..., Any], dict[str, Any]]:
        client = self.cohere_v1 if row.operation.endswith("_v1") else self.cohere
        name = row.operation.removesuffix("_v1")
        name = "chat_stream" if row.streaming and name == "chat" else name
        arguments = self._known(client, name, row)
        return getattr(client, name), {**arguments, "request_options": {"additional_headers": {ROW_HEADER: row.id}}}

    def _ollama(self, row: Row) -> tuple[Callable[..., Any], dict[str, Any]]:
        kind = ollama.AsyncClient if self.is_async else ollama.Client
        client = kind(host=self.address, headers={ROW_HEADER: row.id})
        self._opened.append(client)
        arguments = self._known(client, row.operation, row)
        return getattr(client, row.operation), {**arguments, "stream": True} if row.streaming else arguments

    def _known(self, owner: Any, name: str, row: Row) -> dict[str, Any]:
        """What OWNER's method NAME takes of ROW's request."""
        # The class's: one SDK wraps its methods in some that take everything.
        known = inspect.signature(getattr(type(owner), name)).parameters
        body = {RENAMED.get((family_of(row), row.operation, k), k): v for k, v in row.request.items()}
        kept = {k: v for k, v in body.items() if k in known and v is not None and k != "stream"}
        if "model" in known:
            kept.setdefault("model", MODEL[family_of(row)])
        for name, value in PLAIN.get((family_of(row), row.operation), {}).items():
            kept.setdefault(name, value)
        return kept


def collect() -> None:
    """Free what the SDKs leave in cycles, whose sockets would complain later, in another test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def family_of(row: Row) -> str:
    """Whose SDK calls ROW."""
    return {"gemini": "google", "vertex": "google"}.get(row.provider, row.provider)


def _simpler(row: Row, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """ARGUMENTS with what the SDK did not take replaced; None where it was not for them."""
    plain = PLAIN.get((family_of(row), row.operation), {})
    kept = {k: v for k, v in arguments.items() if k in ("model", "request_options", "http_headers", "stream")}
    return {**kept, **plain} if plain else None


def open_call(natives: Natives, row: Row) -> Any:
    """What the SDK's method gives for ROW; a request that it does not take is made simpler."""
    method, arguments = natives.method(row)
    try:
        return method(**arguments)
    except ValidationError:
        simpler = _simpler(row, arguments)
        if simpler is None:
            raise
        return method(**simpler)


def plain(natives: Natives, row: Row) -> list[str]:
    """Call, and read a stream to its end."""
    result = open_call(natives, row)
    return [shown(item) for item in result] if is_stream(result) else [shown(result)]


def break_early(natives: Natives, row: Row) -> list[str]:
    """Leave the loop over a stream after its second item."""
    for number, _ in enumerate(open_call(natives, row), 1):
        if number == 2:
            break
    return []


def raise_in_loop(natives: Natives, row: Row) -> list[str]:
    """Raise in the loop over a stream, at its second item."""
    for number, _ in enumerate(open_call(natives, row), 1):
        if number == 2:
            raise LoopError
    return []


async def open_call_async(natives: Natives, row: Row) -> Any:
    """`open_call`, awaited where it has to be."""
    method, arguments = natives.method(row)
    try:
        opened = method(**arguments)
        return await opened if isinstance(opened, Awaitable) else opened
    except ValidationError:
        simpler = _simpler(row, arguments)
        if simpler is None:
            raise
        opened = method(**simpler)
        return await opened if isinstance(opened, Awaitable) else opened


async def plain_async(natives: Natives, row: Row) -> list[str]:
    """`plain`, with an async client."""
    result = await open_call_async(natives, row)
    return [shown(item) async for item in result] if is_stream(result) else [shown(result)]


async def break_early_async(natives: Natives, row: Row) -> list[str]:
    """`break_early`, with an async client; the stream is closed where it can be."""
    result = await open_call_async(natives, row)
    number = 0
    async for _ in result:
        number += 1
        if number == 2:
            break
    close = getattr(result, "aclose", None) or getattr(result, "close", None)
    if close is not None:
        await close()
    return []


def is_stream(result: Any) -> bool:
    """Whether RESULT is read item by item, which models are not."""
    return isinstance(result, Iterator | AsyncIterator)


def shown(value: Any) -> str:
    """VALUE as the caller sees it, without the headers that one SDK adds."""
    if type(value).__module__.startswith("google.genai.types"):
        return repr(value.model_dump(exclude={"sdk_http_response"}))
    return repr(value)
