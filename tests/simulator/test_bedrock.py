"""Bedrock's runtime in the simulator, as the real boto3 sees it: its parser checks every frame's sums."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from llmtrace.simulator import Fault, Simulator

MESSAGES = [{"role": "user", "content": [{"text": "Tell me about the harbour at night, please."}]}]
CLAUDE = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 60,
    "messages": [{"role": "user", "content": "Tell me about the harbour at night, please."}],
}


@pytest.fixture
def client(simulator: Simulator) -> Iterator[Any]:
    made = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=simulator.bedrock_endpoint_url,
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(retries={"total_max_attempts": 1}),
    )
    yield made
    made.close()


def test_a_stream_says_what_the_whole_answer_says(client: Any, simulator: Simulator) -> None:
    whole = client.converse(modelId="amazon.nova-lite-v1:0", messages=MESSAGES)
    events = list(client.converse_stream(modelId="amazon.nova-lite-v1:0", messages=MESSAGES)["stream"])
    pieces = [e["contentBlockDelta"]["delta"]["text"] for e in events if "contentBlockDelta" in e]
    assert "".join(pieces) == whole["output"]["message"]["content"][0]["text"]
    assert [e["messageStop"]["stopReason"] for e in events if "messageStop" in e] == [whole["stopReason"]]
    assert events[-1]["metadata"]["usage"] == whole["usage"]
    first, second = simulator.requests
    assert (first.provider, first.model, first.stream) == ("bedrock", "amazon.nova-lite-v1:0", False)
    assert (second.stream, second.usage, second.usage_delivered) == (True, whole["usage"], True)


def test_a_tool_is_called_once_and_its_result_answered(client: Any) -> None:
    tool = {"toolSpec": {"name": "boats", "inputSchema": {"json": {"type": "object", "properties": {}}}}}
    asked = client.converse(modelId="m", messages=MESSAGES, toolConfig={"tools": [tool]})
    assert asked["stopReason"] == "tool_use"
    (block,) = asked["output"]["message"]["content"]
    result = {"toolResult": {"toolUseId": block["toolUse"]["toolUseId"], "content": [{"text": "two"}]}}
    history = [*MESSAGES, asked["output"]["message"], {"role": "user", "content": [result]}]
    answered = client.converse(modelId="m", messages=history, toolConfig={"tools": [tool]})
    assert answered["stopReason"] == "end_turn"
    assert answered["usage"]["inputTokens"] > asked["usage"]["inputTokens"]


@pytest.mark.parametrize(
    ("model", "body"),
    [
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", CLAUDE),
        ("meta.llama3-8b-instruct-v1:0", {"prompt": "The harbour", "max_gen_len": 20}),
        ("amazon.titan-text-lite-v1", {"inputText": "The harbour"}),
    ],
)
def test_an_invoked_model_is_counted_in_headers_and_in_the_last_chunk(
    model: str, body: dict[str, Any], client: Any, simulator: Simulator
) -> None:
    result = client.invoke_model(modelId=model, body=json.dumps(body))
    headers = result["ResponseMetadata"]["HTTPHeaders"]
    assert json.loads(result["body"].read())
    chunks = list(client.invoke_model_with_response_stream(modelId=model, body=json.dumps(body))["body"])
    metrics = json.loads(chunks[-1]["chunk"]["bytes"])["amazon-bedrock-invocationMetrics"]
    assert headers["x-amzn-bedrock-input-token-count"] == str(metrics["inputTokenCount"])
    assert headers["x-amzn-bedrock-output-token-count"] == str(metrics["outputTokenCount"])
    assert [r.status for r in simulator.requests] == [200, 200]


def test_embeddings_have_the_size_that_was_asked_for(client: Any) -> None:
    asked = {"inputText": "harbour", "dimensions": 4}
    result = client.invoke_model(modelId="amazon.titan-embed-text-v2:0", body=json.dumps(asked))
    assert len(json.load(result["body"])["embedding"]) == 4
    asked = {"texts": ["harbour", "night"], "input_type": "search_query"}
    result = client.invoke_model(modelId="cohere.embed-english-v3", body=json.dumps(asked))
    assert len(json.load(result["body"])["embeddings"]) == 2


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "ValidationException"), (429, "ThrottlingException"), (503, "ServiceUnavailableException")],
)
def test_errors_are_the_exceptions_that_botocore_knows(
    status: int, code: str, client: Any, simulator: Simulator
) -> None:
    simulator.fault(Fault.status(status))
    with pytest.raises(getattr(client.exceptions, code)):
        client.converse(modelId="m", messages=MESSAGES)
    assert simulator.requests[-1].status == status


def test_what_is_no_request_is_refused(client: Any) -> None:
    with pytest.raises(client.exceptions.ValidationException):
        client.converse(modelId="m", messages=[])
    with pytest.raises(client.exceptions.ValidationException):
        client.invoke_model(modelId="anthropic.claude-3-haiku-20240307-v1:0", body=json.dumps({"messages": []}))
