"""Spans of libraries around the SDKs (Logfire, Pydantic AI, LiteLLM, Langfuse, Vercel's AI SDK), and of Mistral's."""

import json
from decimal import Decimal
from typing import Any

import pytest
from foreign_spans import (
    OPENAI_USAGE,
    failure,
    langfuse,
    litellm,
    logfire,
    make_span,
    mistral_sdk,
    otel_new,
    vercel,
    vercel_7,
)

from llmtrace import dialects
from llmtrace.ingest.pricing import price_span
from llmtrace.model import Call, Cost, Span
from llmtrace.pricing import load_book

BOOK = load_book()
BUILDERS = {"logfire": logfire, "litellm": litellm, "langfuse": langfuse, "vercel": vercel_7}
ANTHROPIC: dict[str, Any] = {
    "gen_ai.system": "anthropic",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-6",
    "gen_ai.response.model": "claude-sonnet-4-6",
}


def read(span: Span) -> Call:
    reading = dialects.read(span)
    assert reading is not None
    return reading.call


def cost(span: Span) -> Cost:
    priced = price_span(BOOK, span)
    assert priced is not None
    return priced.cost


@pytest.mark.parametrize("name", BUILDERS)
def test_a_plain_call_reads_and_costs_alike(name: str) -> None:
    call, found = read(BUILDERS[name](3)), cost(BUILDERS[name](3))
    assert (call.request.provider, call.request.operation, call.request.endpoint) == (
        "openai",
        "chat",
        "chat.completions",
    )
    assert call.response.model == "gpt-4o-2024-08-06"
    assert (call.usage.input_tokens, call.usage.output_tokens, found.total_usd) == (1000, 100, Decimal("0.0035"))
    assert call.response.finish_reasons == (None if name == "langfuse" else ("stop",))


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (logfire(), "logfire"),
        (otel_new(scope="pydantic-ai"), "logfire"),
        (logfire(scope="unheard.of"), "logfire"),
        (litellm(), "litellm"),
        (litellm(scope="my-gateway"), "litellm"),
        (langfuse(), "langfuse"),
        (langfuse(scope="unheard.of"), "langfuse"),
        (mistral_sdk(), "mistral_sdk"),
        (vercel(), "vercel"),
        (vercel_7(), "vercel"),
    ],
)
def test_each_is_known_by_its_scope_or_its_attributes(span: Span, expected: str) -> None:
    found = dialects.find_dialect(span)
    assert found is not None
    assert found.name == expected


NO_CALLS = {
    "agent of Pydantic AI": otel_new(
        scope="pydantic-ai",
        attributes={
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.usage.input_tokens": None,
            "gen_ai.aggregated_usage.input_tokens": 5000,
        },
    ),
    "tool of Pydantic AI": otel_new(scope="pydantic-ai", attributes={"gen_ai.operation.name": "execute_tool"}),
    "pending span of Logfire": logfire(attributes={"logfire.span_type": "pending_span"}),
    "raw request of LiteLLM": make_span(1, "litellm", {"llm.openai.id": "chatcmpl-1", "llm.openai.model": "gpt-4o"}),
    "observation of another type": langfuse(attributes={"langfuse.observation.type": "agent"}),
    "generation that tells nothing": langfuse(
        attributes={"langfuse.observation.model.name": None, "langfuse.observation.usage_details": None}
    ),
    "agent of the AI SDK": vercel_7(attributes={"gen_ai.operation.name": "invoke_agent"}),
    "step of the AI SDK": vercel_7(attributes={"gen_ai.operation.name": "agent_step"}),
}


@pytest.mark.parametrize("name", NO_CALLS)
def test_what_is_around_a_call_is_not_billed(name: str) -> None:
    assert dialects.read(NO_CALLS[name]) is None


TIERLESS = {
    "logfire": logfire(),
    "pydantic-ai": otel_new(scope="pydantic-ai"),
    "litellm": litellm(),
    "vercel": vercel_7(),
    "vercel, older": vercel(),
}


@pytest.mark.parametrize("name", TIERLESS)
def test_an_answer_of_openai_whose_tier_nobody_tells_is_an_estimate(name: str) -> None:
    found = cost(TIERLESS[name])
    assert (found.status, "service tier" in (found.reason or "")) == ("estimated", True)


# Logfire


def opening() -> Span:
    nothing = dict.fromkeys(
        f"gen_ai.{n}" for n in ("response.id", "response.finish_reasons", "usage.input_tokens", "usage.output_tokens")
    )
    return logfire(attributes={**nothing, "gen_ai.response.model": "gpt-4o"})


