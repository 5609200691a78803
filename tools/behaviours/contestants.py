"""Who takes part: how each is switched on inside the application, as its documentation recommends."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

Flush = Callable[[], object]


@dataclass(frozen=True)
class Contestant:
    """A tool that records calls.

    `environment` is the name of its environment beside the others (`rival-NAME`; None: llmtrace's own), `packages`
    those whose versions are told, `settings` its environment variables, `note` what is set and why. `start` switches
    it on for a receiver of OTLP at the address it is given, and returns what hands the spans over.
    """

    name: str
    environment: str | None
    packages: tuple[str, ...]
    start: Callable[[str], Flush]
    settings: dict[str, str] = field(default_factory=dict)
    note: str = ""


def start_nothing(receiver: str) -> Flush:
    """Record nothing: what the application sees by itself."""
    return lambda: None


def start_llmtrace(receiver: str) -> Flush:
    """llmtrace, whose spans go to an OTLP backend."""
    import llmtrace

    llmtrace.instrument("behaviours", otlp=receiver)
    return lambda: llmtrace.flush(10.0)


def provide(receiver: str) -> Flush:
    """OpenTelemetry's own pipeline to RECEIVER."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{receiver}/v1/traces")))
    trace.set_tracer_provider(provider)
    return lambda: provider.force_flush(10_000)


def start_otel(receiver: str) -> Flush:
    """OpenTelemetry's GenAI instrumentations."""
    flush = provide(receiver)
    from opentelemetry.instrumentation.genai.anthropic import AnthropicInstrumentor
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()
    AnthropicInstrumentor().instrument()
    return flush


def start_openinference(receiver: str) -> Flush:
    """OpenInference's."""
    flush = provide(receiver)
    from openinference.instrumentation.anthropic import AnthropicInstrumentor
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()
    AnthropicInstrumentor().instrument()
    return flush


def start_openllmetry(receiver: str) -> Flush:
    """OpenLLMetry's."""
    flush = provide(receiver)
    from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()
    AnthropicInstrumentor().instrument()
    return flush


def start_langfuse(receiver: str) -> Flush:
    """Langfuse: its drop-in for OpenAI's SDK, and the instrumentation that it recommends for Anthropic's."""
    os.environ.update(LANGFUSE_PUBLIC_KEY="pk-lf-x", LANGFUSE_SECRET_KEY="sk-lf-x", LANGFUSE_BASE_URL=receiver)
    from langfuse import get_client
    from langfuse.openai import openai  # noqa: F401
    from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor

    client = get_client()
    AnthropicInstrumentor().instrument()
    return client.flush


BARE = Contestant("nothing", None, (), start_nothing)
CONTESTANTS: tuple[Contestant, ...] = (
    Contestant("llmtrace", None, ("llmtrace-sidecar",), start_llmtrace, note="`instrument(otlp=...)`, no option"),
    Contestant(
        "OpenTelemetry GenAI",
        "otelgenai",
        ("opentelemetry-instrumentation-genai-openai", "opentelemetry-instrumentation-genai-anthropic"),
        start_otel,
        {
            "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
        },
        "content kept on its spans, newest conventions",
    ),
    Contestant(
        "OpenInference",
        "openinference",
        ("openinference-instrumentation-openai", "openinference-instrumentation-anthropic"),
        start_openinference,
        note="content kept, as by default: its spans repeat the answer with its usage",
    ),
    Contestant(
        "OpenLLMetry",
        "openllmetry",
        ("opentelemetry-instrumentation-openai", "opentelemetry-instrumentation-anthropic"),
        start_openllmetry,
        {"TRACELOOP_TRACE_CONTENT": "true"},
        "content kept, as by default",
    ),
    Contestant(
        "Langfuse",
        "langfuse",
        ("langfuse", "opentelemetry-instrumentation-anthropic"),
        start_langfuse,
        note="`langfuse.openai`, and for Anthropic the instrumentation that its documentation names",
    ),
)
