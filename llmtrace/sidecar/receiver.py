"""The receiver of OTLP: checks a request, gives it to the journal, and answers when the disk has it."""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from llmtrace import otlp_json, wire
from llmtrace.sidecar import otlp_answers
from llmtrace.sidecar.body import BadBody, Bodies, inflate
from llmtrace.sidecar.intake import Intake, Refused
from llmtrace.sidecar.otlp_answers import JSON_TYPE, PROTOBUF_TYPE, TRACES_PATH

if TYPE_CHECKING:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

REQUEST_SPANS = 10_000
DECODED_AT_ONCE = 2
PROTOBUF_TYPES = frozenset({PROTOBUF_TYPE, "application/protobuf"})


@dataclass(frozen=True, slots=True)
class Examined:
    """A request as it goes to the journal, and why spans were left out of it."""

    payload: bytes
    spans: int
    faults: list[str]


def examine(request: "ExportTraceServiceRequest", payload: bytes | None, faults: list[str]) -> Examined:
    """REQUEST without the spans that cannot be stored; PAYLOAD is its own serialisation, FAULTS are known already.

    Raises:
        BadBody: it holds too many spans.
    """
    spans, found = wire.keep_usable(request)
    if spans > REQUEST_SPANS:
        raise BadBody(413, f"a request holds {REQUEST_SPANS} spans at most, not {spans}")
    if payload is None or found:
        payload = request.SerializeToString()
    return Examined(payload, spans, faults + found)


class Receiver:
    """`POST /v1/traces`, for one journal."""

    def __init__(self, intake: Intake, bodies: Bodies | None = None) -> None:
        """Give what arrives to INTAKE, as far as it fits BODIES."""
        self._intake = intake
        self._bodies = bodies or Bodies()
        # Of its own, so that slow queries hold up no spans; small, so that large requests fit the memory.
        self._decoding = ThreadPoolExecutor(DECODED_AT_ONCE, "llmtrace-decode")

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
        body = await self._bodies.read(request)
        encoding = request.headers.get("content-encoding", "")
        return await asyncio.get_running_loop().run_in_executor(self._decoding, self._take, body, encoding, kind)

    def _take(self, body: bytes, encoding: str, kind: str) -> "tuple[Examined, Future[None]]":
        examined = _decode(body, encoding, kind)
        return examined, self._intake.put(examined.payload, examined.spans, len(examined.faults))


def _decode(body: bytes, encoding: str, kind: str) -> Examined:
    text = inflate(body, encoding)
    try:
        if kind == JSON_TYPE:
            message, faults = otlp_json.parse(text)
            return examine(message, None, faults)
        return examine(wire.parse(text), text, [])
    except ValueError as err:
        raise BadBody(400, str(err)) from err
