"""The receiver of OTLP: checks a request, gives it to the journal, and answers when the disk has it."""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from llmtrace import otlp_json, receiving, wire
from llmtrace.sidecar import otlp_answers
from llmtrace.sidecar.body import INFLATED_BYTES, BadBody, Bodies, inflate
from llmtrace.sidecar.intake import Intake, Refused
from llmtrace.sidecar.otlp_answers import JSON_TYPE, PROTOBUF_TYPE, TRACES_PATH

if TYPE_CHECKING:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

REQUEST_SPANS = 10_000
DECODED_AT_ONCE = 2
SMALL_BYTES = 2 * 1024 * 1024
TOO_LARGE = 413
PROTOBUF_TYPES = frozenset({PROTOBUF_TYPE, "application/protobuf"})


@dataclass(frozen=True, slots=True)
class Examined:
    """A request as it goes to the journal, and why spans were left out of it."""

    payload: bytes
    spans: int
    faults: list[str]


def examine(request: "ExportTraceServiceRequest", payload: bytes | None, faults: list[str], home: Path) -> Examined:
    """REQUEST without the spans that cannot be stored, and what must not be stored, by the settings of HOME.

    PAYLOAD is its own serialisation, FAULTS are known already.

    Raises:
        BadBody: it holds too many spans.
    """
    spans, found = wire.keep_usable(request)
    if spans > REQUEST_SPANS:
        raise BadBody(413, f"a request holds {REQUEST_SPANS} spans at most, not {spans}")
    if payload is None or found:
        payload = request.SerializeToString()
    if receiving.make_fit(request, payload, home).changed:
        payload = request.SerializeToString()
    return Examined(payload, spans, faults + found)


class Receiver:
    """`POST /v1/traces`, for one journal."""

    def __init__(self, intake: Intake, bodies: Bodies | None = None) -> None:
        """Give what arrives to INTAKE, as far as it fits BODIES."""
        self._intake = intake
        self._bodies = bodies or Bodies()
        # Of its own, so that slow queries hold up no spans; large requests come one at a time, behind one another.
        self._small = ThreadPoolExecutor(DECODED_AT_ONCE, "llmtrace-decode")
        self._large = ThreadPoolExecutor(1, "llmtrace-decode-large")

    def route(self) -> Route:
        """The route of OTLP/HTTP."""
        return Route(TRACES_PATH, self.receive, methods=["POST"])

    async def receive(self, request: Request) -> Response:
        """The answer of OTLP: 200 once the disk has the spans."""
        kind = request.headers.get("content-type", "")
        try:
            examined, on_disk = await self._read(request, otlp_answers.media_type(kind))
            await asyncio.wrap_future(on_disk)
        except BadBody as err:
            return otlp_answers.refused(kind, err.status, str(err), 1 if err.status == 429 else None)
        except Refused as err:
            status = 503 if err.is_stopping else 429
            return otlp_answers.refused(kind, status, str(err), err.retry_after_s)
        return otlp_answers.accepted(kind, len(examined.faults), examined.faults)

    async def _read(self, request: Request, kind: str) -> "tuple[Examined, Future[None]]":
        if kind != JSON_TYPE and kind not in PROTOBUF_TYPES:
            raise BadBody(415, f"send {PROTOBUF_TYPE} or {JSON_TYPE}, not '{kind[:80]}'")
        encoding = request.headers.get("content-encoding", "")
        run = asyncio.get_running_loop().run_in_executor
        async with self._bodies.read(request) as body:
            if len(body) <= SMALL_BYTES:
                try:
                    return await run(self._small, self._take, body, encoding, kind, SMALL_BYTES)
                except BadBody as err:
                    if err.status != TOO_LARGE:
                        raise
            return await run(self._large, self._take, body, encoding, kind, INFLATED_BYTES)

    def _take(self, body: bytes, encoding: str, kind: str, limit_bytes: int) -> "tuple[Examined, Future[None]]":
        examined = _decode(inflate(body, encoding, limit_bytes), kind, self._intake.home)
        return examined, self._intake.put(examined.payload, examined.spans, len(examined.faults))


def _decode(text: bytes, kind: str, home: Path) -> Examined:
    try:
        if kind == JSON_TYPE:
            message, faults = otlp_json.parse(text)
            return examine(message, None, faults, home)
        return examine(wire.parse(text), text, [], home)
    except ValueError as err:
        raise BadBody(400, str(err)) from err
