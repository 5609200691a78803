"""A span for each HTTP attempt of a call, made by OpenTelemetry's instrumentation of httpx and httpx2.

It sits on the transports of the SDK's own HTTP client, and acts only while a call of that SDK is in flight. What it
would change besides, it does not: the headers that it injects are taken off again before the request leaves, the
context in which the transport runs is the caller's, its metrics go nowhere, and an error of its own ends here.
"""

import sys
import threading
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import opentelemetry.instrumentation.httpx as instrumentation
from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from llmtrace import semconv
from llmtrace.ids import new_span_id, new_trace_id
from llmtrace.instrument.invocation import Invocation, in_flight
from llmtrace.instrument.quiet import log_error, quietly
from llmtrace.model import AttributeValue, Span

HOOKS = ("handle_request", "handle_async_request")
RESEND_COUNT = "http.request.resend_count"
# The instrumentation speaks the older names unless the environment asks for the newer. What is not here is left out:
# captured headers may hold keys.
# Source: https://opentelemetry.io/docs/specs/semconv/non-normative/http-migration/
ATTRIBUTES = {
    "http.method": "http.request.method", "http.request.method": "http.request.method",
    "http.url": "url.full", "url.full": "url.full",
    "http.status_code": semconv.HTTP_STATUS_CODE, semconv.HTTP_STATUS_CODE: semconv.HTTP_STATUS_CODE,
    "network.protocol.version": "network.protocol.version",
    semconv.SERVER_ADDRESS: semconv.SERVER_ADDRESS, semconv.SERVER_PORT: semconv.SERVER_PORT,
    semconv.ERROR_TYPE: semconv.ERROR_TYPE, RESEND_COUNT: RESEND_COUNT,
}  # fmt: skip


class AttemptSpans:
    """Makes the spans of one process's attempts, and gives each to PUT as it ends."""

    def __init__(self, put: Callable[[Span], None]) -> None:
        """Prepare; nothing is traced before a client is watched."""
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=Resource.get_empty(), id_generator=_Ids(), shutdown_on_exit=False
        )
        self._provider.add_span_processor(_Ending(put))
        self._lock = threading.Lock()
        self._watched: weakref.WeakSet[Any] = weakref.WeakSet()

    def watch(self, client: Any) -> None:
        """Trace what CLIENT, an SDK's HTTP client, sends for calls in flight. Watching it again changes nothing."""
        httpx2 = sys.modules.get("httpx2")
        is_httpx2 = httpx2 is not None and isinstance(client, httpx2.Client | httpx2.AsyncClient)
        for transport in (client._transport, *client._mounts.values()):
            if transport is not None and transport not in self._watched:
                with self._lock:
                    if transport not in self._watched:
                        self._hook(transport, "Httpx2" if is_httpx2 else "")
                        self._watched.add(transport)

    def undo(self) -> None:
        """Take everything off the clients' transports again."""
        with self._lock:
            for transport in list(self._watched):
                for name in HOOKS:
                    hook = vars(transport).get(name)
                    if getattr(hook, "is_of_llmtrace", False):
                        _give_back(transport, name, hook)
            self._watched.clear()

    def unlock(self) -> None:
        """In a forked child: no thread of the parent's holds the lock."""
        self._lock = threading.Lock()

    def _hook(self, transport: Any, suffix: str) -> None:
        options = {"tracer_provider": self._provider, "meter_provider": NoOpMeterProvider()}
        if hasattr(transport, HOOKS[0]):
            traced = getattr(instrumentation, "SyncOpenTelemetryTransport" + suffix)(_Innermost(), **options)
            _put_on(transport, HOOKS[0], lambda send: _sending(send, traced.handle_request))
        if hasattr(transport, HOOKS[1]):
            traced_async = getattr(instrumentation, "AsyncOpenTelemetryTransport" + suffix)(_Innermost(), **options)
            _put_on(transport, HOOKS[1], lambda send: _sending_async(send, traced_async.handle_async_request))


def _put_on(transport: Any, name: str, wrap: Callable[[Callable[..., Any]], Any]) -> None:
    """WRAP what TRANSPORT has under NAME, on this one object; the class's own is reached weakly, to keep no cycle."""
    before = vars(transport).get(name)
    reference = weakref.ref(transport)

    def send(request: Any) -> Any:
        owner = reference()
        return before(request) if before is not None else getattr(type(owner), name)(owner, request)

    hook: Any = wrap(send)
    hook.is_of_llmtrace, hook.before = True, before
    setattr(transport, name, hook)


def _give_back(transport: Any, name: str, hook: Any) -> None:
    if hook.before is not None:
        setattr(transport, name, hook.before)
    else:
        delattr(transport, name)


