"""The bodies of OTLP/HTTP answers, in the encoding of the request.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

import json

from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from starlette.responses import Response

TRACES_PATH = "/v1/traces"
JSON_TYPE, PROTOBUF_TYPE = "application/json", "application/x-protobuf"
# HTTP status to the code of google.rpc.Status.
# Source: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
CODES = {400: 3, 401: 16, 403: 7, 408: 4, 413: 8, 415: 3, 421: 3, 429: 8, 503: 14}


def is_json(content_type: str) -> bool:
    """Whether a request of CONTENT_TYPE is answered in JSON."""
    return media_type(content_type) == JSON_TYPE


def media_type(content_type: str) -> str:
    """CONTENT_TYPE without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def message(rejected: int, faults: list[str]) -> ExportTraceServiceResponse:
    """The answer to a request of which REJECTED spans were left out for FAULTS."""
    if not rejected:
        return ExportTraceServiceResponse()
    text = "; ".join(sorted(set(faults))[:3])
    return ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=rejected, error_message=text)
    )


def accepted(content_type: str, rejected: int, faults: list[str]) -> Response:
    """200, with what was rejected."""
    answer = message(rejected, faults)
    if not is_json(content_type):
        return Response(answer.SerializeToString(), media_type=PROTOBUF_TYPE)
    partial = {"rejectedSpans": str(rejected), "errorMessage": answer.partial_success.error_message}
    return Response(json.dumps({"partialSuccess": partial} if rejected else {}), media_type=JSON_TYPE)


def refused(content_type: str, status: int, reason: str, retry_after_s: int | None = None) -> Response:
    """STATUS for REASON; RETRY_AFTER_S asks for the same request again."""
    headers = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}
    code = CODES.get(status, 2)
    if is_json(content_type):
        body = json.dumps({"code": code, "message": reason}).encode()
        return Response(body, status, headers, JSON_TYPE)
    return Response(Status(code=code, message=reason).SerializeToString(), status, headers, PROTOBUF_TYPE)
