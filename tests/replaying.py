"""A server that answers with the rows it is given, and the ways of calling it that the real SDKs offer."""

import functools
import gzip
import http.server
import inspect
import logging
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anthropic
import openai
from loopback import served

import llmtrace
from llmtrace.client import connect

ROW_HEADER = "X-Row"
PIECE_BYTES = 700
# The SDKs' methods, by the name that a row calls them by.
OPERATIONS: Mapping[str, str] = {
    "chat": "chat.completions.create",
    "completions": "completions.create",
    "responses": "responses.create",
    "compact": "responses.compact",
    "retrieve": "responses.retrieve",
    "embeddings": "embeddings.create",
    "messages": "messages.create",
    "beta_messages": "beta.messages.create",
    "images": "images.generate",
    "image_edits": "images.edit",
    "image_variations": "images.create_variation",
    "speech": "audio.speech.create",
    "transcriptions": "audio.transcriptions.create",
    "translations": "audio.translations.create",
    "moderations": "moderations.create",
    "input_tokens": "responses.input_tokens.count",
    "count_messages": "messages.count_tokens",
    "beta_count_messages": "beta.messages.count_tokens",
    "decision": "decisions.create",
    "grade": "fine_tuning.alpha.graders.run",
    "run": "beta.threads.runs.create",
    "thread_run": "beta.threads.create_and_run",
    "run_retrieve": "beta.threads.runs.retrieve",
    "run_outputs": "beta.threads.runs.submit_tool_outputs",
    "agent": "beta.agents.sessions.create",
    "agent_retrieve": "beta.agents.sessions.retrieve",
    "agent_events": "beta.agents.sessions.events.stream",
    "evaluation": "evals.runs.create",
    "evaluation_retrieve": "evals.runs.retrieve",
    "training": "fine_tuning.jobs.create",
    "training_retrieve": "fine_tuning.jobs.retrieve",
    "video": "videos.create",
    "video_retrieve": "videos.retrieve",
    "session": "beta.sessions.create",
    "session_retrieve": "beta.sessions.retrieve",
    "deployment": "beta.deployments.run",
    "dream": "beta.dreams.create",
    "dream_retrieve": "beta.dreams.retrieve",
}
FILE = ("harbour.bin", b"not really media")
# What the operations that send a file send.
FILES: Mapping[str, dict[str, Any]] = {
    "image_edits": {"image": FILE},
    "image_variations": {"image": FILE},
    "transcriptions": {"file": FILE},
    "translations": {"file": FILE},
}


@dataclass(frozen=True)
class Sending:
    """How a body is sent: where it is cut (None: at even sizes), how it is encoded, and whether its length is told."""

    cuts: tuple[int, ...] | None = None
    encoding: str | None = None
    has_length: bool = False

    def split(self, body: bytes, piece_bytes: int) -> Iterator[bytes]:
        """BODY in pieces, none of them empty."""
        cuts = self.cuts if self.cuts is not None else range(piece_bytes, len(body), piece_bytes)
        start = 0
        for cut in (*cuts, len(body)):
            if start < cut <= len(body):
                yield body[start:cut]
                start = cut


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


@dataclass(frozen=True)
class Row:
    """One exchange: the operation that it calls, what is sent, and what the server answers.

    `breaks`: the connection is cut where the body ends. `counted` is the body where the request asks for usage.
    """

    id: str
    operation: str
    provider: str
    status: int
    streaming: bool
    request: dict[str, Any]
    headers: dict[str, str]
    body: bytes
    usage: dict[str, Any] | None = None
    response_id: str | None = None
    expect: dict[str, Any] = field(default_factory=dict)
    breaks: bool = False
    sent: Sending = Sending()
    counted: bytes | None = None


@contextmanager
def serve(rows: Mapping[str, Row], *, compressed: bool = False, piece_bytes: int = PIECE_BYTES) -> Iterator[str]:
    """The address of a server that answers a request with the row that its header names."""

    class Answers(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers.get("content-length") or 0))
            row = rows[self.headers[ROW_HEADER]]
            if row.counted is not None and b'"include_usage"' in asked:
                row = replace(row, body=row.counted)
            self.send_response(row.status)
            for name, value in row.headers.items():
                self.send_header(name, value)
            encoding = "gzip" if compressed else row.sent.encoding
            body = ENCODINGS[encoding](row.body) if encoding else row.body
            if encoding:
                self.send_header("content-encoding", encoding)
            if row.sent.has_length:
                self.send_header("content-length", str(len(body) + (1 if row.breaks else 0)))
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = row.breaks
                return
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for piece in row.sent.split(body, piece_bytes):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if row.breaks:
                self.close_connection = True
            else:
                self.wfile.write(b"0\r\n\r\n")

        do_GET = do_DELETE = do_PATCH = do_POST

        def date_time_string(self, timestamp: float | None = None) -> str:
            return "Sat, 21 Nov 2026 12:00:00 GMT"  # some errors show the headers

        def log_message(self, *_: object) -> None:
            pass

    with served(Answers) as address:
        yield address


