"""However a call through boto3 ends, well or not: the caller sees the same, and there is one row."""

import gc
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from boto_calls import CLAUDE, HAIKU, TALK, invoke, one

import llmtrace
from llmtrace.pricing import load_book, price_call
from llmtrace.simulator import Fault, Simulator

READERS: dict[str, Callable[[Any], bytes]] = {
    "read": lambda body: bytes(body.read()),
    "read twice": lambda body: bytes(body.read() + body.read()),
    "pieces": lambda body: b"".join(iter(lambda: body.read(7), b"")),
    "chunks": lambda body: b"".join(body.iter_chunks(11)),
    "iteration": lambda body: b"".join(body),
    "lines": lambda body: b"\n".join(body.iter_lines()),
    "readlines": lambda body: b"".join(body.readlines()),
    "entered": lambda body: bytes(_entered(body)),
}


def _entered(body: Any) -> Any:
    with body as raw:
        return raw.read()


@pytest.mark.parametrize("reader", READERS)
def test_a_body_gives_the_same_bytes_however_it_is_read(
    reader: str, make_boto: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    simulator.answer("Boats.", times=2)
    client = make_boto()
    expected = json.loads(READERS[reader](invoke(client, HAIKU, CLAUDE)["body"]))
    llmtrace.instrument(home=home)
    found = json.loads(READERS[reader](invoke(client, HAIKU, CLAUDE)["body"]))
    assert {**found, "id": ""} == {**expected, "id": ""}
    call = one(home)
    assert (call.status, call.usage_source, call.response.id) == ("ok", "provider", found["id"])


@pytest.mark.parametrize("ending", ["close", "drop"])
def test_a_body_that_nobody_reads_is_recorded_by_its_headers(
    ending: str, make_boto: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    result = invoke(make_boto(), HAIKU, CLAUDE)
    if ending == "close":
        result["body"].close()
    del result
    gc.collect()
    call = one(home)
    assert (call.status, call.usage_source, call.response.id) == ("ok", "provider", None)
    assert call.usage.output_tokens == simulator.requests[-1].usage["output_tokens"]  # type: ignore[index]


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of a stream that the caller drops unclosed
@pytest.mark.parametrize("ending", ["close", "drop", "break"])
@pytest.mark.parametrize("operation", ["converse_stream", "invoke"])
def test_a_stream_that_is_left_is_one_cancelled_row(
    ending: str, operation: str, make_boto: Callable[..., Any], home: Path
) -> None:
    llmtrace.instrument(home=home)
    client = make_boto()
    if operation == "invoke":
        stream = invoke(client, HAIKU, CLAUDE, stream=True)["body"]
    else:
        stream = client.converse_stream(**TALK)["stream"]
    for number, _ in enumerate(stream):
        if number == 4:
            break
    if ending != "drop":
        stream.close()
    del stream
    gc.collect()
    call = one(home)
    assert (call.status, call.usage_source, call.usage_complete) == ("cancelled", "estimated", False)
    assert call.usage.input_tokens
    assert call.usage.output_tokens


def test_a_call_that_raises_in_the_loop_is_one_row(make_boto: Callable[..., Any], home: Path) -> None:
    llmtrace.instrument(home=home)
    stream = make_boto().converse_stream(**TALK)["stream"]
    with pytest.raises(KeyboardInterrupt):
        for _ in stream:
            raise KeyboardInterrupt
    stream.close()
    assert one(home).status == "cancelled"


# Errors, as the caller sees them


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "ValidationException"),
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (429, "ThrottlingException"),
        (503, "ServiceUnavailableException"),
    ],
)
@pytest.mark.parametrize("operation", ["converse", "converse_stream", "invoke_model"])
def test_an_error_is_the_callers_and_named_by_its_code(
    status: int, code: str, operation: str, make_boto: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    client = make_boto()
    simulator.fault(Fault.status(status))
    arguments = {"modelId": HAIKU, "body": json.dumps(CLAUDE)} if operation == "invoke_model" else TALK
    with pytest.raises(getattr(client.exceptions, code)) as raised:
        getattr(client, operation)(**arguments)
    assert raised.value.response["Error"]["Code"] == code
    call = one(home)
    assert (call.status, call.error_type, call.http_status) == ("error", code, status)
    assert call.request_id == simulator.requests[-1].request_id
    cost = price_call(load_book(), call)
    assert (cost.status, cost.total_usd) == ("not_billed", Decimal(0))


def test_retries_inside_a_call_are_attempts_of_one_row(
    make_boto: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    simulator.fault(Fault.status(429))
    simulator.fault(Fault.status(503))
    make_boto(retries={"total_max_attempts": 4, "mode": "standard"}).converse(**TALK)
    call = one(home)
    assert (call.status, [a.outcome for a in call.attempts]) == ("ok", ["429", "503", "200"])
    assert call.attempts[0].wait_s > 0


def test_a_server_that_is_not_there_is_a_connection_error_that_cost_nothing(
    make_boto: Callable[..., Any], home: Path
) -> None:
    llmtrace.instrument(home=home)
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        make_boto("http://127.0.0.1:9").converse(**TALK)
    call = one(home)
    assert (call.status, call.error_type, call.http_status, call.request_sent) == (
        "error",
        "connection_error",
        None,
        False,
    )


def test_an_answer_that_takes_too_long_is_a_timeout_that_may_have_cost(
    make_boto: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    simulator.fault(Fault.hang())
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        make_boto(read_timeout=0.3).converse(**TALK)
    call = one(home)
    assert (call.status, call.error_type, call.request_sent) == ("error", "timeout", True)


def test_parameters_that_botocore_refuses_never_left(
    make_boto: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    with pytest.raises(botocore.exceptions.ParamValidationError):
        make_boto().converse(modelId=HAIKU, messages="hello")
    assert simulator.requests == []
    call = one(home)
    assert (call.status, call.error_type, call.request_sent) == ("error", "ParamValidationError", False)


@pytest.mark.parametrize("operation", ["converse_stream", "invoke"])
def test_an_error_inside_a_stream_reaches_the_caller_and_ends_the_row(
    operation: str, make_boto: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    simulator.fault(Fault.stream_error(5, status=429))
    client = make_boto()
    if operation == "invoke":
        stream = invoke(client, HAIKU, CLAUDE, stream=True)["body"]
    else:
        stream = client.converse_stream(**TALK)["stream"]
    with pytest.raises(botocore.exceptions.EventStreamError) as raised:
        list(stream)
    assert raised.value.response["Error"]["Code"] == "throttlingException"
    stream.close()
    call = one(home)
    assert (call.status, call.error_type, call.http_status) == ("error", "ThrottlingException", 200)
    assert call.usage_source == "estimated"


@pytest.mark.parametrize("operation", ["converse_stream", "invoke_model"])
def test_a_connection_that_breaks_is_an_error_of_the_row(
    operation: str, make_boto: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    simulator.fault(Fault.drop(4))
    client = make_boto()
    # urllib3's own error comes out of an event stream, botocore's out of a body.
    if operation == "invoke_model":
        body = invoke(client, HAIKU, CLAUDE)["body"]
        with pytest.raises(botocore.exceptions.ResponseStreamingError):
            body.read()
    else:
        stream = client.converse_stream(**TALK)["stream"]
        with pytest.raises(Exception, match=r"IncompleteRead|ended prematurely"):
            list(stream)
        stream.close()
    call = one(home)
    assert (call.status, call.error_type) == ("error", "connection_error")


def test_an_answer_that_the_client_cannot_parse_has_the_status_that_it_came_with(
    make_boto: Callable[..., Any], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_boto()
    monkeypatch.setattr(client._endpoint._response_parser_factory, "create_parser", lambda protocol: _Unparsing())
    llmtrace.instrument(home=home)
    with pytest.raises(TypeError, match="no such type"):
        client.converse(**TALK)
    call = one(home)
    assert (call.status, call.error_type, call.http_status) == ("error", "TypeError", 200)


class _Unparsing:
    def parse(self, response: Any, shape: Any) -> Any:
        raise TypeError("no such type")
