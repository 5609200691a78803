"""LiteLLM's choke points: the two handlers through which it sends what goes to a provider over HTTP.

Where it uses a provider's own SDK, as for OpenAI and Azure, that SDK's seam sees the call and no handler does: each
call is seen once, with the usage that the provider itself told. An answer from LiteLLM's cache is no call.
"""

import json
import re
from collections.abc import Callable, Mapping
from types import ModuleType, TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

from llmtrace.instrument.body import DONE
from llmtrace.instrument.invocation import Invocation
from llmtrace.instrument.neighbours import Reader
from llmtrace.instrument.quiet import quietly
from llmtrace.instrument.seam import Asked, Flight, Seam
from llmtrace.providers import Family, find_endpoint, find_family

# Whose protocols are looked for in a URL, by the end of its host where the path alone is not telling.
PROTOCOLS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("openai", ()),
    ("anthropic", ()),
    ("boto3", ()),
    ("google.genai", ("googleapis.com",)),
    ("cohere", ("cohere.ai", "cohere.com")),
    ("mistralai", ("mistral.ai",)),
    ("ollama", ()),
)
MODEL = re.compile(r"/models?/([^/]+?)(?::[a-zA-Z]+)?(?:/[a-z-]+)?$")
VERTEX_CLAUDE = re.compile(r"/publishers/anthropic/models/[^/]+:(?:streamR|r)awPredict$")
# The event of Anthropic's that LiteLLM reads last: why the model stopped, with the usage.
STOPPED = re.compile(rb'event: message_(?:stop|delta\n(?!.*"stop_reason": ?null))')
# Where Anthropic's models are, beside Anthropic: as its SDK's clients for those places are called.
PLACES = (
    (re.compile(r"\.googleapis\.com$"), "AnthropicVertex"),
    (re.compile(r"\.azure\.com$"), "AnthropicFoundry"),
    (re.compile(r"^bedrock-"), "AnthropicBedrock"),
)


class LitellmSeam(Seam):
    """The patched HTTP handlers of LiteLLM."""

    name = "litellm"

    def install(self, module: ModuleType) -> bool:
        """Whether MODULE, `http_handler`, has what sends; all that it has is replaced."""
        begins = (
            self._patched.patch(getattr(module, "HTTPHandler", None), "post", self._around_post),
            self._patched.patch(getattr(module, "AsyncHTTPHandler", None), "post", self._around_post_async),
        )
        return all(begins)

    def flight(self, invocation: Invocation | None) -> Flight:
        """A run of a handler for INVOCATION."""
        return _Sending(self._capture, invocation)

    def _around_post(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def post(handler: Any, *args: Any, **kwargs: Any) -> Any:
            with self.flight(quietly(self._begin, args, kwargs)) as invocation:
                response = original(handler, *args, **kwargs)
            if invocation is not None:
                quietly(self._answer, invocation, response)
            return response

        return post

    def _around_post_async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def post(handler: Any, *args: Any, **kwargs: Any) -> Any:
            with self.flight(quietly(self._begin, args, kwargs)) as invocation:
                response = await original(handler, *args, **kwargs)
            if invocation is not None:
                quietly(self._answer, invocation, response)
            return response

        return post

    def _begin(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Invocation | None:
        url = str(kwargs.get("url") or args[0]).partition("?")[0]
        parts = urlsplit(url)
        host = parts.hostname or ""
        client = next((client for place, client in PLACES if place.search(host)), "")
        asked_url = f"{parts.scheme}://{parts.netloc}/v1/messages" if VERTEX_CLAUDE.search(parts.path) else url
        family = _find_protocol(host, asked_url)
        if family is None:
            return None
        data = next((d for d in (kwargs.get("json"), kwargs.get("data"), *args[1:3]) if d), None)
        named = MODEL.search(parts.path)
        model = unquote(named[1]) if named is not None else None
        body = {"model": model, "modelId": model, **(data if isinstance(data, dict) else {})}
        stream = bool(kwargs.get("stream"))
        invocation = self.begin(Asked(client, "POST", asked_url, body, stream), family)
        if invocation is not None and isinstance(data, str | bytes):
            invocation.unread_request = data
        return invocation

    def _answer(self, invocation: Invocation, response: Any) -> None:
        invocation.respond(response)
        self.hand_over(invocation, response)
        if invocation.reader is not None:
            invocation.reader = _UntilDone(invocation, invocation.reader)


def _find_protocol(host: str, url: str) -> Family | None:
    """The family in whose protocol HOST is asked at URL, or None where it is asked for nothing that is billed."""
    for sdk, endings in PROTOCOLS:
        if (not endings or host.endswith(endings)) and find_endpoint(sdk, "POST", url) is not None:
            return find_family(sdk)
    return None


class _UntilDone:
    """INNER, at the end of which nothing more is awaited: LiteLLM stops there, and keeps the response for long."""

    __slots__ = ("_inner", "_invocation")

    def __init__(self, invocation: Invocation, inner: Reader) -> None:
        self._invocation, self._inner = invocation, inner

    def feed(self, piece: bytes) -> None:
        self._inner.feed(piece)
        last = piece.rstrip().rpartition(b"\n\n")[2]
        if last.endswith(DONE) or STOPPED.match(last):
            self._invocation.finish_reading()

    def finish(self) -> None:
        self._inner.finish()


class _Told(Exception):
    """An error as the provider told it: LiteLLM's own exceptions leave that to whoever catches them."""

    def __init__(self, response: Any, body: Any) -> None:
        self.response, self.body = response, body


class _Sending(Flight):
    """One run of a handler."""

    __slots__ = ()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the call where it failed, by the error that is behind LiteLLM's."""
        super().__exit__(kind, None if error is None else quietly(_behind, error) or error, traceback)


def _behind(error: BaseException) -> BaseException | None:
    response = getattr(error, "response", None)
    if response is not None and hasattr(response, "is_closed"):
        try:
            body = json.loads(response.content)
        except Exception:  # not read, or not JSON: the status is enough
            body = None
        code = response.headers.get("x-amzn-errortype")
        return _Told(response, {"Error": {"Code": code.partition(":")[0]}} if code else body)
    context = error.__context__
    is_https = context is not None and type(context).__module__.partition(".")[0] in ("httpx", "httpx2")
    return context if is_https else None
