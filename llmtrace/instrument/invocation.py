"""One call in flight: gathers what the choke points see, and ends exactly once.

The calling thread notes references and times here, and reduces what would stay in memory until it is written. What
costs more (reading the request, normalising usage, counting tokens) is done by `finished.to_call`, on the journal's
thread.
"""

import functools
import sys
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from llmtrace.baggage import scope_of_call
from llmtrace.config import Settings
from llmtrace.ids import new_span_id
from llmtrace.instrument.body import DONE, EVENT_STREAM, BodyReader, LineReader, content_of, is_text, plain_headers
from llmtrace.instrument.errors import error_name, http_status_of, is_of_sdk, may_have_been_sent
from llmtrace.instrument.facts import facts_of, request_of
from llmtrace.instrument.neighbours import Permit, Reader, Shared, Sink
from llmtrace.instrument.origin import look
from llmtrace.instrument.place import place_in_trace
from llmtrace.instrument.quiet import log_incomplete, quietly
from llmtrace.model import Attempt, Call, CallStatus, Request, Response
from llmtrace.providers import Endpoint, Family, Fold
from llmtrace.providers.base import no_content

WITHHELD = object()
CAPTURED_EVENTS = 20_000
MOST_TAIL_BYTES = 64  # the mark of a stream's end may come in pieces, and empty lines after it
# What is put on a response while it is open, and taken away again.
HOOKS = ("close", "aclose", "iter_bytes", "aiter_bytes", "read", "read_chunked", "_parse_event")


