"""The choke points of google-genai: its API client's `_request`, which every model call goes through, retries inside.

What it returns is an object of the SDK's own, whichever HTTP library it uses; a stream's chunks are seen as that object
gives them out, parsed. Where the caller leaves a stream, the SDK drops the object, or the generator that reads it.
"""

import json
import os
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from llmtrace.instrument.batch_files import looks_like_results
from llmtrace.instrument.invocation import Invocation
from llmtrace.instrument.quiet import quietly
from llmtrace.instrument.seam import Asked, Seam, attempt, attempt_async
from llmtrace.instrument.streams import AsyncItems, SyncItems
from llmtrace.providers.google import VERTEX, model_in

# The streams that a run of `async_request_streamed` opened.
_opened: ContextVar[list[Invocation] | None] = ContextVar("llmtrace_google_opened", default=None)


class GoogleSeam(Seam):
    """The patched API client of google-genai."""

    has_batches = True

    def install(self, module: ModuleType) -> bool:
        """Whether MODULE, `_api_client`, has what begins calls; all that it has is replaced."""
        client = getattr(module, "BaseApiClient", None)
        self._patched.patch(client, "_request_once", attempt)
        self._patched.patch(client, "_async_request_once", attempt_async)
        self._patched.patch(client, "async_request_streamed", self._around_streamed_async)
        self._patched.patch(client, "download_file", self._around_download)
        self._patched.patch(client, "async_download_file", self._around_download_async)
        begins = (
            self._patched.patch(client, "_request", self._around_request),
            self._patched.patch(client, "_async_request", self._around_request_async),
        )
        return all(begins)

    def _around_request(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            with self.flight(quietly(self._begin, client, "_httpx_client", args, kwargs)) as invocation:
                response = original(client, *args, **kwargs)
            if invocation is not None:
                quietly(self._answer, invocation, response)
            return response

        return request

    def _around_request_async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            with self.flight(quietly(self._begin, client, "_async_httpx_client", args, kwargs)) as invocation:
                response = await original(client, *args, **kwargs)
            if invocation is not None:
                quietly(self._answer, invocation, response)
            return response

        return request

    def _around_download(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def download_file(client: Any, *args: Any, **kwargs: Any) -> Any:
            invocation = quietly(self._begin_download, client, args, kwargs)
            with self.flight(invocation):
                data = original(client, *args, **(quietly(_seen, invocation, kwargs) or kwargs))
            if invocation is not None:
                quietly(_downloaded, invocation, data)
            return data

        return download_file

    def _around_download_async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def async_download_file(client: Any, *args: Any, **kwargs: Any) -> Any:
            invocation = quietly(self._begin_download, client, args, kwargs)
            with self.flight(invocation):
                data = await original(client, *args, **(quietly(_seen, invocation, kwargs) or kwargs))
            if invocation is not None:
                quietly(_downloaded, invocation, data)
            return data

        return async_download_file

    def _begin_download(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Invocation | None:
        path = kwargs.get("path") or args[0]
        name, base = VERTEX if client.vertexai else "", client._http_options.base_url or ""
        invocation = self.begin(Asked(name, "GET", f"{base.rstrip('/')}/{path}", {}))
        if invocation is not None:
            destination = kwargs.get("destination")
            invocation.asked = os.fspath(destination) if isinstance(destination, str | os.PathLike) else None
        return invocation

    def _begin(self, client: Any, http_name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Invocation | None:
        request = kwargs.get("http_request") or args[0]
        # The last parameter, in every release that has one.
        stream = bool(kwargs["stream"]) if "stream" in kwargs else bool(args) and args[-1] is True
        data = request.data if isinstance(request.data, dict) else {}
        body = {"model": model_in(request.url), **data}
        http = getattr(client, http_name, None)
        name = VERTEX if client.vertexai else ""
        invocation = self.begin(Asked(name, request.method, request.url, body, stream, http))
        if invocation is not None and invocation.captures:
            invocation.request_bytes = quietly(lambda: json.dumps(data).encode())
        return invocation

    def _answer(self, invocation: Invocation, response: Any) -> None:
        """The SDK got RESPONSE, its own object: end, or see the chunks that it is going to give out."""
        invocation.respond(response)
        invocation.http_response = None
        if invocation.request.stream:
            reference, opened = weakref.ref(response), _opened.get()
            invocation.end_without(response)
            if opened is not None:
                opened.append(invocation)
            response.segments = _segments(invocation, reference)
            response.async_segments = _segments_async(invocation, reference)
            return
        text = response.response_stream[0] if response.response_stream else None
        invocation.response_bytes = text.encode() if isinstance(text, str) else None
        invocation.end("ok")

    def _around_streamed_async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def request_streamed(client: Any, *args: Any, **kwargs: Any) -> Any:
            opened: list[Invocation] = []
            outer = _opened.set(opened)
            try:
                result = await original(client, *args, **kwargs)
            finally:
                _opened.reset(outer)
            for invocation in opened:
                # What it reads from is held by a cycle of the SDK's: this goes as soon as the caller leaves.
                quietly(invocation.end_without, result)
            return result

        return request_streamed


class _Copied:
    """A stream of the caller's that a file is written to, of which INVOCATION sees what is written."""

    def __init__(self, stream: Any, invocation: Invocation) -> None:
        self._stream, self._invocation = stream, invocation
        self._is_begun = self._is_other = False

    def __getattr__(self, name: str) -> Any:
        """All else that a release may ask of a stream is the caller's own."""
        return getattr(self._stream, name)

    def write(self, piece: bytes) -> Any:
        written = self._stream.write(piece)
        quietly(self._see, piece)
        return written

    def _see(self, piece: bytes) -> None:
        if not self._is_begun:
            self._is_begun, self._is_other = True, not looks_like_results(self._invocation, piece)
        if not self._is_other:
            self._invocation.feed(piece)


def _seen(invocation: Invocation | None, kwargs: dict[str, Any]) -> dict[str, Any]:
    """KWARGS of a download, of which INVOCATION sees what it writes to a stream of the caller's."""
    destination = kwargs.get("destination")
    if invocation is None or invocation.asked is not None or not hasattr(destination, "write"):
        return kwargs
    invocation.read_lines()
    return {**kwargs, "destination": _Copied(destination, invocation)}


def _downloaded(invocation: Invocation, data: Any) -> None:
    """A file has come: as DATA, in a stream that was seen, or in another file."""
    invocation.response_bytes = data if isinstance(data, bytes) else None
    invocation.finish_reading()


def _segments(invocation: Invocation, reference: "weakref.ref[Any]") -> Callable[[], SyncItems]:
    def segments() -> SyncItems:
        response = reference()
        return SyncItems(invocation, type(response).segments(response), _seeing(invocation))  # type: ignore[union-attr]

    return segments


def _segments_async(invocation: Invocation, reference: "weakref.ref[Any]") -> Callable[[], AsyncItems]:
    def async_segments() -> AsyncItems:
        response = reference()
        return AsyncItems(invocation, type(response).async_segments(response), _seeing(invocation))  # type: ignore[union-attr]

    return async_segments


def _seeing(invocation: Invocation) -> Callable[[Any], None]:
    def see(chunk: Any) -> None:
        invocation.receive(chunk)
        if invocation.fold is not None and invocation.fold.error is not None:
            invocation.end("ok")  # the SDK raises next, and that is the caller's: the error's name is known

    return see