def report(seconds: float = 2.5) -> Span:
    said = {**opening().attributes, "logfire.span_type": "log", "duration": seconds, "gen_ai.usage.raw": OPENAI_USAGE}
    ended = make_span(2).start_ns
    return make_span(2, "logfire.openai", said, start_ns=ended, end_ns=ended)


def test_the_report_of_a_stream_is_the_call_and_its_opening_is_none() -> None:
    assert dialects.read(opening()) is None
    call = read(report())
    assert (call.request.stream, call.duration_s, call.response.model) == (True, 2.5, None)
    assert call.started_at_ns == report().end_ns - 2_500_000_000
    assert (call.usage.input_tokens, call.usage.cached_input_tokens) == (1000, 600)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), 1e30])
def test_a_report_with_no_duration_has_none(seconds: float) -> None:
    assert read(report(seconds)).duration_s == 0


def test_an_opening_that_failed_is_the_call() -> None:
    failed = {**opening().attributes}
    call = read(make_span(1, "logfire.openai", failed, **failure()))
    assert (call.status, call.http_status, call.response.model) == ("error", 429, None)


def test_logfires_usage_of_anthropic_is_billed_by_its_parts() -> None:
    usage = {
        "input_tokens": 500,
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": 1500,
        "cache_creation": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 1000},
        "output_tokens": 100,
        "service_tier": "standard",
    }
    span = logfire(scope="logfire.anthropic", attributes={**ANTHROPIC, "gen_ai.usage.raw": json.dumps(usage)})
    call, found = read(span), cost(span)
    assert (call.usage.input_tokens, call.response.service_tier) == (3000, "standard")
    assert {i.component: i.quantity for i in found.items}["cache_write_1h"] == 1000
    assert found.status == "exact"


def test_logfires_whole_request_tells_the_tier() -> None:
    whole = {"request_data": '{"model": "gpt-4o", "messages": []}'}
    assert cost(logfire(attributes=whole)).status == "exact"
    flex = {"request_data": '{"model": "gpt-4o", "messages": [], "service_tier": "flex"}'}
    assert "flex" in (cost(logfire(attributes=flex)).reason or "")


def test_pydantic_ais_errors_tell_the_status() -> None:
    error = failure("ModelHTTPError", "status_code: 429, model_name: gpt-4o, body: {}")
    assert read(otel_new(scope="pydantic-ai", **error)).http_status == 429


# LiteLLM


def test_litellms_usage_object_tells_what_its_attributes_do_not() -> None:
    usage = str({**json.loads(OPENAI_USAGE), "cost": None})
    call = read(litellm(attributes={"metadata.usage_object": usage, "llm.is_streaming": "True"}))
    assert (call.usage.input_tokens, call.usage.cached_input_tokens, call.request.stream) == (1000, 600, True)


def test_litellms_usage_of_anthropic_is_billed_by_the_time_its_cache_writes_live() -> None:
    usage = {
        "prompt_tokens": 3000,
        "completion_tokens": 100,
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": 1500,
        "prompt_tokens_details": {
            "cached_tokens": 1000,
            "cache_creation_token_details": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 1000},
        },
        "service_tier": "standard",
        "speed": None,
    }
    hidden = {
        "api_base": "http://127.0.0.1:8080/v1/messages",
        "additional_headers": {"llm_provider-request-id": "req_7"},
    }
    said = {
        **ANTHROPIC,
        "gen_ai.provider.name": None,
        "gen_ai.response.id": "chatcmpl-0a1b2c3d-0000-4000-8000-0123456789ab",
        "metadata.usage_object": str(usage),
        "hidden_params": json.dumps(hidden),
    }
    call, found = read(litellm(attributes=said)), cost(litellm(attributes=said))
    # The id is of LiteLLM's making.
    assert (call.response.id, call.request_id, call.request.server_address) == (None, "req_7", "127.0.0.1")
    assert {i.component: i.quantity for i in found.items} == {
        "input_uncached": 500,
        "input_cached": 1000,
        "cache_write_5m": 500,
        "cache_write_1h": 1000,
        "output": 100,
    }
    assert found.status == "exact"


def test_a_request_that_litellm_failed_has_no_response() -> None:
    said = {"gen_ai.response.id": "11111111-2222-3333-4444-555555555555", "error.code": "429"}
    call = read(litellm(attributes=said, **failure()))
    assert (call.response.id, call.status, call.http_status) == (None, "error", 429)