class Caller:
    """Calls one row's operation, through the client that its provider needs."""

    def __init__(self, address: str, *, is_async: bool = False) -> None:
        """Make one client per provider, all of them for the server at ADDRESS."""
        options: dict[str, Any] = {"api_key": "k", "max_retries": 0}
        azure = {**options, "azure_endpoint": address, "api_version": "2025-04-01-preview"}
        vertex = {"region": "us-east5", "project_id": "p", "access_token": "t", "base_url": address, "max_retries": 0}
        self.clients: dict[str, Any] = (
            {
                "openai": openai.AsyncOpenAI(base_url=f"{address}/v1", **options),
                "azure_openai": openai.AsyncAzureOpenAI(**azure),
                "anthropic": anthropic.AsyncAnthropic(base_url=address, **options),
                "vertex_anthropic": anthropic.AsyncAnthropicVertex(**vertex),
            }
            if is_async
            else {
                "openai": openai.OpenAI(base_url=f"{address}/v1", **options),
                "azure_openai": openai.AzureOpenAI(**azure),
                "anthropic": anthropic.Anthropic(base_url=address, **options),
                "vertex_anthropic": anthropic.AnthropicVertex(**vertex),
            }
        )

    def method(self, row: Row, variant: str | None = None) -> tuple[Callable[..., Any], dict[str, Any]]:
        """The SDK's method for ROW (of its VARIANT such as `with_raw_response`), and what to call it with."""
        client = self.clients[row.provider]
        if row.operation == "complete":
            return self._complete(row)
        *path, name = OPERATIONS[row.operation].split(".")
        resource: Any = functools.reduce(getattr, path, client)
        bound = getattr(resource, name)
        known = inspect.signature(bound).parameters
        body = dict(row.request)
        if row.operation in ("messages", "beta_messages"):
            body.setdefault("max_tokens", 1024)
        body |= FILES.get(row.operation, {})
        if row.operation == "retrieve":
            body = {"response_id": row.response_id, **body}
        arguments = {k: v for k, v in body.items() if k in known and v is not None}
        arguments["extra_body"] = {k: v for k, v in body.items() if k not in arguments} or None
        arguments["extra_headers"] = {ROW_HEADER: row.id}
        arguments["timeout"] = 30.0
        method = getattr(getattr(resource, variant), name) if variant else bound
        return method, arguments

    def _complete(self, row: Row) -> tuple[Callable[..., Any], dict[str, Any]]:
        """The older completion in ROW, which the SDK has no method for any more."""
        client, headers = self.clients["anthropic"], {ROW_HEADER: row.id}
        stream = anthropic.AsyncStream if isinstance(client, anthropic.AsyncAnthropic) else anthropic.Stream
        arguments: dict[str, Any] = {"path": "/v1/complete", "cast_to": object, "body": dict(row.request)}
        if row.streaming:
            arguments |= {"stream": True, "stream_cls": stream[object]}
        return client.post, {**arguments, "options": {"headers": headers, "timeout": 30.0}}


def plain(caller: Caller, row: Row) -> list[str]:
    """Call, and read a stream to its end."""
    method, arguments = caller.method(row)
    return _read(method(**arguments))


def raw(caller: Caller, row: Row) -> list[str]:
    """`with_raw_response`, parsed."""
    method, arguments = caller.method(row, "with_raw_response")
    response = method(**arguments)
    return [str(response.status_code), *_read(response.parse())]


def streamed(caller: Caller, row: Row) -> list[str]:
    """`with_streaming_response`, parsed."""
    method, arguments = caller.method(row, "with_streaming_response")
    with method(**arguments) as response:
        return _read(response.parse())


def streamed_lines(caller: Caller, row: Row) -> list[str]:
    """`with_streaming_response`, read line by line."""
    method, arguments = caller.method(row, "with_streaming_response")
    with method(**arguments) as response:
        return list(response.iter_lines())


def streamed_bytes(caller: Caller, row: Row) -> list[str]:
    """`with_streaming_response`, read in pieces."""
    method, arguments = caller.method(row, "with_streaming_response")
    with method(**arguments) as response:
        return [repr(b"".join(response.iter_bytes()))]


