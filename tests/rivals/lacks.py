"""What each rival's rows say otherwise than ours, field by field, with the calls in which they do."""

# What belongs to a row rather than to the call.
IGNORED = frozenset(
    {
        *("span_id", "trace_id", "parent_span_id", "started_at", "duration_s", "service", "priced_at", "duplicate_of"),
        *("scope", "attributes"),
    }
)
# Compared for being there at all: two clocks tell two times.
TIMED = frozenset({"ttft_s"})

OPENAI = frozenset(
    f"openai {name}" for name in ("plain", "stream", "tool", "cache cold", "cache warm", "reasoning", "tier")
)
ANTHROPIC = frozenset(
    f"anthropic {name}" for name in ("plain", "stream", "tool", "cache cold", "cache warm", "thinking")
)
ANSWERED = OPENAI | ANTHROPIC
ERRORS = frozenset({"openai error", "anthropic error"})
EVERY = ANSWERED | ERRORS
EVERY_ANTHROPIC = ANTHROPIC | {"anthropic error"}
COLD, WARM = frozenset({"anthropic cache cold"}), frozenset({"openai cache warm", "anthropic cache warm"})
LONG = frozenset({"openai cache cold", "openai cache warm"})
TIER, THOUGHT = frozenset({"openai tier"}), frozenset({"anthropic thinking"})
OPENAI_STREAM, ANTHROPIC_STREAM = frozenset({"openai stream"}), frozenset({"anthropic stream"})

# Nobody but the SDK itself tells how often it tried, and with which status it succeeded; all name exceptions as errors.
UNTOLD = {"attempts": EVERY, "retry_wait_s": EVERY, "request_id": EVERY, "http_status": ANSWERED, "error_type": ERRORS}
# Modalities are told by nobody.
NO_AUDIO = {"input_audio_tokens": OPENAI, "output_audio_tokens": OPENAI}
# The generation of OpenTelemetry's instrumentation that knows OpenAI alone: no parts of the usage at all.
OTEL_V2 = {
    **{field: calls - ANTHROPIC - {"anthropic error"} for field, calls in UNTOLD.items()},
    **NO_AUDIO,
    "cached_input_tokens": OPENAI,
    "reasoning_tokens": OPENAI,
    "cost_status": LONG,
    "cost_reason": LONG,
    "cost_usd": frozenset({"openai cache warm"}),
    "finish_reason": OPENAI_STREAM,
    "stream": OPENAI_STREAM,
    "ttft_s": OPENAI_STREAM,
}

OPENAI_ERROR, ANTHROPIC_ERROR = frozenset({"openai error"}), frozenset({"anthropic error"})
STREAMS = OPENAI_STREAM | ANTHROPIC_STREAM
# What is asked of Pydantic AI's agents, of LiteLLM, of Mistral's SDK and of Vercel's AI SDK.
AGENT_OPENAI = frozenset(f"openai {n}" for n in ("plain", "stream", "tool", "answer", "cache cold", "cache warm"))
AGENT_ANTHROPIC = frozenset(f"anthropic {n}" for n in ("plain", "stream", "tool", "answer", "cache cold", "cache warm"))
AGENTS = AGENT_OPENAI | AGENT_ANTHROPIC
LITELLM = (ANSWERED - {"openai reasoning"}) - THOUGHT
MISTRAL = frozenset(f"mistral {name}" for name in ("plain", "stream", "tool", "error", "embedding"))
VERCEL_CHAT = AGENT_OPENAI | TIER | {"openai object"}
VERCEL_ANTHROPIC = AGENT_ANTHROPIC | {"anthropic object"}
VERCEL_OTHER = frozenset({"openai responses", "openai embedding"})
VERCEL = VERCEL_CHAT | VERCEL_ANTHROPIC | VERCEL_OTHER | ERRORS
VERCEL_TIERED = VERCEL_CHAT | {"openai responses"}
# The tier of an answer is told by none of these: what OpenAI answers may have cost another price.
VERCEL_BOTH = {
    "attempts": VERCEL,
    "retry_wait_s": VERCEL,
    "error_type": ERRORS,
    "input_audio_tokens": VERCEL_CHAT,
    "output_audio_tokens": VERCEL_CHAT,
    "request_id": VERCEL,
    "response_model": frozenset({"openai embedding"}),
    "service_tier": VERCEL_TIERED | VERCEL_ANTHROPIC,
    # The one way of asking that counts no writes, and has one word for all reasons to stop.
    "cache_write_tokens": frozenset({"anthropic object"}),
    "finish_reason": frozenset({"anthropic object"}),
}

