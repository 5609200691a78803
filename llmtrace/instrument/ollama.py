"""The choke points of ollama: its clients' `_request`, which every method goes through, and `_request_raw` below it.

A stream is a generator of the SDK's, which asks once it is read. It keeps its client's place: that is taken by one
whose HTTP client sees the response that the generator opens.
"""

import contextvars
from collections.abc import Callable
from types import ModuleType
from typing import Any

from llmtrace.instrument.invocation import Invocation, in_flight
from llmtrace.instrument.quiet import quietly
from llmtrace.instrument.seam import Asked, Opening, Seam
from llmtrace.providers.base import as_mapping


class OllamaSeam(Seam):
    """The patched clients of ollama."""

    def install(self, module: ModuleType) -> bool:
        """Whether MODULE, `_client`, has what begins calls; all that it has is replaced."""
        sync, asynchronous = getattr(module, "Client", None), getattr(module, "AsyncClient", None)
        self._patched.patch(sync, "_request_raw", _around_raw)
        self._patched.patch(asynchronous, "_request_raw", _around_raw_async)
        begins = (
            self._patched.patch(sync, "_request", self._around_request),
            self._patched.patch(asynchronous, "_request", self._around_request_async),
        )
        return all(begins)

    def _around_request(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            if kwargs.get("stream"):
                return original(quietly(self._stand_in, client, args, kwargs) or client, *args, **kwargs)
            with self.flight(quietly(self._begin, client, args, kwargs)) as invocation:
                result = original(client, *args, **kwargs)
            if invocation is not None:
                invocation.end("ok")
            return result

        return request

    def _around_request_async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            if kwargs.get("stream"):
                return await original(quietly(self._stand_in, client, args, kwargs) or client, *args, **kwargs)
            with self.flight(quietly(self._begin, client, args, kwargs)) as invocation:
                result = await original(client, *args, **kwargs)
            if invocation is not None:
                invocation.end("ok")
            return result

        return request

    def _begin(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Invocation | None:
        _, method, path = args[:3]
        url = path if "://" in path else f"{str(client._client.base_url).rstrip('/')}{path}"
        body, stream = as_mapping(kwargs.get("json")), bool(kwargs.get("stream"))
        return self.begin(Asked("", method, url, body, stream, client._client))

    def _stand_in(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> "_StandIn":
        # The generator may be read elsewhere: the call belongs to where it was asked for.
        context = contextvars.copy_context()
        return _StandIn(
            client, _HttpStandIn(self, client._client, lambda: context.run(self._begin, client, args, kwargs))
        )


class _StandIn:
    """REAL, an SDK's client, but for its HTTP client."""

    def __init__(self, real: Any, http: "_HttpStandIn") -> None:
        self._real, self._client = real, http

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class _HttpStandIn:
    """REAL, an HTTP client, whose streams are seen by SEAM; BEGIN begins the call."""

    def __init__(self, seam: Seam, real: Any, begin: Callable[[], Invocation | None]) -> None:
        self._seam, self._real, self._begin = seam, real, begin

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def stream(self, *args: Any, **kwargs: Any) -> Opening:
        """The real client's, seen."""
        return Opening(self._seam, self._begin, self._real.stream(*args, **kwargs))


def _around_raw(original: Callable[..., Any]) -> Callable[..., Any]:
    def request_raw(client: Any, *args: Any, **kwargs: Any) -> Any:
        response = original(client, *args, **kwargs)
        quietly(_see, response)
        return response

    return request_raw


def _around_raw_async(original: Callable[..., Any]) -> Callable[..., Any]:
    async def request_raw(client: Any, *args: Any, **kwargs: Any) -> Any:
        response = await original(client, *args, **kwargs)
        quietly(_see, response)
        return response

    return request_raw


def _see(response: Any) -> None:
    invocation = in_flight.get()
    if invocation is not None:
        invocation.respond(response)
        invocation.http_response = None
        invocation.keep_body(response)
