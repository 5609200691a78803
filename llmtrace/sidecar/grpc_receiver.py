"""OTLP over gRPC: the same acceptance as over HTTP.

Source: https://opentelemetry.io/docs/specs/otlp/#otlpgrpc
"""

import hmac
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

from llmtrace.errors import PortTaken
from llmtrace.sidecar import otlp_answers
from llmtrace.sidecar.body import BODY_BYTES, BadBody
from llmtrace.sidecar.intake import Intake, Refused
from llmtrace.sidecar.receiver import examine

CALLS_AT_ONCE = 8
WAITING_CALLS = 256
WRITE_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 3.0
DETAILS = "grpc-status-details-bin"


class GrpcReceiver:
    """A gRPC server with the trace service."""

    def __init__(self, intake: Intake, host: str, port: int, token: str | None) -> None:
        """Listen at HOST and PORT (0: any free one); with TOKEN, for those that show it.

        Raises:
            PortTaken: another process listens there.
        """
        self._server = grpc.server(
            ThreadPoolExecutor(CALLS_AT_ONCE, "llmtrace-grpc"),
            maximum_concurrent_rpcs=WAITING_CALLS,
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", BODY_BYTES),
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ],
        )
        register: Any = add_TraceServiceServicer_to_server
        register(_TraceService(intake, token), self._server)
        try:
            self.port = int(self._server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}"))
        except RuntimeError as err:
            raise PortTaken(host, port, "--grpc-port", "it is in use") from err

    def start(self) -> None:
        """Start answering."""
        self._server.start()

    def stop(self) -> None:
        """Finish what is in flight, and stop."""
        self._server.stop(STOP_TIMEOUT_S).wait(STOP_TIMEOUT_S + 1)


class _TraceService(TraceServiceServicer):
    def __init__(self, intake: Intake, token: str | None) -> None:
        self._intake, self._token = intake, token

    def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:
        """OK once the disk has the spans."""
        if not self._shows_token(context):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "a token is needed: send 'authorization: Bearer TOKEN'")
        try:
            examined = examine(request, None, [], self._intake.home)
            self._intake.put(examined.payload, examined.spans, len(examined.faults)).result(WRITE_TIMEOUT_S)
        except BadBody as err:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(err))
        except Refused as err:
            _abort_for_now(context, err)
        except TimeoutError:
            _abort_for_now(context, Refused("the disk does not keep up"))
        return otlp_answers.message(len(examined.faults), examined.faults)

    def _shows_token(self, context: Any) -> bool:
        if self._token is None:
            return True
        shown = dict(context.invocation_metadata()).get("authorization", "")
        return hmac.compare_digest(str(shown).removeprefix("Bearer ").encode(), self._token.encode())


def _abort_for_now(context: Any, refused: Refused) -> NoReturn:
    """UNAVAILABLE, with the time after which to try again."""
    code = grpc.StatusCode.UNAVAILABLE
    detail = AnyMessage()
    detail.Pack(RetryInfo(retry_delay=Duration(seconds=refused.retry_after_s)))
    status = Status(code=code.value[0], message=str(refused), details=[detail])
    context.set_trailing_metadata(((DETAILS, status.SerializeToString()),))
    context.abort(code, str(refused))
    raise AssertionError  # abort raises