LACKS: dict[str, dict[str, frozenset[str]]] = {
    "openinference": {
        **UNTOLD,
        "server_address": EVERY,
        # The answer that is put together from a stream of OpenAI's has neither.
        "response_id": OPENAI_STREAM,
        "service_tier": OPENAI_STREAM,
        "ttft_s": ANTHROPIC_STREAM,
    },
    "openinference, content hidden": {
        **UNTOLD,
        "server_address": EVERY,
        "response_id": ANSWERED,
        "service_tier": ANSWERED,
        "ttft_s": ANTHROPIC_STREAM,
        "cached_input_tokens": ANTHROPIC - WARM,
        "cache_write_tokens": ANTHROPIC - COLD,
        "cost_status": COLD | TIER,
        "cost_reason": COLD | TIER,
        "cost_usd": TIER,
    },
    "otelgenai": {
        **UNTOLD,
        **NO_AUDIO,
        # Counts of nothing are left out.
        "cached_input_tokens": ANSWERED - WARM,
        "cache_write_tokens": ANTHROPIC - COLD,
        "reasoning_tokens": OPENAI - {"openai reasoning", "openai tier"},
        "service_tier": ANTHROPIC,
        # `stop` stands for several of Anthropic's words.
        "finish_reason": THOUGHT,
        "cost_status": COLD,
        "cost_reason": COLD,
    },
    "otelv2": OTEL_V2,
    "otelv2, latest": OTEL_V2,
    "openllmetry": {
        **UNTOLD,
        **NO_AUDIO,
        "server_address": EVERY_ANTHROPIC,
        "service_tier": ANTHROPIC | OPENAI_STREAM,
        "reasoning_tokens": THOUGHT | OPENAI_STREAM,
        "finish_reason": THOUGHT,
        "ttft_s": ANTHROPIC_STREAM,
        # One token too many, from the event that opens the stream.
        "output_tokens": ANTHROPIC_STREAM,
        "cost_usd": ANTHROPIC_STREAM,
        "cost_status": ANTHROPIC_STREAM | COLD,
        "cost_reason": ANTHROPIC_STREAM | COLD,
    },
    "native": {"attempts": EVERY_ANTHROPIC, "retry_wait_s": EVERY_ANTHROPIC},
    "logfire": {
        **UNTOLD,
        "server_address": EVERY,
        # What is logged when a stream has ended tells its usage, and little else.
        "response_id": STREAMS,
        "response_model": STREAMS,
        "finish_reason": STREAMS,
        "ttft_s": STREAMS,
        "service_tier": OPENAI,
        "cost_status": OPENAI,
        "cost_reason": OPENAI,
        "cost_usd": TIER,
    },
    "pydantic-ai": {
        "attempts": AGENTS | ERRORS,
        "retry_wait_s": AGENTS | ERRORS,
        "request_id": AGENTS | ERRORS,
        "http_status": AGENTS,
        "error_type": ERRORS,
        "stream": STREAMS,
        "ttft_s": STREAMS,
        "input_audio_tokens": AGENT_OPENAI,
        "output_audio_tokens": AGENT_OPENAI,
        "cached_input_tokens": AGENT_OPENAI - WARM,
        "service_tier": AGENTS,
        "cost_status": AGENT_OPENAI,
        "cost_reason": AGENT_OPENAI,
        "finish_reason": frozenset({"anthropic cache cold", "anthropic cache warm"}),
    },
    "litellm": {
        "attempts": LITELLM | ERRORS,
        "retry_wait_s": LITELLM | ERRORS,
        "http_status": LITELLM,
        "error_type": ERRORS,
        "server_address": ERRORS,
        "ttft_s": STREAMS,
        # In place of Anthropic's it makes one up.
        "response_id": LITELLM & ANTHROPIC,
        "response_model": OPENAI_STREAM,
        "service_tier": ANTHROPIC_STREAM,
    },
    "langfuse": {
        "attempts": OPENAI | OPENAI_ERROR,
        "retry_wait_s": OPENAI | OPENAI_ERROR,
        "request_id": OPENAI | OPENAI_ERROR,
        "server_address": OPENAI | OPENAI_ERROR,
        "http_status": OPENAI,
        "response_id": OPENAI,
        # The answer's name for the model takes the place of what was asked for.
        "request_model": OPENAI,
        "finish_reason": OPENAI - OPENAI_STREAM,
        "error_type": OPENAI_ERROR,
        # Who answered is not told.
        "cost_status": OPENAI,
        "cost_reason": OPENAI,
    },
    "mistral": {
        "attempts": MISTRAL,
        "retry_wait_s": MISTRAL,
        "request_id": MISTRAL,
        "ttft_s": frozenset({"mistral stream"}),
        "output_tokens": frozenset({"mistral embedding"}),
    },
    "vercel, otel": {
        **VERCEL_BOTH,
        "http_status": VERCEL - ERRORS,
        "reasoning_tokens": VERCEL_TIERED,
        "server_address": VERCEL_ANTHROPIC | VERCEL_OTHER | ERRORS,
        "cost_status": VERCEL_TIERED | COLD,
        "cost_reason": VERCEL_TIERED | COLD,
        "cost_usd": TIER,
    },
    "vercel, legacy": {
        **VERCEL_BOTH,
        "http_status": VERCEL,
        "server_address": VERCEL,
        # Without its status, an error may have been billed or not.
        "price_book": ERRORS,
        "cost_status": VERCEL_TIERED | COLD | ERRORS,
        "cost_reason": VERCEL_TIERED | COLD | ERRORS,
        "cost_usd": TIER | ERRORS,
    },
}
