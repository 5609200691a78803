"""The choke point of the SDKs that Speakeasy generates (mistralai, and google-genai's interactions): `do_request`.

Every method builds its request and gives it to `do_request`, with the retries inside; what comes back is an HTTP
response of httpx's or httpx2's, which the method then reads, or hands out as a stream of events.
"""

import json
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from llmtrace.instrument.invocation import Invocation, in_flight
from llmtrace.instrument.quiet import quietly
from llmtrace.instrument.seam import Asked, Seam, attempt, attempt_async
from llmtrace.providers import find_endpoint
from llmtrace.providers.base import as_mapping
from llmtrace.providers.google import VERTEX


class SpeakeasySeam(Seam):
    """The patched base class of one generated package."""

    def install(self, module: ModuleType) -> bool:
        """Whether MODULE, `basesdk`, has what begins calls; all that it has is replaced."""
        utils = getattr(module, "utils", None)
        retries = sys.modules.get(f"{getattr(utils, '__name__', '')}.retries")
        for name, around in (("retry", _around_retry), ("retry_async", _around_retry_async)):
            if not self._patched.patch(utils, name, around, is_expected=False):
                self._patched.patch(retries, name, around)
        if self._capture.shared_spans is not None:
            tracing = sys.modules.get(f"{module.__name__.rpartition('.')[0]}._hooks.tracing")
            hook = getattr(tracing, "TracingHook", None)
            self._patched.patch(hook, "before_request", _silent_in_flight, is_expected=False)
        base = getattr(module, "BaseSDK", None)
        asynchronous = getattr(module, "AsyncBaseSDK", base)
        begins = (
            self._patched.patch(asynchronous, "do_request_async", self._around_request_async),
            self._patched.patch(base, "do_request", self._around_request),
        )
        return all(begins)

    def _around_request(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def do_request(sdk: Any, *args: Any, **kwargs: Any) -> Any:
            with self.flight(quietly(self._begin, sdk, "client", args, kwargs)) as invocation:
                response = original(sdk, *args, **kwargs)
            if invocation is not None:
                quietly(self._answer, invocation, response)
            return response

        return do_request

    def _around_request_async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def do_request(sdk: Any, *args: Any, **kwargs: Any) -> Any:
            with self.flight(quietly(self._begin, sdk, "async_client", args, kwargs)) as invocation:
                response = await original(sdk, *args, **kwargs)
            if invocation is not None:
                quietly(self._answer, invocation, response)
            return response

        return do_request

    def _begin(self, sdk: Any, http: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Invocation | None:
        request = kwargs.get("request") or args[1]
        url = str(request.url).partition("#")[0]
        if find_endpoint(self._family.sdk, request.method, url) is None:
            return None
        content = quietly(_json_of, request)
        stream = bool(kwargs.get("stream")) if content is None else content.get("stream") is True
        asked = Asked(
            self.name_client(sdk, url), request.method, url, as_mapping(content), stream,
            getattr(sdk.sdk_configuration, http, None),
        )  # fmt: skip
        invocation = self.begin(asked)
        if invocation is not None:
            invocation.send(request)
        return invocation

    def name_client(self, sdk: Any, url: str) -> str:
        """What tells who answers SDK, an object with the API's methods, at URL: the package that it is from."""
        return type(sdk).__module__

    def _answer(self, invocation: Invocation, response: Any) -> None:
        invocation.respond(response)
        self.hand_over(invocation, response)


class InteractionsSeam(SpeakeasySeam):
    """The same inside google-genai."""

    def name_client(self, sdk: Any, url: str) -> str:
        """Vertex AI's paths begin with a project."""
        return VERTEX if "/projects/" in url else ""


def _json_of(request: Any) -> dict[str, Any] | None:
    """The JSON object that REQUEST sends; None where it sends something else."""
    if "json" not in request.headers.get("content-type", ""):
        return None
    body = json.loads(request.content)
    return body if isinstance(body, dict) else None


def _around_retry(original: Callable[..., Any]) -> Callable[..., Any]:
    def retry(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return original(attempt(function), *args, **kwargs)

    return retry


def _around_retry_async(original: Callable[..., Any]) -> Callable[..., Any]:
    async def retry(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await original(attempt_async(function), *args, **kwargs)

    return retry


def _silent_in_flight(original: Callable[..., Any]) -> Callable[..., Any]:
    """The SDK's own tracing, silent for calls whose span is shared: they would stand in the app's traces twice."""

    def before_request(hook: Any, context: Any, request: Any) -> Any:
        invocation = in_flight.get()
        if invocation is not None and invocation.shared is not None:
            return request
        return original(hook, context, request)

    return before_request