def _sending(send: Callable[[Any], Any], trace: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def handle_request(request: Any) -> Any:
        invocation = in_flight.get()
        attempt = (
            quietly(_Attempt, send, request, invocation) if invocation is not None and invocation.is_span else None
        )
        if attempt is None:
            return send(request)
        with attempt:
            trace(request)
        return attempt.response if attempt.is_answered else send(request)

    return handle_request


def _sending_async(
    send: Callable[[Any], Awaitable[Any]], trace: Callable[[Any], Awaitable[Any]]
) -> Callable[[Any], Awaitable[Any]]:
    async def handle_async_request(request: Any) -> Any:
        invocation = in_flight.get()
        attempt = (
            quietly(_Attempt, send, request, invocation) if invocation is not None and invocation.is_span else None
        )
        if attempt is None:
            return await send(request)
        with attempt:
            await trace(request)
        return attempt.response if attempt.is_answered else await send(request)

    return handle_async_request


class _Attempt:
    """One run of a transport inside the instrumentation: what it was given, and what came of it."""

    def __init__(self, send: Callable[[Any], Any], request: Any, invocation: Invocation) -> None:
        self._send, self._request, self._headers = send, request, request.headers
        self._caller = get_current()
        parent = SpanContext(
            int(invocation.trace_id, 16), int(invocation.span_id, 16), is_remote=False, trace_flags=TraceFlags(1)
        )
        self._context = set_span_in_context(NonRecordingSpan(parent), Context())
        self.response: Any = None
        self.error: BaseException | None = None
        self.is_answered = False

    def __enter__(self) -> None:
        self._mark = _attempt.set(self)
        self._token = attach(self._context)

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        """True, so that it goes no further, where ERROR is not the transport's but the instrumentation's own."""
        detach(self._token)
        _attempt.reset(self._mark)
        self._request.headers = self._headers
        if error is None or error is self.error or not isinstance(error, Exception):
            return False
        log_error(f"llmtrace could not trace an HTTP attempt ({error!r}); the request itself is not affected")
        if self.error is not None:
            raise self.error
        return True

    def begin(self) -> tuple[Callable[[Any], Any], Any, Any]:
        """What to send, and how, and the mark to end with: headers and context are the caller's own."""
        self._request.headers = self._headers
        return self._send, self._request, attach(self._caller)


class _Innermost:
    """The transport that the instrumentation wraps: sends an attempt as if nothing stood around it."""

    def handle_request(self, request: Any) -> Any:
        attempt = _attempt.get()
        send, request, token = attempt.begin()
        try:
            attempt.response = send(request)
            attempt.is_answered = True
        except BaseException as err:
            attempt.error = err
            raise
        finally:
            detach(token)
        return attempt.response

    async def handle_async_request(self, request: Any) -> Any:
        attempt = _attempt.get()
        send, request, token = attempt.begin()
        try:
            attempt.response = await send(request)
            attempt.is_answered = True
        except BaseException as err:
            attempt.error = err
            raise
        finally:
            detach(token)
        return attempt.response


_attempt: ContextVar[_Attempt] = ContextVar("llmtrace_attempt")


class _Ids(IdGenerator):
    """Ids from a generator of our own: the default takes them from the application's `random`."""

    def generate_span_id(self) -> int:
        return int(new_span_id(), 16)

    def generate_trace_id(self) -> int:
        return int(new_trace_id(), 16)


class _Ending(SpanProcessor):
    """Turns each span into ours as it ends."""

    def __init__(self, put: Callable[[Span], None]) -> None:
        self._put = put

    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        invocation = in_flight.get()
        if invocation is not None and invocation.attempts > 1:
            span.set_attribute(RESEND_COUNT, invocation.attempts - 1)

    def on_end(self, span: ReadableSpan) -> None:
        made = quietly(_to_span, span)
        if made is not None:
            self._put(made)


def _to_span(span: ReadableSpan) -> Span:
    context, parent = span.get_span_context(), span.parent
    assert context is not None and span.start_time is not None and span.end_time is not None
    attributes: dict[str, AttributeValue] = {
        ATTRIBUTES[name]: value  # type: ignore[misc]
        for name, value in (span.attributes or {}).items()
        if name in ATTRIBUTES
    }
    raised = next((e.attributes.get("exception.type") for e in span.events if e.attributes), None)
    status = attributes.get(semconv.HTTP_STATUS_CODE)
    if raised is not None:
        attributes.setdefault(semconv.ERROR_TYPE, str(raised))
    elif isinstance(status, int) and status >= 400:
        attributes.setdefault(semconv.ERROR_TYPE, str(status))
    return Span(
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_span_id=f"{parent.span_id:016x}" if parent is not None else None,
        name=span.name,
        start_ns=span.start_time,
        end_ns=max(span.start_time, span.end_time),
        status_code=span.status.status_code.value,
        status_message=span.status.description or "",
        attributes=attributes,
        resource={},
        scope=semconv.SCOPE_NAME,
    )
