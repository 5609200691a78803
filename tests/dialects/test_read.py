"""What each dialect's spans say, read as our own calls."""

import json
from decimal import Decimal
from typing import Any

import pytest
from foreign_spans import anthropic_sdk, failure, make_span, openinference, openllmetry, otel_new, otel_old, vercel
from samples import make_call

from llmtrace import codec, dialects
from llmtrace.ingest.pricing import price_span
from llmtrace.model import Call, Cost, Span, SpanEvent, Usage
from llmtrace.pricing import load_book

BUILDERS = {
    "new": otel_new,
    "old": otel_old,
    "openllmetry": openllmetry,
    "openinference": openinference,
    "vercel": vercel,
}
BOOK = load_book()


def read(span: Span) -> Call:
    reading = dialects.read(span)
    assert reading is not None
    return reading.call


def cost(span: Span) -> Cost:
    priced = price_span(BOOK, span)
    assert priced is not None
    return priced.cost


@pytest.mark.parametrize("name", BUILDERS)
def test_a_plain_call_reads_alike_in_every_dialect(name: str) -> None:
    call = read(BUILDERS[name](3))
    assert (call.request.provider, call.request.operation, call.request.endpoint) == (
        "openai",
        "chat",
        "chat.completions",
    )
    assert (call.request.model, call.response.model) == ("gpt-4o", "gpt-4o-2024-08-06")
    assert (call.usage.input_tokens, call.usage.output_tokens) == (1000, 100)
    assert (call.status, call.usage_source, call.duration_s, call.request.stream) == ("ok", "provider", 1.5, False)
    assert (call.trace_id, call.span_id) == (f"{3:032x}", f"{3 + 0xF0000:016x}")


@pytest.mark.parametrize("name", ["new", "old", "openinference", "vercel"])
def test_the_finish_reason_is_a_list_however_it_was_said(name: str) -> None:
    assert read(BUILDERS[name]()).response.finish_reasons == ("stop",)


@pytest.mark.parametrize("name", BUILDERS)
def test_the_same_call_costs_the_same_in_every_dialect(name: str) -> None:
    assert cost(BUILDERS[name]()).total_usd == Decimal("0.0035")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (otel_new(), "otel"),
        (otel_old(), "otel_old"),
        (openllmetry(scope="unheard.of"), "openllmetry"),
        (openinference(scope="unheard.of"), "openinference"),
        (anthropic_sdk(scope="unheard.of"), "anthropic_sdk"),
        (vercel(), "vercel"),
        (otel_new(scope="opentelemetry.instrumentation.openai_v2"), "otel"),
        (otel_old(scope="opentelemetry.instrumentation.openai_v2"), "otel_old"),
        (otel_new(scope="opentelemetry.instrumentation.openai.v1"), "openllmetry"),
        (otel_new(scope="com.anthropic.sdk.python.bedrock"), "anthropic_sdk"),
    ],
)
def test_a_dialect_is_known_by_its_scope_or_else_by_its_attributes(name: Span, expected: str) -> None:
    found = dialects.find_dialect(name)
    assert found is not None
    assert found.name == expected


def test_spans_of_other_libraries_are_no_calls() -> None:
    assert dialects.read(make_span(attributes={"http.route": "/"})) is None
    assert dialects.find_dialect(make_span(scope="openinference")) is None


def test_our_own_span_reads_as_the_call_it_was_made_of() -> None:
    call = make_call(1)
    assert read(codec.to_span(call, {})).usage == call.usage


NO_CALLS = {
    "agent with totals": otel_new(attributes={"gen_ai.operation.name": "invoke_agent"}),
    "agent, older": otel_old(attributes={"gen_ai.operation.name": "invoke_agent"}),
    "agent without an operation": otel_new(attributes={"gen_ai.operation.name": None}),
    "tool": otel_new(attributes={"gen_ai.operation.name": "execute_tool"}),
    "retrieval": otel_new(attributes={"gen_ai.operation.name": "retrieval"}),
    "fetched response": otel_new(attributes={"gen_ai.operation.name": "fetch_response"}),
    "workflow": openllmetry(attributes={"traceloop.span.kind": "workflow"}),
    "task": openllmetry(scope="traceloop.tracer", attributes={"traceloop.span.kind": "task"}),
    "traced tool": openllmetry(attributes={"traceloop.span.kind": "tool", "llm.request.type": None}),
    "rerank": openllmetry(attributes={"llm.request.type": "rerank"}),
    **{
        f"openinference {kind}": openinference(attributes={"openinference.span.kind": kind})
        for kind in ("CHAIN", "AGENT", "TOOL", "RETRIEVER", "RERANKER", "GUARDRAIL", "EVALUATOR", "PROMPT", "UNKNOWN")
    },
    "openinference without a kind": openinference(attributes={"openinference.span.kind": None}),
    "embedding wrapper": openinference(
        scope="openinference.instrumentation.llama_index", attributes={"openinference.span.kind": "EMBEDDING"}
    ),
    "outer span of a step": vercel(attributes={"ai.operationId": "ai.generateText"}),
    "outer span of an embedding": vercel(attributes={"ai.operationId": "ai.embed"}),
    "tool of a step": vercel(attributes={"ai.operationId": "ai.toolCall"}),
    "native tool": anthropic_sdk(attributes={"gen_ai.operation.name": "execute_tool"}),
    "native runner": anthropic_sdk(attributes={"gen_ai.operation.name": "invoke_agent"}),
}


