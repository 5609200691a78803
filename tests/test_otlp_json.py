import json

import pytest

from llmtrace import otlp_json, wire

SPAN = {
    "traceId": "5B8EFFF798038103D269B633813FC60C",
    "spanId": "EEE19B7EC3C1B174",
    "parentSpanId": "EEE19B7EC3C1B173",
    "name": "chat gpt-4o",
    "startTimeUnixNano": "1544712660000000000",
    "endTimeUnixNano": 1544712661000000000,
    "kind": 3,
    "status": {"code": "STATUS_CODE_ERROR", "message": "no"},
    "attributes": [
        {"key": "text", "value": {"stringValue": "yes"}},
        {"key": "count", "value": {"intValue": "9007199254740993"}},
        {"key": "list", "value": {"arrayValue": {"values": [{"doubleValue": 0.5}, {"boolValue": True}]}}},
    ],
    "links": [{"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"}],
    "somethingNew": {"from": "a later version"},
}


def document(*spans: object) -> bytes:
    scope = {"scope": {"name": "lib"}, "spans": list(spans)}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "svc"}}]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}).encode()


def test_a_span_of_the_specification_is_read() -> None:
    request, faults = otlp_json.parse(document(SPAN))
    ((message, span),) = wire.each_span(request)
    assert faults == []
    assert (span.trace_id, span.span_id) == ("5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174")
    assert (span.parent_span_id, span.kind, span.status_code, span.scope) == ("eee19b7ec3c1b173", 3, 2, "lib")
    assert (span.start_ns, span.end_ns) == (1544712660000000000, 1544712661000000000)
    assert span.attributes == {"text": "yes", "count": 9007199254740993, "list": (0.5, True)}
    assert span.resource == {"service.name": "svc"}
    assert message.links[0].span_id.hex() == "eee19b7ec3c1b174"


@pytest.mark.parametrize(
    "change",
    [{"traceId": "not hex"}, {"spanId": 7}, {"attributes": "x"}, {"startTimeUnixNano": "soon"}, {"links": [3]}],
)
def test_a_span_that_cannot_be_read_costs_itself_alone(change: dict[str, object]) -> None:
    request, faults = otlp_json.parse(document({**SPAN, **change}, SPAN))
    assert len(faults) == 1
    assert wire.keep_usable(request) == (1, [])


def test_an_id_of_the_wrong_length_is_a_fault() -> None:
    request, faults = otlp_json.parse(document({**SPAN, "spanId": "ab"}, {**SPAN, "traceId": "0" * 32}))
    assert faults == []
    kept, faults = wire.keep_usable(request)
    assert (kept, len(faults)) == (0, 2)


@pytest.mark.parametrize("text", [b"", b"null", b"[1]", b'{"resourceSpans": [1]}', b'"\xff"'])
def test_what_is_no_request_is_said_to_be_none(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|object|utf-8|char|Expecting"):
        otlp_json.parse(text)