class Invocation:
    """A call in flight. `end` may be called from any thread, any number of times, and by the garbage collector."""

    __slots__ = (
        "__weakref__", "_add", "_asked", "_endings", "_finalizers", "_is_raw", "_open", "_request", "_saw_end", "_sink",
        "_tail", "asked", "attempts",
        "call", "captures", "ended_at", "endpoint", "error", "events", "failed_at", "family", "first_chunk_at",
        "fold", "headers", "http_response", "http_status", "injected", "iterating", "origin", "parent_span_id",
        "pending_outcome", "permit", "prompt", "reader", "request_bytes", "response", "response_bytes",
        "retries", "scope", "sent", "settings", "shared", "span_id", "spoke_at", "started", "started_at_ns", "status",
        "subject", "trace_id", "units", "unread_request", "was_shown",
    )  # fmt: skip

    def __init__(
        self, settings: Settings, sink: Sink, family: Family, endpoint: Endpoint, origin: tuple[Any, ...]
    ) -> None:
        """Begin now; ORIGIN is (client class name, host, port, JSON body, stream)."""
        self.started_at_ns = time.time_ns()
        self.started = time.perf_counter_ns()
        self.settings, self._sink, self.family, self.endpoint = settings, sink, family, endpoint
        self.scope = scope_of_call()
        self.origin = quietly(look)
        self.trace_id, self.parent_span_id = place_in_trace(self.scope)
        self.span_id = new_span_id()
        client_class, host, port, body, stream = origin
        self._asked = (client_class, host, port, facts_of(body), stream)
        self._request: Request | None = None
        self.fold: Fold | None = endpoint.new_fold() if stream and endpoint.new_fold is not None else None
        self.prompt: Sequence[str] = endpoint.prompt_texts(body) if stream else ()
        self.units = endpoint.read_units(body) if endpoint.read_units is not None else None
        self.captures = settings.capture_content and endpoint.read_content is not no_content
        self._endings = [None]
        self.injected = self.iterating = self._is_raw = self._saw_end = self.sent = self.was_shown = False
        self.attempts = 0
        self.retries: tuple[Attempt, ...] = ()
        self.pending_outcome: str | None = None
        self.failed_at = 0
        self._tail = b""
        self._finalizers: tuple[weakref.finalize[..., Any], ...] = ()
        self.response: Response | None = None
        self._add: Callable[[Mapping[str, Any]], object] | None = None
        self.reader: Reader | None = None
        # Of a step of a batch: what was asked for. Of one, and of a fetch: the id in its path.
        self.asked: Any = None
        self.subject: str | None = None
        self.headers: Mapping[str, str] | None = None
        self.http_status: int | None = None
        self.first_chunk_at = self.spoke_at = self.ended_at = 0
        self.events: list[Any] = []
        self.request_bytes: bytes | None = None
        self.unread_request: bytes | str | None = None
        self.response_bytes: bytes | None = None
        self._open: tuple[int, weakref.ref[Any], weakref.finalize[..., Any], dict[int, Invocation]] | None = None
        self.http_response: Any = None
        self.error: BaseException | None = None
        self.status: CallStatus = "ok"
        self.shared: Shared | None = None
        self.permit: Permit | None = None
        self.call: Call | None = None

    # Read only when it is needed, which for most calls is on the journal's thread

    @property
    def request(self) -> Request:
        """What was asked for."""
        if self._request is None:
            self._request = request_of(self.family, self.endpoint, self._asked)
        return self._request

    @request.setter
    def request(self, request: Request) -> None:
        self._request = request

    # What the choke points see, in the order of a call

    def send(self, request: Any) -> None:
        """The HTTP REQUEST of an attempt is about to be sent."""
        if self.captures:
            self.request_bytes = quietly(content_of, request)

    def retry(self, wait_s: float) -> None:
        """The SDK gave an attempt up, and waits before the next."""
        error = sys.exc_info()[1]
        outcome = self.pending_outcome or error_name(error, self.family)
        self.sent = self.sent or self.pending_outcome is not None or may_have_been_sent(error)
        self.tried(Attempt(outcome, wait_s))
        self.pending_outcome = None

    def tried(self, attempt: Attempt) -> None:
        """An ATTEMPT failed, and another follows."""
        self.retries = (*self.retries, attempt)

    def answered_with(self, status: int) -> None:
        """An attempt got STATUS, an error that may be tried again."""
        self.pending_outcome = str(status)

    def respond(self, response: Any) -> None:
        """The attempt that counts got RESPONSE (its head, at least); it is held until it is handed over."""
        self.http_response = response
        self.sent = True
        self.headers = response.headers
        self.http_status = response.status_code
        if self.http_status is not None and self.http_status >= 400:
            self.fold = None  # an error is no stream
        if self.captures and self.request_bytes is None:
            self.request_bytes = quietly(content_of, response.request)

    def receive(self, data: Any) -> Any:
        """The SDK parsed DATA: the whole body, or one event of a stream. WITHHELD where the caller must not see it.

        It runs for every chunk of a stream, and raises nothing.
        """
        try:
            add = self._add
            if add is not None and type(data) is dict:
                add(data)
            else:
                self.was_shown = True
                self.take(data)
        except Exception:  # as `quietly` does, for less
            log_incomplete()
        return _strip_usage(data) if self.injected and type(data) is dict and "usage" in data else data

    def take(self, data: Any) -> None:
        """DATA of the response, whoever parsed it; what is no object says nothing."""
        if not isinstance(data, dict):
            return
        fold = self.fold
        if self.endpoint.step is not None:
            self.events.append(data)
        elif self.http_status is not None and self.http_status >= 400:
            self.response = Response(error=quietly(self.family.read_error, data))
        elif fold is None:
            self.response = quietly(self.endpoint.read_response, data)
        else:
            try:
                spoke = fold.add(data)
            except Exception:
                spoke = False
                log_incomplete()
            if not self.spoke_at and fold.error is None:
                now = time.perf_counter_ns()
                self.first_chunk_at = self.first_chunk_at or now
                self.spoke_at = now if spoke else 0
                if spoke and not self.captures:
                    self._add = fold.add  # all that is left to do with what follows
        if self.captures and len(self.events) < CAPTURED_EVENTS:
            self.events.append(data if not self.injected else dict(data))

    def watch(self, response: Any, registry: "dict[int, Invocation]", *, is_raw: bool, is_alone: bool = False) -> None:
        """RESPONSE is handed to the caller unread: end when it is closed, or when it is dropped unclosed.

        IS_RAW: the caller may read its bytes itself. So does llmtrace where it is no stream of events, in which the
        SDK's parser finds nothing to show. IS_ALONE: nobody shows what the SDK's parser finds.
        """
        self.hold(response, registry)
        self._is_raw = is_raw
        content_type = response.headers.get("content-type", "").lower()
        if self.endpoint.step == "results":
            self.read_lines()
        elif is_raw or EVENT_STREAM not in content_type:
            self.reader = BodyReader(content_type, self.take, is_alone=is_alone)

    def read_lines(self) -> None:
        """What is fed are results of a batch, one a line."""
        self.reader = LineReader(functools.partial(self._sink.put_lines, self))

    def hold(self, response: Any, registry: "dict[int, Invocation]") -> None:
        """End when RESPONSE is dropped, at the latest; what was put on it is then taken off, and off REGISTRY."""
        finalizer = weakref.finalize(response, quietly, self.close)
        self._open = (id(response), weakref.ref(response), finalizer, registry)

    def feed(self, piece: bytes) -> None:
        """The caller read PIECE of a raw response; what the SDK shows of it needs no reading here."""
        reader = self.reader
        if isinstance(reader, LineReader):
            reader.feed(piece)
        elif reader is not None:
            self._tail = (self._tail + piece[-MOST_TAIL_BYTES:]).rstrip()[-len(DONE) :]
            self._saw_end = self._saw_end or self._tail == DONE
            if not self.was_shown:
                reader.feed(piece)

    def end_without(self, owner: Any) -> None:
        """End when OWNER, through which the caller reads, is dropped."""
        self._finalizers = (*self._finalizers, weakref.finalize(owner, quietly, self.close))

    # The ways a call ends

    def finish_reading(self) -> None:
        """The caller read the response to its end."""
        self._finish_body()
        self.end("ok")

    def close(self) -> None:
        """The caller closed or dropped the response: complete if the model had finished, else given up."""
        if self.iterating:
            return
        error = sys.exc_info()[1] if self._is_raw else None
        if error is not None and is_of_sdk(error, self.family.sdk):
            # The SDK's parser, over a raw response, closes it because of an error that goes to the caller.
            self.fail(error)
            return
        self._finish_body()
        is_done = self._saw_end or self.fold is None or self.fold.complete
        self.end("ok" if is_done else "cancelled", is_collecting=True)

    def _finish_body(self) -> None:
        if self.reader is not None and not self.was_shown:
            quietly(self.reader.finish)

    def fail(self, error: BaseException) -> None:
        """The call raised ERROR; what is not an `Exception` is the caller giving up, such as a cancelled task."""
        self.error = error
        self._finish_body()
        response, status = getattr(error, "response", None), http_status_of(error)
        if response is not None and not isinstance(response, Mapping):
            self.headers = getattr(response, "headers", None)
        self.http_status = self.http_status if status is None else status
        if self.captures and self.request_bytes is None:
            self.request_bytes = quietly(content_of, getattr(error, "request", None))
        self.end("error" if isinstance(error, Exception) else "cancelled")

    def keep_body(self, response: Any) -> None:
        """Keep the bytes of a RESPONSE that was read and not parsed; they are parsed off the call's path."""
        if self.response is None and is_text(response.headers.get("content-type", "")):
            self.response_bytes = quietly(content_of, response)

    def end(self, status: CallStatus, *, is_collecting: bool = False) -> None:
        """End with STATUS, once: whoever comes second changes nothing.

        IS_COLLECTING: it may be the garbage collector who says so, in the middle of anything.
        """
        try:
            self._endings.pop()  # atomic, unlike a flag
        except IndexError:
            return
        self.ended_at = time.perf_counter_ns()
        self.status = status
        if (
            self.headers is not None
        ):  # what an SDK keeps of them is many small things, and would stay until it is written
            self.headers = quietly(plain_headers, self.headers)
        for finalizer in self._finalizers:
            finalizer.detach()
        self._finalizers = ()
        opened, self._open = self._open, None
        if opened is not None:
            key, reference, finalizer, registry = opened
            finalizer.detach()
            registry.pop(key, None)
            response = reference()
            if response is not None:
                for name in HOOKS:
                    if getattr(response.__dict__.get(name), "__module__", "").startswith("llmtrace."):
                        del response.__dict__[name]
        if self.shared is not None and not is_collecting:
            quietly(self.shared.end, self)
        self._sink.put(self)

    # While it waits to be written

    @property
    def is_span(self) -> bool:
        """Whether it becomes a span of its own, rather than a note of a batch's progress."""
        return self.endpoint.step in (None, "create")

    @property
    def size(self) -> int:
        """About how many bytes this keeps in memory until it is written."""
        size = 2048
        for kept in (self.request_bytes, self.unread_request, self.response_bytes):
            if kept is not None:
                size += len(kept)
        return size + 256 * len(self.events)

    def drop_content(self) -> None:
        """Let go of prompt and answer, where memory is short: usage is worth more."""
        self.request_bytes, self.events, self.captures = None, [], False


in_flight: ContextVar[Invocation | None] = ContextVar("llmtrace_in_flight", default=None)


def _strip_usage(data: dict[str, Any]) -> Any:
    """DATA as the caller would have got it had no usage been asked for."""
    usage = data.pop("usage", None)
    return WITHHELD if usage is not None and not data.get("choices") else data
