"""Traces made up for tests: an agent's work across two services, with calls and spans of other instrumentations."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from samples import make_call, ns

from llmtrace import codec
from llmtrace.model import Call, Request, Response, Span, Usage

TRACE = "5" * 32
APP, TOOLS = {"service.name": "shop-web"}, {"service.name": "inventory"}


def span_id(number: int) -> str:
    return f"{number:016x}"


def foreign(number: int, parent: int | None, name: str, start_s: float, duration_s: float, **changes: Any) -> Span:
    """A span of somebody else's instrumentation that begins START_S after the trace did."""
    began = changes.pop("began")
    start_ns = ns(began) + int(start_s * 1e9)
    values: dict[str, Any] = {
        "trace_id": TRACE, "span_id": span_id(number), "parent_span_id": None if parent is None else span_id(parent),
        "name": name, "start_ns": start_ns, "end_ns": start_ns + int(duration_s * 1e9), "kind": 1,
        "resource": APP, "scope": "opentelemetry.instrumentation.fastapi",
    }  # fmt: skip
    return Span(**{**values, **changes})


def call_span(number: int, parent: int | None, start_s: float, duration_s: float, **changes: Any) -> Span:
    """A span of a call of ours that begins START_S after the trace did."""
    began = changes.pop("began")
    values: dict[str, Any] = {
        "trace_id": TRACE, "span_id": span_id(number), "parent_span_id": None if parent is None else span_id(parent),
        "started_at_ns": ns(began) + int(start_s * 1e9), "duration_s": duration_s, "feature": "returns-agent",
    }  # fmt: skip
    return codec.to_span(make_call(number, **{**values, **changes}), APP)


def agent_trace(began: datetime) -> list[Span]:
    """Eleven spans: three calls ($0.0105 together) of which one streamed, a failed one, tools, and an unsent parent."""
    at = {"began": began}
    failed: dict[str, Any] = {
        "status": "error", "http_status": 529, "error_type": "overloaded_error", "usage": Usage(),
        "usage_source": "missing", "response": Response(),
    }  # fmt: skip
    stream = replace(make_call(1).request, stream=True)
    return [
        foreign(1, None, "POST /returns/{order}", 0, 9.4, kind=2, **at),
        foreign(2, 1, "agent.run", 0.05, 9.2, scope="agents", **at),
        call_span(3, 2, 0.1, 2.1, **at),
        foreign(4, 2, "tool: look_up_order", 2.25, 0.6, scope="agents", **at),
        foreign(5, 4, "GET /orders/{id}", 2.3, 0.5, resource=TOOLS, kind=3, **at),
        foreign(6, 5, "SELECT orders", 2.2, 0.3, resource=TOOLS, scope="opentelemetry.instrumentation.dbapi", **at),
        call_span(7, 2, 2.9, 1.2, **failed, **at),
        call_span(8, 2, 4.2, 2.6, request=stream, ttft_s=0.7, **at),
        foreign(9, 2, "tool: create_label", 6.9, 0.8, scope="agents", status_code=2, status_message="printer", **at),
        call_span(10, 2, 7.8, 1.4, **at),
        foreign(11, 99, "queue.publish", 9.25, 0.1, resource=TOOLS, scope="celery", **at),
    ]


def wide_trace(began: datetime, count: int) -> list[Span]:
    """COUNT spans below one another and beside one another, every tenth a call."""
    spans = [foreign(1, None, "batch", 0, count * 0.02 + 1, began=began)]
    for number in range(2, count + 1):
        parent = 1 if number % 7 == 0 else number - 1
        if number % 10 == 0:
            spans.append(call_span(number, parent, number * 0.02, 0.5, began=began))
        else:
            spans.append(foreign(number, parent, f"step {number}", number * 0.02, 0.4, began=began))
    return spans


def unpriced_call(number: int, **changes: Any) -> Call:
    """A call of a model that is in no price book."""
    request = Request("openai", "chat", "chat.completions", model="nobody-knows-1")
    return make_call(number, request=request, response=Response(model="nobody-knows-1"), **changes)
