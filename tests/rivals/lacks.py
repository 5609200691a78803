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
}