@pytest.mark.parametrize(
    "text", ["{", "[1]", "{'a': __import__('os')}", "(" * 9000, "{1: 2}", "x" * 20_000, "{'prompt_tokens': 'x'}"]
)
def test_a_usage_object_that_is_none_is_passed_over(text: str) -> None:
    assert read(litellm(attributes={"metadata.usage_object": text})).usage.input_tokens == 1000


# Langfuse


def test_langfuse_names_no_provider_so_that_no_cost_is_exact() -> None:
    found = cost(langfuse())
    assert (found.status, "does not name the provider" in (found.reason or "")) == ("estimated", True)
    unknown = langfuse(attributes={"langfuse.observation.model.name": "my-model"})
    assert (read(unknown).request.provider, cost(unknown).total_usd) == ("unknown", None)


def test_langfuses_tier_is_the_answers() -> None:
    flex = {"langfuse.observation.model.parameters": '{"service_tier": "flex"}'}
    assert read(langfuse(attributes=flex)).response.service_tier == "flex"
    failed = read(langfuse(attributes=flex, **failure()))
    assert (failed.request.service_tier, failed.response.service_tier) == ("flex", None)


def test_langfuses_stream_tells_when_it_began_to_speak() -> None:
    at = "2026-11-20T12:00:01.250000Z"
    span = langfuse(attributes={"langfuse.observation.completion_start_time": json.dumps(at)})
    call = read(
        make_span(
            1, span.scope, dict(span.attributes), start_ns=1_795_176_001_000_000_000, end_ns=1_795_176_002_000_000_000
        )
    )
    assert (call.request.stream, call.time_to_first_chunk_s) == (True, pytest.approx(0.25))


def test_counts_in_langfuses_own_form_are_read() -> None:
    usage = {"input": 400, "output": 100, "total": 1100, "input_cache_read": 600}
    said = {
        "langfuse.observation.model.name": "claude-sonnet-4-6",
        "langfuse.observation.usage_details": json.dumps(usage),
    }
    call = read(langfuse(attributes=said))
    assert (call.request.provider, call.usage.input_tokens, call.usage.cached_input_tokens) == ("anthropic", 1000, 600)


def test_langfuses_content_is_kept_as_messages() -> None:
    answer = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}],
    }
    said = {
        "langfuse.observation.input": json.dumps([{"role": "user", "content": "hello"}]),
        "langfuse.observation.output": json.dumps(answer),
        "langfuse.observation.metadata.customer": '"acme"',
        "langfuse.observation.metadata.finish_reason": '"stop"',
    }
    call = read(langfuse(attributes=said))
    assert call.content is not None
    assert json.loads(call.content.input_messages or "")[0]["parts"] == [{"type": "text", "content": "hello"}]
    assert json.loads(call.content.output_messages or "")[0]["parts"][0]["name"] == "f"
    assert (call.tags, call.response.finish_reasons) == ({"customer": "acme"}, ("stop",))


# Vercel's AI SDK, and Mistral's SDK


def test_the_ai_sdks_embedding_is_one_call() -> None:
    nothing = {"gen_ai.usage.input_tokens": None, "gen_ai.usage.output_tokens": None, "gen_ai.response.id": None}
    outer = {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "text-embedding-3-small", **nothing}
    assert dialects.read(vercel_7(attributes=outer)) is None
    assert read(vercel_7(attributes={**outer, "gen_ai.usage.input_tokens": 11})).usage.input_tokens == 11
    assert dialects.read(vercel_7(attributes=outer, **failure())) is None
    assert read(vercel_7(attributes=outer, parent_span_id="1" * 16, **failure())).status == "error"


def test_the_ai_sdks_stream_and_its_way_of_asking_are_known() -> None:
    said = {"gen_ai.client.operation.time_to_first_chunk": 0.25, "gen_ai.response.id": "resp_1"}
    call = read(vercel_7(attributes=said))
    assert (call.request.stream, call.time_to_first_chunk_s, call.request.endpoint) == (True, 0.25, "responses")


def test_mistrals_spans_tell_a_stream_by_its_url_and_the_port_twice() -> None:
    call = read(mistral_sdk(attributes={"http.url": "https://api.mistral.ai/v1/chat/completions#stream"}))
    assert (call.request.stream, call.request.server_address, call.request.server_port) == (True, "api.mistral.ai", 443)
    assert (read(mistral_sdk()).request.stream, cost(mistral_sdk()).status) == (False, "exact")
    assert cost(mistral_sdk(attributes={"gen_ai.usage.input_tokens": 5000})).status == "estimated"
