"""Bedrock through the real boto3, against a server that speaks its wire format, event streams and all."""

import gc
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config
from botocore.eventstream import EventStream
from botocore.response import StreamingBody
from botocore.stub import Stubber
from conftest import recorded_calls

import llmtrace
from llmtrace.model import Call
from llmtrace.pricing import load_book, price_call
from llmtrace.simulator import Fault, Simulator

HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
MESSAGES = [{"role": "user", "content": [{"text": "Tell me about the harbour at night, please."}]}]
TALK: dict[str, Any] = {
    "modelId": HAIKU,
    "messages": MESSAGES,
    "system": [{"text": "Be brief."}],
    "inferenceConfig": {"maxTokens": 60, "temperature": 0.2, "topP": 0.9},
}
CLAUDE = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 60,
    "temperature": 0.5,
    "messages": [{"role": "user", "content": "Tell me about the harbour at night, please."}],
}
BODIES: dict[str, dict[str, Any]] = {
    HAIKU: CLAUDE,
    "meta.llama3-8b-instruct-v1:0": {"prompt": "The harbour at night", "max_gen_len": 20, "temperature": 0.5},
    "amazon.titan-text-lite-v1": {"inputText": "The harbour", "textGenerationConfig": {"maxTokenCount": 30}},
}
EMBEDDINGS: dict[str, dict[str, Any]] = {
    "amazon.titan-embed-text-v2:0": {"inputText": "The harbour at night", "dimensions": 4},
    "cohere.embed-english-v3": {"texts": ["harbour", "night"], "input_type": "search_query"},
}


@pytest.fixture
def make(simulator: Simulator) -> Iterator[Callable[..., Any]]:
    """Makes clients of Bedrock's runtime at the simulator, closed with the test."""
    made = []

    def client(url: str = simulator.bedrock_endpoint_url, **options: Any) -> Any:
        retries = {"total_max_attempts": 1, "mode": "standard"}
        found = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=url,
            aws_access_key_id="a",
            aws_secret_access_key="b",
            config=Config(**{"retries": retries, "read_timeout": 20, **options}),
        )
        made.append(found)
        return found

    yield client
    for each in made:
        each.close()


def one(home: Path) -> Call:
    (call,) = recorded_calls(home)
    return call


def invoke(client: Any, model: str, body: dict[str, Any], *, stream: bool = False) -> Any:
    method = client.invoke_model_with_response_stream if stream else client.invoke_model
    return method(modelId=model, body=json.dumps(body))


def bare(result: dict[str, Any]) -> dict[str, Any]:
    """RESULT without what differs from one request to the next."""
    return {key: value for key, value in result.items() if key != "ResponseMetadata"}


# What is recorded