@pytest.mark.parametrize("name", NO_CALLS)
def test_what_is_no_call_to_a_provider_is_not_billed(name: str) -> None:
    assert dialects.read(NO_CALLS[name]) is None


def test_an_embedding_that_failed_names_the_model_that_was_asked() -> None:
    said = {
        "openinference.span.kind": "EMBEDDING",
        "embedding.invocation_parameters": '{"model": "text-embedding-3-small"}',
    }
    span = make_span(1, "openinference.instrumentation.openai", said, **failure())
    assert (read(span).status, read(span).request.model) == ("error", "text-embedding-3-small")


def test_an_embedding_of_an_sdk_is_a_call() -> None:
    said = {
        "openinference.span.kind": "EMBEDDING",
        "embedding.model_name": "text-embedding-3-small",
        "llm.model_name": None,
        "llm.invocation_parameters": '{"model": "text-embedding-3-small"}',
        "llm.token_count.completion": None,
    }
    span = openinference(attributes=said)
    assert (read(span).request.operation, read(span).request.endpoint) == ("embeddings", "embeddings")
    assert (cost(span).status, cost(span).total_usd) == ("exact", Decimal("0.00002"))


CACHED = {
    "new": {"gen_ai.usage.cache_read.input_tokens": 600, "gen_ai.usage.reasoning.output_tokens": 20},
    "old": {"gen_ai.usage.cache_read_input_tokens": 600, "gen_ai.usage.reasoning_tokens": 20},
    "openllmetry": {"gen_ai.usage.cache_read_input_tokens": 600, "llm.usage.reasoning_tokens": 20},
    "openinference": {
        "llm.token_count.prompt_details.cache_read": 600,
        "llm.token_count.completion_details.reasoning": 20,
    },
    "vercel": {"ai.usage.cachedInputTokens": 600, "ai.usage.reasoningTokens": 20},
}


@pytest.mark.parametrize("name", CACHED)
def test_parts_of_the_usage_are_understood(name: str) -> None:
    usage = read(BUILDERS[name](attributes=CACHED[name])).usage
    assert usage == Usage(input_tokens=1000, cached_input_tokens=600, output_tokens=100, reasoning_tokens=20)
    assert cost(BUILDERS[name](attributes=CACHED[name])).total_usd == Decimal("0.00275")


@pytest.mark.parametrize("name", BUILDERS)
def test_a_call_that_the_provider_refused_is_not_billed(name: str) -> None:
    said = dict.fromkeys(k for k in BUILDERS[name]().attributes if "usage" in k or "token_count" in k)
    call = read(BUILDERS[name](attributes=said, **failure()))
    assert (call.status, call.http_status, call.error_type) == ("error", 429, "openai.RateLimitError")
    assert cost(BUILDERS[name](attributes=said, **failure())).status == "not_billed"


def test_a_failure_without_an_exception_still_is_one() -> None:
    call = read(otel_new(status_code=2))
    assert (call.status, call.error_type) == ("error", "_OTHER")
    assert read(otel_new(attributes={"error.type": "timeout"})).status == "error"


