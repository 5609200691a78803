"""Foreign spans made up for tests: one builder for each dialect, which takes what differs from a plain call."""

from typing import Any

from samples import NOON, ns

from llmtrace.model import Span, SpanEvent


def make_span(number: int = 1, scope: str = "", attributes: dict[str, Any] | None = None, **changes: Any) -> Span:
    values: dict[str, Any] = {
        "trace_id": f"{number:032x}",
        "span_id": f"{number + 0xF0000:016x}",
        "parent_span_id": None,
        "name": "chat",
        "start_ns": ns(NOON) + number * 10**9,
        "end_ns": ns(NOON) + number * 10**9 + 1_500_000_000,
        "attributes": {k: v for k, v in (attributes or {}).items() if v is not None},
        "scope": scope,
    }
    return Span(**{**values, **changes})


def failure(kind: str = "openai.RateLimitError", message: str = "Error code: 429 - slow down") -> dict[str, Any]:
    event = SpanEvent("exception", ns(NOON), {"exception.type": kind, "exception.message": message})
    return {"status_code": 2, "status_message": message, "events": (event,)}


def otel_new(number: int = 1, scope: str = "opentelemetry.instrumentation.genai.openai", **changes: Any) -> Span:
    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.id": f"chatcmpl-{number}",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
        **changes.pop("attributes", {}),
    }
    return make_span(number, scope, said, **changes)


def otel_old(number: int = 1, scope: str = "some.library", **changes: Any) -> Span:
    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.id": f"chatcmpl-{number}",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.prompt_tokens": 1000,
        "gen_ai.usage.completion_tokens": 100,
        **changes.pop("attributes", {}),
    }
    return make_span(number, scope, said, **changes)


def openllmetry(number: int = 1, scope: str = "opentelemetry.instrumentation.openai.v1", **changes: Any) -> Span:
    said = {
        "llm.request.type": "chat",
        "gen_ai.system": "OpenAI",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.id": f"chatcmpl-{number}",
        "gen_ai.usage.prompt_tokens": 1000,
        "gen_ai.usage.completion_tokens": 100,
        "llm.usage.total_tokens": 1100,
        **changes.pop("attributes", {}),
    }
    return make_span(number, scope, said, **changes)


def openinference(number: int = 1, scope: str = "openinference.instrumentation.openai", **changes: Any) -> Span:
    said = {
        "openinference.span.kind": "LLM",
        "llm.system": "openai",
        "llm.model_name": "gpt-4o-2024-08-06",
        "llm.invocation_parameters": '{"model": "gpt-4o", "temperature": 0.5}',
        "llm.token_count.prompt": 1000,
        "llm.token_count.completion": 100,
        "llm.token_count.total": 1100,
        "llm.finish_reason": "stop",
        **changes.pop("attributes", {}),
    }
    return make_span(number, scope, said, **changes)


def anthropic_sdk(number: int = 1, scope: str = "com.anthropic.sdk.python", **changes: Any) -> Span:
    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-sonnet-4-6",
        "gen_ai.response.model": "claude-sonnet-4-6",
        "gen_ai.response.id": f"msg_{number}",
        "gen_ai.usage.input_tokens": 3000,
        "gen_ai.usage.cache_read.input_tokens": 1000,
        "gen_ai.usage.cache_write.input_tokens": 1500,
        "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 500,
        "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
        "anthropic.response.service_tier": "standard",
        "anthropic.message.stop_reason": "end_turn",
        "anthropic.request.id": f"req_{number}",
        "http.response.status_code": 200,
        **changes.pop("attributes", {}),
    }
    return make_span(number, scope, said, name="anthropic.messages.create", **changes)


def vercel(number: int = 1, scope: str = "ai", **changes: Any) -> Span:
    said = {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.provider": "openai.chat",
        "ai.model.id": "gpt-4o",
        "ai.response.model": "gpt-4o-2024-08-06",
        "ai.response.id": f"chatcmpl-{number}",
        "ai.response.finishReason": "stop",
        "ai.usage.inputTokens": 1000.0,
        "ai.usage.outputTokens": 100.0,
        **changes.pop("attributes", {}),
    }
    return make_span(number, scope, said, **changes)


OPENAI_USAGE = (
    '{"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100, '
    '"prompt_tokens_details": {"cached_tokens": 600}}'
)


def logfire(number: int = 1, scope: str = "logfire.openai", **changes: Any) -> Span:
    said = {
        "logfire.span_type": "span",
        "logfire.msg_template": "Chat Completion with {request_data[model]!r}",
        "request_data": '{"model":"gpt-4o"}',
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.id": f"chatcmpl-{number}",
        "gen_ai.response.finish_reasons": '["stop"]',
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
        **changes.pop("attributes", {}),
    }
    return make_span(number, scope, said, **changes)


def litellm(number: int = 1, scope: str = "litellm", **changes: Any) -> Span:
    said = {
        "llm.request.type": "completion",
        "llm.is_streaming": "False",
        "litellm.call_id": "11111111-2222-3333-4444-555555555555",
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.id": f"chatcmpl-{number}",
        "gen_ai.response.finish_reasons": '["stop"]',
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
        **changes.pop("attributes", {}),
    }
    return make_span(number, scope, said, name="litellm_request", **changes)


def langfuse(number: int = 1, scope: str = "langfuse-sdk", **changes: Any) -> Span:
    said = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.model.name": "gpt-4o-2024-08-06",
        "langfuse.observation.model.parameters": '{"temperature": 0.5, "max_tokens": 60, "service_tier": "default"}',
        "langfuse.observation.usage_details": '{"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}',
        **changes.pop("attributes", {}),
    }
    return make_span(number, scope, said, name="OpenAI-generation", **changes)


def mistral_sdk(number: int = 1, scope: str = "mistralai_sdk_tracer", **changes: Any) -> Span:
    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "mistral_ai",
        "gen_ai.request.model": "mistral-small-latest",
        "gen_ai.response.model": "mistral-small-latest",
        "gen_ai.response.id": f"cmpl-{number}",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
        "http.url": "https://api.mistral.ai/v1/chat/completions",
        "server.address": "api.mistral.ai:443",
        "server.port": 443,
        **changes.pop("attributes", {}),
    }
    return make_span(number, scope, said, **changes)


def vercel_7(number: int = 1, scope: str = "gen_ai", **changes: Any) -> Span:
    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.id": f"chatcmpl-{number}",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
        "gen_ai.client.operation.duration": 1.4,
        **changes.pop("attributes", {}),
    }
    return make_span(number, scope, said, **changes)