def test_a_conversation_is_one_row_with_its_usage_and_price(
    make: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    expected = bare(make().converse(**TALK))
    llmtrace.instrument(home=home)
    with llmtrace.feature("harbour", user="u1"):
        result = make().converse(**TALK)
    assert bare(result) == expected
    assert type(result) is dict
    call = one(home)
    asked = simulator.requests[-1]
    assert call.response.usage == asked.usage == result["usage"]
    request = call.request
    assert (request.provider, request.operation, request.endpoint) == ("aws.bedrock", "chat", "converse")
    assert (request.model, request.max_tokens, request.temperature, request.top_p) == (HAIKU, 60, 0.2, 0.9)
    assert (request.server_address, request.server_port, request.stream) == ("127.0.0.1", simulator.port, False)
    assert (call.status, call.http_status, len(call.attempts)) == ("ok", 200, 1)
    assert (call.request_id, call.feature, call.user_id) == (asked.request_id, "harbour", "u1")
    assert call.response.finish_reasons == (result["stopReason"],)
    cost = price_call(load_book(), call)
    usage = result["usage"]
    # Claude Haiku 4.5 in a geography: a tenth above one and five dollars a million.
    expected_usd = (usage["inputTokens"] * Decimal("1.1") + usage["outputTokens"] * Decimal("5.5")) / 10**6
    assert (cost.status, cost.total_usd) == ("exact", expected_usd)


def test_what_the_caller_does_to_its_answer_changes_no_record(make: Callable[..., Any], home: Path) -> None:
    llmtrace.instrument(home=home)
    result = make().converse(**TALK)
    said = dict(result["usage"])
    result["usage"].clear()
    assert one(home).response.usage == said


def test_a_streamed_conversation_is_one_row(make: Callable[..., Any], simulator: Simulator, home: Path) -> None:
    expected = list(make().converse_stream(**TALK)["stream"])
    llmtrace.instrument(home=home)
    result = make().converse_stream(**TALK)
    assert type(result["stream"]) is EventStream
    assert list(result["stream"]) == expected
    call = one(home)
    assert call.response.usage == simulator.requests[-1].usage
    assert (call.request.stream, call.status, call.usage_source) == (True, "ok", "provider")
    assert call.response.finish_reasons is not None
    assert call.time_to_first_chunk_s is not None
    assert call.ttft_s is not None
    assert call.time_to_first_chunk_s <= call.ttft_s <= call.duration_s


@pytest.mark.parametrize("model", BODIES)
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
def test_a_model_is_invoked_in_its_own_words(
    model: str, is_stream: bool, make: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    body = invoke(make(), model, BODIES[model], stream=is_stream)["body"]
    if is_stream:
        assert type(body) is EventStream
        assert list(body)
    else:
        assert type(body) is StreamingBody
        assert json.loads(body.read())
    call, asked = one(home), simulator.requests[-1]
    assert asked.usage is not None
    assert (call.request.model, call.request.endpoint, call.request.operation) == (model, "invoke_model", "chat")
    assert call.request.max_tokens in (20, 30, 60)
    assert (call.status, call.usage_source, call.usage_complete) == ("ok", "provider", True)
    assert call.response.usage is not None
    if model == HAIKU:
        assert (call.response.id, call.response.usage["input_tokens"]) == (
            asked.response_id,
            asked.usage["input_tokens"],
        )
        assert price_call(load_book(), call).status == "exact"
    counts = {int(n) for n in (call.usage.input_tokens, call.usage.output_tokens) if n is not None}
    assert len(counts) == 2
    assert (call.ttft_s is not None) is is_stream


@pytest.mark.parametrize("model", EMBEDDINGS)
def test_embeddings_are_counted_by_the_body_or_the_headers(
    model: str, make: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    assert json.load(invoke(make(), model, EMBEDDINGS[model])["body"])
    call = one(home)
    assert (call.request.operation, call.request.endpoint) == ("embeddings", "invoke_model")
    assert call.response.usage == simulator.requests[-1].usage
    assert (call.usage_source, call.usage_complete) == ("provider", True)
    assert call.usage.input_tokens


# However a call ends


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
    reader: str, make: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    simulator.answer("Boats.", times=2)
    client = make()
    expected = json.loads(READERS[reader](invoke(client, HAIKU, CLAUDE)["body"]))
    llmtrace.instrument(home=home)
    found = json.loads(READERS[reader](invoke(client, HAIKU, CLAUDE)["body"]))
    assert {**found, "id": ""} == {**expected, "id": ""}
    call = one(home)
    assert (call.status, call.usage_source, call.response.id) == ("ok", "provider", found["id"])


@pytest.mark.parametrize("ending", ["close", "drop"])
def test_a_body_that_nobody_reads_is_recorded_by_its_headers(
    ending: str, make: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    result = invoke(make(), HAIKU, CLAUDE)
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
    ending: str, operation: str, make: Callable[..., Any], home: Path
) -> None:
    llmtrace.instrument(home=home)
    client = make()
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


def test_a_call_that_raises_in_the_loop_is_one_row(make: Callable[..., Any], home: Path) -> None:
    llmtrace.instrument(home=home)
    stream = make().converse_stream(**TALK)["stream"]
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
    status: int, code: str, operation: str, make: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    client = make()
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
    make: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    simulator.fault(Fault.status(429))
    simulator.fault(Fault.status(503))
    make(retries={"total_max_attempts": 4, "mode": "standard"}).converse(**TALK)
    call = one(home)
    assert (call.status, [a.outcome for a in call.attempts]) == ("ok", ["429", "503", "200"])
    assert call.attempts[0].wait_s > 0


def test_a_server_that_is_not_there_is_a_connection_error_that_cost_nothing(
    make: Callable[..., Any], home: Path
) -> None:
    llmtrace.instrument(home=home)
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        make("http://127.0.0.1:9").converse(**TALK)
    call = one(home)
    assert (call.status, call.error_type, call.http_status, call.request_sent) == (
        "error",
        "connection_error",
        None,
        False,
    )


def test_an_answer_that_takes_too_long_is_a_timeout_that_may_have_cost(
    make: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    simulator.fault(Fault.hang())
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        make(read_timeout=0.3).converse(**TALK)
    call = one(home)
    assert (call.status, call.error_type, call.request_sent) == ("error", "timeout", True)


def test_parameters_that_botocore_refuses_never_left(
    make: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    with pytest.raises(botocore.exceptions.ParamValidationError):
        make().converse(modelId=HAIKU, messages="hello")
    assert simulator.requests == []
    call = one(home)
    assert (call.status, call.error_type, call.request_sent) == ("error", "ParamValidationError", False)


@pytest.mark.parametrize("operation", ["converse_stream", "invoke"])
def test_an_error_inside_a_stream_reaches_the_caller_and_ends_the_row(
    operation: str, make: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    simulator.fault(Fault.stream_error(5, status=429))
    client = make()
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
    operation: str, make: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    simulator.fault(Fault.drop(4))
    client = make()
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


# Content


def test_content_is_kept_on_request_alone(make: Callable[..., Any], home: Path) -> None:
    llmtrace.instrument(home=home, capture_content=True)
    picture = {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}}
    tool = {"toolSpec": {"name": "boats", "inputSchema": {"json": {"type": "object", "properties": {}}}}}
    client = make()
    asked = [{"role": "user", "content": [{"text": "What is this?"}, picture]}]
    client.converse(modelId=HAIKU, messages=asked, system=[{"text": "Be brief."}])
    list(client.converse_stream(modelId=HAIKU, messages=MESSAGES, toolConfig={"tools": [tool]})["stream"])
    invoke(client, HAIKU, CLAUDE)["body"].read()
    list(invoke(client, "meta.llama3-8b-instruct-v1:0", {"prompt": "Why?"}, stream=True)["body"])
    whole, tools, claude, llama = [call.content for call in recorded_calls(home)]
    assert whole is not None
    assert tools is not None
    assert claude is not None
    assert llama is not None
    parts = json.loads(whole.input_messages or "")[0]["parts"]
    assert parts == [
        {"type": "text", "content": "What is this?"},
        {"type": "blob", "modality": "image", "mime_type": "png", "content": ""},
    ]
    assert json.loads(whole.system_instructions or "") == [{"type": "text", "content": "Be brief."}]
    assert json.loads(whole.output_messages or "")[0]["parts"][0]["content"]
    (answer,) = json.loads(tools.output_messages or "")
    assert (answer["finish_reason"], answer["parts"][0]["name"]) == ("tool_call", "boats")
    assert json.loads(tools.tool_definitions or "")[0]["name"] == "boats"
    assert json.loads(claude.input_messages or "")[0]["parts"][0]["content"].startswith("Tell me")
    assert json.loads(llama.input_messages or "")[0]["parts"][0]["content"] == "Why?"
    assert json.loads(llama.output_messages or "")[0]["parts"][0]["content"]


def test_no_content_is_kept_unasked(make: Callable[..., Any], home: Path) -> None:
    llmtrace.instrument(home=home)
    make().converse(**TALK)
    assert one(home).content is None


# Switching on and off


def test_clients_made_before_are_recorded_and_uninstrument_gives_everything_back(
    make: Callable[..., Any], home: Path
) -> None:
    import botocore.client
    import botocore.endpoint

    def attributes() -> list[Any]:
        owners: list[Any] = [botocore.client.BaseClient, botocore.endpoint.Endpoint]
        return [owner.__dict__.get(n) for owner in owners for n in ("_make_api_call", "_get_response", "_needs_retry")]

    before, client = attributes(), make()
    llmtrace.instrument(home=home)
    llmtrace.instrument(home=home)
    client.converse(**TALK)
    open_stream = client.converse_stream(**TALK)["stream"]
    llmtrace.uninstrument()
    assert attributes() == before
    client.converse(**TALK)
    assert list(open_stream)
    calls = recorded_calls(home)
    assert [(c.request.stream, c.status, c.usage_source) for c in calls] == [
        (False, "ok", "provider"),
        (True, "ok", "provider"),
    ]


def test_other_services_and_other_operations_are_no_calls(
    make: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    s3 = boto3.client(
        "s3", region_name="us-east-1", endpoint_url=simulator.url, aws_access_key_id="a", aws_secret_access_key="b"
    )
    with pytest.raises(botocore.exceptions.ClientError):
        s3.get_object(Bucket="b", Key="k")
    s3.close()
    with pytest.raises(botocore.exceptions.ClientError):
        make().count_tokens(modelId=HAIKU, input={"converse": {"messages": MESSAGES}})
    assert recorded_calls(home) == []


@pytest.mark.parametrize("order", ["before", "after"])
def test_boto3_is_not_imported_and_may_come_in_any_order(order: str, simulator: Simulator, home: Path) -> None:
    script = """
        import sys, llmtrace
        if sys.argv[2] == "before":
            import boto3
        llmtrace.instrument()
        assert ("botocore" in sys.modules) == (sys.argv[2] == "before")
        import boto3
        client = boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=sys.argv[1],
                              aws_access_key_id="a", aws_secret_access_key="b")
        client.converse(modelId="amazon.nova-lite-v1:0", messages=[{"role": "user", "content": [{"text": "hi"}]}])
        print("answered")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), simulator.bedrock_endpoint_url, order],
        capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home.parent), "LLMTRACE_HOME": str(home)},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "answered\n", "")
    assert one(home).request.model == "amazon.nova-lite-v1:0"


@pytest.mark.expects_warning
def test_a_botocore_without_the_choke_point_is_told_of_once_and_left_alone(
    make: Callable[..., Any], home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import botocore.client

    original = botocore.client.BaseClient._make_api_call
    monkeypatch.delattr(botocore.client.BaseClient, "_make_api_call")
    llmtrace.instrument(home=home)
    assert [r.getMessage() for r in caplog.records if r.name == "llmtrace"] == [
        "llmtrace does not know this release of botocore: its calls are not recorded"
    ]
    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", original, raising=False)
    assert make().converse(**TALK)["stopReason"]
    assert recorded_calls(home) == []


def test_only_the_named_sdks_are_patched(make: Callable[..., Any], home: Path) -> None:
    llmtrace.instrument(home=home, providers=["openai"])
    make().converse(**TALK)
    assert recorded_calls(home) == []


# Budgets


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("is_invoked", [False, True], ids=["converse", "invoke"])
def test_a_call_without_room_is_refused_before_anything_is_sent(
    is_invoked: bool, is_stream: bool, make: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    # 60 tokens out cost $0.00033.
    llmtrace.budget("search", usd="0.0002", on_exceed="raise", warn_at=())
    llmtrace.instrument(home=home)
    client = make()
    with llmtrace.feature("search"), pytest.raises(llmtrace.BudgetExceeded):
        if is_invoked:
            invoke(client, HAIKU, CLAUDE, stream=is_stream)
        else:
            (client.converse_stream if is_stream else client.converse)(**TALK)
    assert simulator.requests == []
    call = one(home)
    assert (call.status, call.error_type, call.request_sent) == ("error", "BudgetExceeded", False)
    assert (call.feature, call.request.max_tokens) == ("search", 60)


def test_an_answer_of_a_stub_is_no_call(make: Callable[..., Any], simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    client = make()
    with Stubber(client) as stubber:
        stubber.add_response("converse", {
            "output": {"message": {"role": "assistant", "content": [{"text": "Boats."}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
            "metrics": {"latencyMs": 1},
        })  # fmt: skip
        assert client.converse(**TALK)["stopReason"] == "end_turn"
    assert simulator.requests == []
    assert recorded_calls(home) == []
