"""The figures of a sidecar as Prometheus text.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from llmtrace.errors import LlmtraceError
from llmtrace.sidecar.intake import Intake
from llmtrace.sidecar.loop import OwnerLoop

if TYPE_CHECKING:
    from llmtrace.ingest import Summary

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its samples are values with the labels that tell them apart."""

    name: str
    kind: str
    help: str
    samples: list[tuple[dict[str, str], float]] = field(default_factory=list)


def one(name: str, kind: str, help: str, value: float) -> Metric:
    """A metric of a single value."""
    return Metric(name, kind, help, [({}, value)])


def route(loop: OwnerLoop, intake: Intake) -> Route:
    """`GET /metrics`."""

    def answer(request: Request) -> Response:
        return Response(render(_all(loop, intake)), media_type=TEXT_TYPE)

    return Route("/metrics", answer, methods=["GET"])


def render(metrics: Iterator[Metric]) -> str:
    """METRICS as text."""
    lines: list[str] = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        for labels, value in metric.samples:
            pairs = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
            lines.append(f"{metric.name}{{{pairs}}} {value:.17g}" if pairs else f"{metric.name} {value:.17g}")
    return "\n".join(lines) + "\n"


def _all(loop: OwnerLoop, intake: Intake) -> Iterator[Metric]:
    yield one("llmtrace_healthy", "gauge", "1 while /health answers 200.", float(not loop.problems()))
    yield from _received(intake)
    try:
        yield from _account(loop.owner.account())
        yield from _deliveries(loop.owner.deliveries())
        yield one("llmtrace_journal_bytes", "gauge", "Bytes of the journal on disk.", loop.owner.journal_bytes())
        yield one("llmtrace_store_bytes", "gauge", "Bytes of the database on disk.", loop.owner.store_bytes())
    except LlmtraceError:
        return  # the store is being opened anew: what is above holds


def _account(summary: "Summary") -> Iterator[Metric]:
    yield one("llmtrace_spans_ended_total", "counter", "Spans that ended, received ones included.", summary.ended)
    yield one("llmtrace_spans_stored_total", "counter", "Spans in the database.", summary.stored)
    yield one("llmtrace_spans_pending", "gauge", "Spans that ended and are not read yet.", summary.pending)
    dropped = [({"reason": reason}, float(n)) for reason, n in sorted(summary.dropped.items())]
    yield Metric("llmtrace_spans_dropped_total", "counter", "Spans that were not stored, by reason.", dropped)


def _deliveries(found: list[dict[str, Any]]) -> Iterator[Metric]:
    arrived = [({"to": d["to"]}, float(d["delivered"])) for d in found]
    lost = [({"to": d["to"], "reason": r}, float(n)) for d in found for r, n in sorted(d["dropped"].items())]
    yield Metric("llmtrace_delivered_spans_total", "counter", "Spans that a destination took.", arrived)
    yield Metric("llmtrace_undelivered_spans_total", "counter", "Spans that a destination never gets, by reason.", lost)


def _received(intake: Intake) -> Iterator[Metric]:
    yield one("llmtrace_received_requests_total", "counter", "OTLP requests that were acknowledged.", intake.requests)
    yield one("llmtrace_received_spans_total", "counter", "Spans that were received and kept.", intake.spans)
    yield one("llmtrace_received_bytes_total", "counter", "Bytes of the requests that were kept.", intake.bytes)
    yield one("llmtrace_rejected_spans_total", "counter", "Received spans that cannot be stored.", intake.rejected)
    yield one("llmtrace_refused_requests_total", "counter", "OTLP requests to be sent again later.", intake.refused)
    yield one("llmtrace_journal_syncs_total", "counter", "How often the disk was waited for.", intake.syncs)


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
