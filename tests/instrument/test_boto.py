"""Bedrock through the real boto3, against a server that speaks its wire format, event streams and all."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from boto_calls import CLAUDE, HAIKU, MESSAGES, TALK, invoke, one
from botocore.eventstream import EventStream
from botocore.response import StreamingBody
from conftest import recorded_calls

import llmtrace
from llmtrace.pricing import load_book, price_call
from llmtrace.simulator import Simulator

BODIES: dict[str, dict[str, Any]] = {
    HAIKU: CLAUDE,
    "meta.llama3-8b-instruct-v1:0": {"prompt": "The harbour at night", "max_gen_len": 20, "temperature": 0.5},
    "amazon.titan-text-lite-v1": {"inputText": "The harbour", "textGenerationConfig": {"maxTokenCount": 30}},
}
EMBEDDINGS: dict[str, dict[str, Any]] = {
    "amazon.titan-embed-text-v2:0": {"inputText": "The harbour at night", "dimensions": 4},
    "cohere.embed-english-v3": {"texts": ["harbour", "night"], "input_type": "search_query"},
}


def bare(result: dict[str, Any]) -> dict[str, Any]:
    """RESULT without what differs from one request to the next."""
    return {key: value for key, value in result.items() if key != "ResponseMetadata"}


def test_a_conversation_is_one_row_with_its_usage_and_price(
    make_boto: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    expected = bare(make_boto().converse(**TALK))
    llmtrace.instrument(home=home)
    with llmtrace.feature("harbour", user="u1"):
        result = make_boto().converse(**TALK)
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


def test_what_the_caller_does_to_its_answer_changes_no_record(make_boto: Callable[..., Any], home: Path) -> None:
    llmtrace.instrument(home=home)
    result = make_boto().converse(**TALK)
    said = dict(result["usage"])
    result["usage"].clear()
    assert one(home).response.usage == said


def test_a_streamed_conversation_is_one_row(make_boto: Callable[..., Any], simulator: Simulator, home: Path) -> None:
    expected = list(make_boto().converse_stream(**TALK)["stream"])
    llmtrace.instrument(home=home)
    result = make_boto().converse_stream(**TALK)
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
    model: str, is_stream: bool, make_boto: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    body = invoke(make_boto(), model, BODIES[model], stream=is_stream)["body"]
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
    model: str, make_boto: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    assert json.load(invoke(make_boto(), model, EMBEDDINGS[model])["body"])
    call = one(home)
    assert (call.request.operation, call.request.endpoint) == ("embeddings", "invoke_model")
    assert call.response.usage == simulator.requests[-1].usage
    assert (call.usage_source, call.usage_complete) == ("provider", True)
    assert call.usage.input_tokens


# Content


def test_content_is_kept_on_request_alone(make_boto: Callable[..., Any], home: Path) -> None:
    llmtrace.instrument(home=home, capture_content=True)
    picture = {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}}
    tool = {"toolSpec": {"name": "boats", "inputSchema": {"json": {"type": "object", "properties": {}}}}}
    client = make_boto()
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


def test_no_content_is_kept_unasked(make_boto: Callable[..., Any], home: Path) -> None:
    llmtrace.instrument(home=home)
    make_boto().converse(**TALK)
    assert one(home).content is None


# Budgets


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("is_invoked", [False, True], ids=["converse", "invoke"])
def test_a_call_without_room_is_refused_before_anything_is_sent(
    is_invoked: bool, is_stream: bool, make_boto: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    # 60 tokens out cost $0.00033.
    llmtrace.budget("search", usd="0.0002", on_exceed="raise", warn_at=())
    llmtrace.instrument(home=home)
    client = make_boto()
    with llmtrace.feature("search"), pytest.raises(llmtrace.BudgetExceeded):
        if is_invoked:
            invoke(client, HAIKU, CLAUDE, stream=is_stream)
        else:
            (client.converse_stream if is_stream else client.converse)(**TALK)
    assert simulator.requests == []
    call = one(home)
    assert (call.status, call.error_type, call.request_sent) == ("error", "BudgetExceeded", False)
    assert (call.feature, call.request.max_tokens) == ("search", 60)