STREAMS: dict[str, tuple[str, dict[str, Any]]] = {
    "new": ("new", {"gen_ai.request.stream": True, "gen_ai.response.time_to_first_chunk": 0.25}),
    "openllmetry": ("openllmetry", {"gen_ai.is_streaming": True}),
    "openllmetry, older": ("openllmetry", {"llm.is_streaming": True}),
    "openinference": ("openinference", {"llm.invocation_parameters": '{"model": "gpt-4o", "stream": true}'}),
    "vercel": ("vercel", {"ai.operationId": "ai.streamText.doStream", "ai.response.msToFirstChunk": 250.0}),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_and_its_first_chunk_are_known(name: str) -> None:
    dialect, said = STREAMS[name]
    start = BUILDERS[dialect]().start_ns
    events = tuple(
        SpanEvent(event, start + 250_000_000 * n)
        for event in ("llm.content.completion.chunk", "First Token Stream Event")
        for n in (1, 2)
    )
    call = read(BUILDERS[dialect](attributes=said, events=events))
    assert (call.request.stream, call.time_to_first_chunk_s) == (True, 0.25)


@pytest.mark.parametrize("name", BUILDERS)
def test_an_answer_whose_output_nobody_counted_costs_at_least_its_input(name: str) -> None:
    endings = ("output_tokens", "outputtokens", "completion", "completion_tokens")
    said = dict.fromkeys(k for k in BUILDERS[name]().attributes if k.lower().endswith(endings))
    found = cost(BUILDERS[name](attributes=said))
    assert (found.status, found.total_usd) == ("lower_bound", Decimal("0.0025"))


@pytest.mark.parametrize(
    ("said", "provider"),
    [
        ({"gen_ai.provider.name": "az.ai.openai"}, "azure.ai.openai"),
        ({"gen_ai.provider.name": "OpenAI"}, "openai"),
        ({"gen_ai.provider.name": "xai"}, "x_ai"),
        ({"gen_ai.provider.name": "openai", "server.address": "api.groq.com"}, "groq"),
        ({"gen_ai.provider.name": "openai", "server.address": "127.0.0.1"}, "openai"),
        ({"gen_ai.provider.name": "groq", "server.address": "127.0.0.1"}, "groq"),
        ({"gen_ai.provider.name": None}, "openai"),
    ],
)
def test_providers_have_one_name_each(said: dict[str, Any], provider: str) -> None:
    assert read(otel_new(attributes=said)).request.provider == provider


def test_a_provider_that_nobody_names_is_unknown_and_has_no_price() -> None:
    span = otel_old(attributes={"gen_ai.system": None})
    assert read(span).request.provider == "unknown"
    assert (cost(span).status, cost(span).total_usd) == ("unpriced", None)


# Anthropic


def test_the_sdks_own_span_is_billed_by_the_time_its_cache_writes_live() -> None:
    call, found = read(anthropic_sdk()), cost(anthropic_sdk())
    assert call.usage == Usage(input_tokens=3000, cached_input_tokens=1000, cache_write_tokens=1500, output_tokens=100)
    assert (call.request_id, call.response.service_tier, call.response.finish_reasons) == (
        "req_1",
        "standard",
        ("end_turn",),
    )
    amounts = {item.component: item.quantity for item in found.items}
    assert amounts == {
        "input_uncached": 500,
        "input_cached": 1000,
        "cache_write_5m": 500,
        "cache_write_1h": 1000,
        "output": 100,
    }
    assert found.status == "exact"


def test_the_sdks_compaction_is_billed_beside_the_answer() -> None:
    said = {"anthropic.usage.compaction.input_tokens": 2000, "anthropic.usage.compaction.output_tokens": 300}
    usage = read(anthropic_sdk(attributes=said)).usage
    assert (usage.input_tokens, usage.output_tokens) == (5000, 400)
    more = cost(anthropic_sdk(attributes=said)).total_usd
    less = cost(anthropic_sdk()).total_usd
    assert more is not None
    assert less is not None
    assert more - less == Decimal("0.0105")


def test_what_the_sdks_span_leaves_out_makes_the_cost_uncertain() -> None:
    found = cost(anthropic_sdk(attributes={"anthropic.beta": ("fast-mode-2026-02-01",)}))
    assert (found.status, "speed" in (found.reason or "")) == ("estimated", True)


@pytest.mark.parametrize("name", ["anthropic.messages.count_tokens", "anthropic.messages.batches.create"])
def test_what_is_free_at_anthropic_is_no_call(name: str) -> None:
    span = anthropic_sdk()
    assert dialects.read(make_span(1, span.scope, dict(span.attributes), name=name)) is None


def anthropic_call(scope: str = "unheard.of", **said: Any) -> Span:
    names = {"read": "cache_read.input_tokens", "written": "cache_creation.input_tokens"}
    return otel_new(
        scope=scope,
        attributes={
            "gen_ai.provider.name": "anthropic",
            "gen_ai.request.model": "claude-sonnet-4-6",
            "gen_ai.response.model": "claude-sonnet-4-6",
            **{f"gen_ai.usage.{names.get(k, k)}": v for k, v in said.items()},
        },
    )


def test_an_input_smaller_than_its_cached_part_leaves_that_part_out() -> None:
    assert read(anthropic_call(read=5000, written=200)).usage.input_tokens == 6200
    assert cost(anthropic_call(read=5000)).status == "exact"


def test_a_total_tells_whether_the_input_holds_the_cached_tokens() -> None:
    inside = anthropic_call(read=600, total_tokens=1100)
    outside = anthropic_call(read=600, total_tokens=1700)
    assert (read(inside).usage.input_tokens, read(outside).usage.input_tokens) == (1000, 1600)
    assert (cost(inside).status, cost(outside).status) == ("exact", "exact")


def test_a_known_instrumentation_is_known_to_include_them() -> None:
    span = anthropic_call(scope="opentelemetry.instrumentation.genai.anthropic", read=600)
    assert (read(span).usage.input_tokens, cost(span).status) == (1000, "exact")


def test_where_nothing_tells_the_cost_says_it_is_uncertain() -> None:
    found = cost(anthropic_call(read=600))
    assert found.status == "estimated"
    assert "whether its input count holds the cached tokens" in (found.reason or "")


def test_cache_writes_of_unknown_life_make_the_cost_uncertain() -> None:
    found = cost(anthropic_call(scope="opentelemetry.instrumentation.genai.anthropic", written=600))
    assert (found.status, "five minutes" in (found.reason or "")) == ("estimated", True)


def test_openllmetrys_streamed_output_of_anthropic_is_uncertain() -> None:
    said = {"gen_ai.is_streaming": True, "gen_ai.system": "Anthropic", "gen_ai.response.model": "claude-sonnet-4-6"}
    span = openllmetry(scope="opentelemetry.instrumentation.anthropic", attributes=said)
    assert (cost(span).status, "twice" in (cost(span).reason or "")) == ("estimated", True)
    plain = openllmetry(
        scope="opentelemetry.instrumentation.anthropic", attributes={**said, "gen_ai.is_streaming": False}
    )
    assert cost(plain).status == "exact"


@pytest.mark.parametrize("reason", [("length",), ("tool_call",)])
def test_why_the_model_stopped_is_said_in_the_providers_words(reason: tuple[str]) -> None:
    words = {("length",): ("max_tokens",), ("tool_call",): ("tool_use",)}
    span = anthropic_call()
    said = {**span.attributes, "gen_ai.response.finish_reasons": reason}
    assert read(make_span(1, span.scope, said)).response.finish_reasons == words[reason]


# OpenAI


def test_an_instrumentation_that_never_tells_cached_tokens_leaves_long_prompts_uncertain() -> None:
    scope = "opentelemetry.instrumentation.openai_v2"
    long = otel_old(scope=scope, attributes={"gen_ai.usage.prompt_tokens": 1024})
    assert (cost(otel_old(scope=scope)).status, cost(long).status) == ("exact", "estimated")


def test_a_tier_that_was_only_asked_for_leaves_the_cost_uncertain() -> None:
    asked = {"openai.request.service_tier": "flex"}
    assert cost(otel_new(attributes=asked)).status == "estimated"
    assert cost(otel_new(attributes={**asked, "openai.response.service_tier": "default"})).status == "exact"
    served = {**asked, "gen_ai.openai.response.service_tier": "flex"}
    assert read(otel_old(attributes=served)).response.service_tier == "flex"


def test_openinferences_answer_of_the_provider_says_what_the_attributes_do_not() -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 600}}
    body = {
        "object": "chat.completion",
        "id": "chatcmpl-9",
        "model": "gpt-4o-2024-08-06",
        "service_tier": "flex",
        "choices": [{"index": 0, "finish_reason": "length"}],
        "usage": usage,
    }
    call = read(openinference(attributes={"output.value": json.dumps(body), "llm.token_count.prompt": 1}))
    assert (call.response.id, call.response.service_tier, call.response.usage) == ("chatcmpl-9", "flex", usage)
    assert (call.usage.input_tokens, call.usage.cached_input_tokens) == (1000, 600)
    assert call.response.finish_reasons == ("length",)


@pytest.mark.parametrize("body", ["__REDACTED__", "[]", "{", '{"object": "chat.completion", "usage": 3}', "[" * 99999])
def test_an_answer_that_is_none_is_passed_over(body: str) -> None:
    assert read(openinference(attributes={"output.value": body})).usage.input_tokens == 1000


def test_the_model_of_a_failed_openinference_call_is_the_one_asked_for() -> None:
    call = read(openinference(attributes={"llm.model_name": None}, **failure()))
    assert (call.request.model, call.response.model) == ("gpt-4o", None)


def test_the_server_is_known_by_its_address() -> None:
    call = read(openllmetry(attributes={"gen_ai.openai.api_base": "http://127.0.0.1:8080/v1/"}))
    assert (call.request.server_address, call.request.server_port) == ("127.0.0.1", 8080)
    read(openllmetry(attributes={"gen_ai.openai.api_base": "http://[bad"}))
