"""Sends spans, with their cost, from inside the application to an OTLP backend, by OpenTelemetry's own exporter.

It has a queue and a thread of its own: a slow backend delays neither the application nor the journal. What cannot be
delivered is counted beside the journal's figures; the journal has it either way.
"""

import functools
import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Any

from llmtrace import codec, config, semconv
from llmtrace.config import QUEUE_SPANS
from llmtrace.instrument.quiet import log_error, quietly
from llmtrace.model import Attributes, AttributeValue, Call, Cost, Span
from llmtrace.otlp_http import traces_endpoint

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

    from llmtrace.pricing import CurrentPrices
    from llmtrace.rules import CurrentRules

THREAD_NAME = "llmtrace-otlp"
BATCH_SPANS = 512
BATCH_WAIT_S = 0.2
TRIES = 5
RETRY_WAIT_S = 1.0
# What says something of each delivery: an app whose log calls a model would make more of them by it.
LOGGERS = ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "urllib3.connectionpool", "urllib3.util.retry")


class OtlpExporter:
    """Delivers spans to one OTLP/HTTP endpoint; `endpoint` None leaves it to OpenTelemetry's environment variables."""

    def __init__(self, endpoint: str | None = None, home: Path | None = None) -> None:
        """Prepare; the thread and OpenTelemetry's SDK start with the first span. Costs are by the prices of HOME."""
        self._home = home
        self._endpoint = None if endpoint is None else traces_endpoint(endpoint)
        self._queue: Queue[Span] = Queue(QUEUE_SPANS)
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.sent = self.dropped = self._dropped_at_flush = 0

    def put(self, spans: Sequence[Span]) -> None:
        """Take SPANS without waiting; what does not fit is dropped and counted."""
        if self._thread is None:
            # Made anew, of what there is now: gevent may have taken the place of Python's own locks since.
            self._queue, self._stop = Queue(QUEUE_SPANS), threading.Event()
            self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
            self._thread.start()
        for span in spans:
            try:
                self._queue.put_nowait(span)
            except Full:
                self.dropped += 1

    def flush(self, deadline: float) -> bool:
        """Whether all that was put since the last flush is delivered before DEADLINE (of the monotonic clock)."""
        queue = self._queue
        with queue.all_tasks_done:
            timeout_s = max(0.0, deadline - time.monotonic())
            done = queue.all_tasks_done.wait_for(lambda: queue.unfinished_tasks == 0, timeout_s)
        dropped_before, self._dropped_at_flush = self._dropped_at_flush, self.dropped
        return done and self._dropped_at_flush == dropped_before

    def close(self, deadline: float) -> None:
        """Stop; a delivery under way is given until DEADLINE."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        exporter = quietly(self._new_exporter)
        while not self._stop.is_set():
            batch = self._take()
            if batch and (exporter is None or not self._deliver(exporter, batch)):
                self.dropped += len(batch)
                log_error(f"llmtrace could not deliver {len(batch)} spans to the OTLP backend; its journal has them")
            for _ in batch:
                self._queue.task_done()
        if exporter is not None:
            quietly(exporter.shutdown)

    def _new_exporter(self) -> "SpanExporter":
        from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, set_value
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        # For this thread: an instrumented HTTP library must not trace the delivery of traces.
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        _silence_this_thread()
        return OTLPSpanExporter(endpoint=self._endpoint)

    def _take(self) -> list[Span]:
        try:
            batch = [self._queue.get(timeout=BATCH_WAIT_S)]
        except Empty:
            return []
        while len(batch) < BATCH_SPANS:
            try:
                batch.append(self._queue.get_nowait())
            except Empty:
                break
        return batch

    def _deliver(self, exporter: "SpanExporter", batch: list[Span]) -> bool:
        """Whether the backend took BATCH, within a few tries."""
        from opentelemetry.sdk.trace.export import SpanExportResult

        spans = [s for span in batch if (s := quietly(_readable, span, self._home)) is not None]
        for attempt in range(TRIES):
            if attempt and self._stop.wait(RETRY_WAIT_S * 2**attempt):
                break
            if quietly(exporter.export, spans) is SpanExportResult.SUCCESS:
                self.sent += len(spans)
                self.dropped += len(batch) - len(spans)
                return True
        return False


def _readable(span: Span, home: Path | None) -> "ReadableSpan":
    """SPAN as OpenTelemetry's SDK has it, with the call's cost."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    def context(span_id: str) -> SpanContext:
        return SpanContext(int(span.trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(1))

    attributes: dict[str, Any] = {**span.attributes, **(quietly(_found_attributes, span, home) or {})}
    return ReadableSpan(
        name=span.name,
        context=context(span.span_id),
        parent=context(span.parent_span_id) if span.parent_span_id else None,
        resource=Resource(dict(span.resource), schema_url=semconv.SCHEMA_URL),
        attributes=attributes,
        kind=SpanKind(span.kind - 1),
        status=Status(StatusCode(span.status_code), span.status_message or None),
        start_time=span.start_ns,
        end_time=span.end_ns,
        instrumentation_scope=InstrumentationScope(span.scope, schema_url=semconv.SCHEMA_URL),
    )


@functools.cache
def _files(home: Path | None) -> "tuple[CurrentPrices, CurrentRules]":
    from llmtrace.pricing import CurrentPrices
    from llmtrace.rules import CurrentRules

    place = home if home is not None else config.default_home()
    return CurrentPrices(place), CurrentRules(place)


def _found_attributes(span: Span, home: Path | None) -> dict[str, AttributeValue]:
    """What SPAN, of a call, is given on its way out: its cost, and its feature where a rule names that."""
    call = codec.decode(span)
    return {} if call is None else describe_call(call, span.resource, home)


def describe_call(call: Call, resource: Attributes, home: Path | None) -> dict[str, AttributeValue]:
    """The cost of CALL, made in the process that RESOURCE describes, and the feature that the rules of HOME name."""
    from llmtrace.pricing import price_call

    prices, rules = _files(home)
    said = [resource.get(name) for name in (semconv.SERVICE_NAME, semconv.DEPLOYMENT_ENVIRONMENT)]
    service, environment = (value if isinstance(value, str) else None for value in said)
    cost = price_call(prices.book(), call)
    return {**cost_attributes(cost), **rules.rules().attributes(call, service, environment)}


def cost_attributes(cost: Cost) -> dict[str, AttributeValue]:
    """COST as span attributes: the amounts only where there is one, the status always.

    OpenTelemetry's proposed attribute is a double; the exact decimal stands beside it.
    """
    attributes: dict[str, AttributeValue] = {semconv.COST_STATUS: cost.status}
    if cost.total_usd is not None:
        attributes[semconv.COST_AMOUNT] = float(cost.total_usd)
        attributes[semconv.COST_CURRENCY] = "USD"
        attributes[semconv.COST_SOURCE] = "provider" if cost.status == "provider_reported" else "local"
        attributes[semconv.COST_USD] = f"{cost.total_usd:f}"
    if cost.reason is not None:
        attributes[semconv.COST_REASON] = cost.reason
    if cost.price_book is not None:
        attributes[semconv.COST_PRICE_BOOK] = cost.price_book
    return attributes


def _silence_this_thread() -> None:
    """Keep the exporter, and what it sends by, from logging each delivery of ours; the app's own log as before."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(f, _NotFromHere) for f in logger.filters):
            logger.addFilter(_NotFromHere())


class _NotFromHere(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return record.threadName != THREAD_NAME
