"""One call in flight: gathers what the choke points see, ends exactly once, and becomes a `Call` off the call's path.

The calling thread only notes references and times here. What costs more (normalising usage, reading headers, counting
tokens, encoding) is done by `finish`, on the journal's thread.
"""

import json
import sys
import time
import weakref
from collections.abc import Mapping
from typing import Any, Protocol

from llmtrace.config import Settings
from llmtrace.feature import Scope, current_scope
from llmtrace.ids import new_span_id, new_trace_id
from llmtrace.instrument.errors import error_name, may_have_been_sent
from llmtrace.instrument.estimate import count_tokens
from llmtrace.instrument.quiet import quietly
from llmtrace.model import Attempt, Call, CallStatus, Content, Request, Response, Usage, UsageSource
from llmtrace.providers import Endpoint, Family, Fold

WITHHELD = object()
CAPTURED_EVENTS = 20_000


class Sink(Protocol):
    """Where a finished invocation goes."""

    def put(self, invocation: "Invocation") -> None:
        """Take INVOCATION, without waiting and without raising."""


class Invocation:
    """A call in flight. `end` may be called from any thread, any number of times, and by the garbage collector."""

    __slots__ = (
        "__weakref__",
        "_captures",
        "_client_class",
        "_ended_at",
        "_endings",
        "_error",
        "_events",
        "_family",
        "_first_chunk_at",
        "_headers",
        "_http_status",
        "_open",
        "_origin",
        "_outcomes",
        "_pending_outcome",
        "_prompt",
        "_request",
        "_request_bytes",
        "_response",
        "_response_bytes",
        "_scope",
        "_sent",
        "_settings",
        "_sink",
        "_spoke_at",
        "_started",
        "_status",
        "_waits",
        "attempts",
        "endpoint",
        "fold",
        "http_response",
        "injected",
        "iterating",
        "parent_span_id",
        "span_id",
        "started_at_ns",
        "trace_id",
    )  # fmt: skip

    def __init__(
        self, settings: Settings, sink: Sink, family: Family, endpoint: Endpoint, origin: tuple[Any, ...]
    ) -> None:
        """Begin now; ORIGIN is (client class name, host, port, JSON body, stream)."""
        self.started_at_ns = time.time_ns()
        self._started = time.perf_counter_ns()
        self._settings, self._sink, self._family, self.endpoint = settings, sink, family, endpoint
        self._scope = current_scope()
        self.trace_id, self.parent_span_id = _place_in_trace(self._scope)
        self.span_id = new_span_id()
        self._client_class, host, port, body, stream = origin
        self._request = Request(
            provider=family.find_provider_name(host, self._client_class),
            operation=endpoint.operation,
            endpoint=endpoint.name,
            stream=stream,
            server_address=host,
            server_port=port,
            **family.read_request(endpoint, body),
        )
        self.fold: Fold | None = family.new_fold(endpoint) if stream else None
        self._prompt = family.prompt_texts(body) if stream else []
        self._captures = settings.capture_content
        self._endings = [None]
        self.injected = self.iterating = False
        self.attempts = 0
        self._outcomes: list[str] = []
        self._waits: list[float] = []
        self._pending_outcome: str | None = None
        self._sent = False
        self._response: Response | None = None
        self._headers: Mapping[str, str] | None = None
        self._http_status: int | None = None
        self._first_chunk_at = self._spoke_at = self._ended_at = 0
        self._events: list[Any] = []
        self._request_bytes: bytes | None = None
        self._response_bytes: bytes | None = None
        self._open: tuple[int, weakref.ref[Any], weakref.finalize[..., Any], dict[int, Invocation]] | None = None
        self.http_response: Any = None
        self._error: BaseException | None = None
        self._status: CallStatus = "ok"

    # What the choke points see, in the order of a call

    def retry(self, wait_s: float) -> None:
        """The SDK gave an attempt up, and waits before the next."""
        error = sys.exc_info()[1]
        outcome = self._pending_outcome or error_name(error, self._family)
        self._sent = self._sent or self._pending_outcome is not None or may_have_been_sent(error)
        self._outcomes.append(outcome)
        self._waits.append(wait_s)
        self._pending_outcome = None

    def answered_with(self, status: int) -> None:
        """An attempt got STATUS, an error that may be tried again."""
        self._pending_outcome = str(status)

    def respond(self, response: Any) -> None:
        """The attempt that counts got RESPONSE (its head, at least); it is held until it is handed over."""
        self.http_response = response
        self._sent = True
        self._headers = response.headers
        self._http_status = response.status_code
        if self._captures:
            self._request_bytes = quietly(_content_of, response.request)

    def receive(self, data: Any) -> Any:
        """The SDK parsed DATA: the whole body, or one event of a stream. WITHHELD where the caller must not see it."""
        if self.fold is None:
            self._response = quietly(self._family.read_response, data)
        else:
            spoke = quietly(self.fold.add, data)
            if not self._spoke_at:
                now = time.perf_counter_ns()
                self._first_chunk_at = self._first_chunk_at or now
                self._spoke_at = now if spoke else 0
        if self._captures and len(self._events) < CAPTURED_EVENTS:
            self._events.append(data if not self.injected else dict(data))
        return _strip_usage(data) if self.injected else data

    def watch(self, response: Any, registry: "dict[int, Invocation]") -> None:
        """RESPONSE is handed to the caller unread: end when it is closed, or when it is dropped unclosed."""
        finalizer = weakref.finalize(response, self.close)
        self._open = (id(response), weakref.ref(response), finalizer, registry)

    # The ways a call ends

    def close(self) -> None:
        """The caller closed or dropped the response: complete if the model had finished, else given up."""
        if not self.iterating:
            self.end("ok" if self.fold is None or self.fold.complete else "cancelled")

    def fail(self, error: BaseException) -> None:
        """The call raised ERROR; what is not an `Exception` is the caller giving up, such as a cancelled task."""
        self._error = error
        response = getattr(error, "response", None)
        if response is not None:
            self._headers = getattr(response, "headers", None)
            self._http_status = getattr(response, "status_code", None)
        if self._captures and self._request_bytes is None:
            self._request_bytes = quietly(_content_of, getattr(error, "request", None))
        self.end("error" if isinstance(error, Exception) else "cancelled")

    def keep_body(self, response: Any) -> None:
        """Keep the bytes of a RESPONSE that the SDK read and did not parse; they are parsed off the call's path."""
        if self._response is None and self.fold is None:
            self._response_bytes = quietly(_content_of, response)

    def end(self, status: CallStatus) -> None:
        """End with STATUS, once: whoever comes second changes nothing."""
        try:
            self._endings.pop()  # atomic, unlike a flag
        except IndexError:
            return
        self._ended_at = time.perf_counter_ns()
        self._status = status
        opened, self._open = self._open, None
        if opened is not None:
            key, reference, finalizer, registry = opened
            finalizer.detach()
            registry.pop(key, None)
            response = reference()
            if response is not None:
                response.__dict__.pop("close", None)
                response.__dict__.pop("aclose", None)
        self._sink.put(self)

    # On the journal's thread

    @property
    def size(self) -> int:
        """About how many bytes this keeps in memory until it is written."""
        return 2048 + len(self._request_bytes or b"") + len(self._response_bytes or b"") + 256 * len(self._events)

    def drop_content(self) -> None:
        """Let go of prompt and answer, where memory is short: usage is worth more."""
        self._request_bytes, self._events, self._captures = None, [], False

    def finish(self) -> Call:
        """The finished call."""
        self._read_body()
        if self._headers is not None:
            self._headers = quietly(_plain_headers, self._headers)
        response = self.fold.response() if self.fold is not None else self._response or Response()
        usage, source, complete = self._count(response)
        scope, settings = self._scope, self._settings
        feature = scope.feature if scope is not None else None
        return Call(
            trace_id=self.trace_id,
            span_id=self.span_id,
            parent_span_id=self.parent_span_id,
            started_at_ns=self.started_at_ns,
            duration_s=self._seconds(self._ended_at),
            ttft_s=self._seconds(self._spoke_at) if self._spoke_at else None,
            time_to_first_chunk_s=self._seconds(self._first_chunk_at) if self._first_chunk_at else None,
            request=self._request,
            response=response,
            status=self._status,
            usage=usage,
            usage_source=source,
            usage_complete=complete,
            error_type=error_name(self._error, self._family) if self._status == "error" else None,
            http_status=self._http_status,
            request_id=self._header(self._family.request_id_header),
            request_sent=self._was_sent(),
            attempts=self._all_attempts(),
            rate_limits=quietly(self._family.read_rate_limits, self._headers) or {} if self._headers else {},
            feature=feature or settings.feature,
            feature_source="code" if feature else settings.feature_source,
            user_id=scope.user_id if scope is not None else None,
            session_id=scope.session_id if scope is not None else None,
            tenant=scope.tenant if scope is not None else None,
            prompt_version=scope.prompt_version if scope is not None else None,
            tags=scope.tags if scope is not None else {},
            content=self._content(),
        )

    def _seconds(self, moment: int) -> float:
        return (moment - self._started) / 1e9

    def _read_body(self) -> None:
        if self._response_bytes is not None:
            body = quietly(json.loads, self._response_bytes)
            if isinstance(body, dict):
                self._response = self._family.read_response(body)
                self._events = [body]

    def _count(self, response: Response) -> tuple[Usage, UsageSource, bool]:
        """Tokens, who counted them, and whether the provider's count is final."""
        reported = response.usage is not None
        if self.fold is None or self.fold.usage_complete:
            usage = quietly(self._family.normalise, response.usage) if response.usage is not None else None
            return usage or Usage(), "provider" if reported else "missing", True
        partial = (quietly(self._family.normalise, response.usage) if response.usage is not None else None) or Usage()
        if self._status == "error" and not self._first_chunk_at:
            return partial, "missing", True
        return quietly(self._estimate, partial) or partial, "estimated", False

    def _estimate(self, partial: Usage) -> Usage:
        """PARTIAL with what the provider did not get to say counted here."""
        assert self.fold is not None
        model = self._request.model
        spoken = count_tokens(self.fold.text_parts, model, is_prompt=False)
        asked = partial.input_tokens
        if asked is None:
            asked = count_tokens(self._prompt, model, is_prompt=True)
        return Usage(
            input_tokens=asked,
            cached_input_tokens=partial.cached_input_tokens,
            cache_write_tokens=partial.cache_write_tokens,
            output_tokens=max(spoken, partial.output_tokens or 0),
            reasoning_tokens=partial.reasoning_tokens,
        )

    def _was_sent(self) -> bool:
        return self._sent or self._error is None or may_have_been_sent(self._error)

    def _all_attempts(self) -> tuple[Attempt, ...]:
        final = str(self._http_status) if self._http_status is not None else error_name(self._error, self._family)
        earlier = [Attempt(o, w) for o, w in zip(self._outcomes, self._waits, strict=True)]
        unseen = max(self.attempts - len(earlier) - 1, 0)
        return (*earlier, *[Attempt("unknown")] * unseen, Attempt(final))

    def _header(self, name: str) -> str | None:
        return self._headers.get(name) if self._headers is not None else None

    def _content(self) -> Content | None:
        if not self._captures:
            return None
        return quietly(self._family.read_content, self._request_bytes, self._events, self.fold is not None)


def _place_in_trace(scope: Scope | None) -> tuple[str, str | None]:
    """Trace id and parent: the app's current OpenTelemetry span, else the trace of the outermost feature scope.

    OpenTelemetry is asked only where the app has loaded it: without it there is no current span.
    """
    trace = sys.modules.get("opentelemetry.trace")
    if trace is not None:
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            return f"{context.trace_id:032x}", f"{context.span_id:016x}"
    return (scope.trace_id if scope is not None else new_trace_id()), None


def _plain_headers(headers: Any) -> dict[str, str]:
    """HEADERS, httpx's or httpx2's, as a dictionary: each look-up in theirs searches the whole list."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers.raw}


def _content_of(message: Any) -> bytes | None:
    """The body of an HTTP request or response that is in memory already; None where it would have to be read."""
    content = message.content if message is not None else None
    return content if isinstance(content, bytes) else None


def _strip_usage(data: dict[str, Any]) -> Any:
    """DATA as the caller would have got it had no usage been asked for."""
    usage = data.pop("usage", None)
    return WITHHELD if usage is not None and not data.get("choices") else data