def streamed_whole(caller: Caller, row: Row) -> list[str]:
    """`with_streaming_response`, read at once."""
    method, arguments = caller.method(row, "with_streaming_response")
    with method(**arguments) as response:
        return [repr(response.read())]


def helped(caller: Caller, row: Row) -> list[str]:
    """The SDK's own helper for streams, which puts the answer together as it comes."""
    create, arguments = caller.method(row)
    resource = create.__self__  # type: ignore[attr-defined]
    known = inspect.signature(resource.stream).parameters
    body = {k: v for k, v in row.request.items() if k != "stream"}
    kept = {k: v for k, v in arguments.items() if k in known and k not in body}
    kept |= {k: v for k, v in body.items() if k in known}
    kept["extra_body"] = {k: v for k, v in body.items() if k not in known} or None
    with resource.stream(**kept) as stream:
        return [repr(event) for event in stream]


def break_early(caller: Caller, row: Row) -> list[str]:
    """Leave the loop over a stream after its second item."""
    method, arguments = caller.method(row)
    with method(**arguments) as stream:
        for number, _ in enumerate(stream, 1):
            if number == 2:
                break
    return []


class LoopError(Exception):
    """What the caller's own code raises in the loop."""


def raise_in_loop(caller: Caller, row: Row) -> list[str]:
    """Raise in the loop over a stream, at its second item."""
    method, arguments = caller.method(row)
    with method(**arguments) as stream:
        for number, _ in enumerate(stream, 1):
            if number == 2:
                raise LoopError
    return []


async def plain_async(caller: Caller, row: Row) -> list[str]:
    """`plain`, with an async client."""
    method, arguments = caller.method(row)
    return await _read_async(await method(**arguments))


async def raw_async(caller: Caller, row: Row) -> list[str]:
    """`raw`, with an async client."""
    method, arguments = caller.method(row, "with_raw_response")
    response = await method(**arguments)
    parsed = response.parse()  # one SDK's raw responses are parsed at once, the other's are awaited
    return [str(response.status_code), *await _read_async(await parsed if inspect.isawaitable(parsed) else parsed)]


async def streamed_async(caller: Caller, row: Row) -> list[str]:
    """`streamed`, with an async client."""
    method, arguments = caller.method(row, "with_streaming_response")
    async with method(**arguments) as response:
        return await _read_async(await response.parse())


async def streamed_bytes_async(caller: Caller, row: Row) -> list[str]:
    """`streamed_bytes`, with an async client."""
    method, arguments = caller.method(row, "with_streaming_response")
    async with method(**arguments) as response:
        return [repr(b"".join([piece async for piece in response.iter_bytes()]))]


def _read(result: Any) -> list[str]:
    if isinstance(result, Iterator):
        return [repr(item) for item in result]
    return [_told(result)]


async def _read_async(result: Any) -> list[str]:
    if isinstance(result, AsyncIterator):
        return [repr(item) async for item in result]
    if isinstance(result, openai.AsyncBinaryResponse if hasattr(openai, "AsyncBinaryResponse") else ()):
        return [repr(await result.read())]
    return [_told(result)]


def _told(result: Any) -> str:
    """RESULT as the caller sees it, the bytes of a file for one that is."""
    if isinstance(result, openai.HttpxBinaryResponseContent if hasattr(openai, "HttpxBinaryResponseContent") else ()):
        return repr(result.content)
    return repr(result)


READERS = (streamed, streamed_lines, streamed_bytes, streamed_whole)
ASYNC_WAYS = (plain_async, raw_async, streamed_async, streamed_bytes_async)


def outcome(call: Callable[[], list[str]]) -> tuple[str, list[str]]:
    """What the caller sees: the name of the exception, and what the call gave."""
    try:
        return "", call()
    except Exception as err:
        return error_of(err)


def error_of(err: Exception) -> tuple[str, list[str]]:
    """ERR as the caller sees it: its class, and its text."""
    return f"{type(err).__module__}.{type(err).__qualname__}", [str(err)]


def stored(home: Path) -> dict[str, list[dict[str, Any]]]:
    """The calls in the database of HOME as they stand now, by feature."""
    assert llmtrace.flush(10.0)
    found: dict[str, list[dict[str, Any]]] = {}
    latest = "SELECT * FROM calls_all QUALIFY revision = max(revision) OVER (PARTITION BY trace_id, span_id)"
    for call in connect(home=home).sql(latest).to_pylist():
        found.setdefault(call["feature"], []).append(call)
    return found


@contextmanager
def captured_log() -> Iterator[list[str]]:
    """What llmtrace logs meanwhile."""
    messages: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: messages.append(logging.Formatter().format(record))  # type: ignore[method-assign]
    logger = logging.getLogger("llmtrace")
    logger.addHandler(handler)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)
