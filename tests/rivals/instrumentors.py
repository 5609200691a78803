"""Switches each instrumentor on, with its spans going to the processor that it is given."""

import os
from collections.abc import Callable
from typing import Any


def export(exported: Any) -> Any:
    """The app's provider of tracers, whose spans EXPORTED takes."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider()
    provider.add_span_processor(exported)
    trace.set_tracer_provider(provider)
    return provider


def instrument_langchain(exported: Any) -> None:
    from openinference.instrumentation.langchain import LangChainInstrumentor
    from openinference.instrumentation.openai import OpenAIInstrumentor

    export(exported)
    LangChainInstrumentor().instrument()
    OpenAIInstrumentor().instrument()


def instrument_openinference(exported: Any) -> None:
    from openinference.instrumentation.anthropic import AnthropicInstrumentor
    from openinference.instrumentation.openai import OpenAIInstrumentor

    export(exported)
    OpenAIInstrumentor().instrument()
    AnthropicInstrumentor().instrument()


def instrument_otelgenai(exported: Any) -> None:
    from opentelemetry.instrumentation.genai.anthropic import AnthropicInstrumentor
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    export(exported)
    OpenAIInstrumentor().instrument()
    AnthropicInstrumentor().instrument()


def instrument_otelv2(exported: Any) -> None:
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    export(exported)
    OpenAIInstrumentor().instrument()


def instrument_openllmetry(exported: Any) -> None:
    from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    export(exported)
    OpenAIInstrumentor().instrument()
    AnthropicInstrumentor().instrument()


def instrument_logfire(exported: Any) -> None:
    import logfire

    logfire.configure(send_to_logfire=False, console=False, additional_span_processors=[exported])
    logfire.instrument_openai()
    logfire.instrument_anthropic()


def instrument_pydantic_ai(exported: Any) -> None:
    from pydantic_ai import Agent, InstrumentationSettings

    Agent.instrument_all(InstrumentationSettings(tracer_provider=export(exported)))


def instrument_litellm(exported: Any) -> None:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    export(exported)
    litellm.suppress_debug_info = True
    litellm.callbacks = ["otel"]


def instrument_langfuse(exported: Any) -> None:
    from langfuse import Langfuse
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    Langfuse(public_key="p", secret_key="s", tracer_provider=export(exported), span_exporter=InMemorySpanExporter())


def instrument_mistral(exported: Any) -> None:
    os.environ["MISTRAL_SDK_TELEMETRY"] = "global"
    export(exported)


# Rival to (what switches it on, the SDKs that it watches).
RIVALS: dict[str, tuple[Callable[[Any], object], tuple[str, ...]]] = {
    "openinference": (instrument_openinference, ("openai", "anthropic")),
    "otelgenai": (instrument_otelgenai, ("openai", "anthropic")),
    "otelv2": (instrument_otelv2, ("openai",)),
    "openllmetry": (instrument_openllmetry, ("openai", "anthropic")),
    "logfire": (instrument_logfire, ("openai", "anthropic")),
    "pydantic-ai": (instrument_pydantic_ai, ("agents",)),
    "litellm": (instrument_litellm, ("litellm",)),
    "langfuse": (instrument_langfuse, ("langfuse",)),
    "mistral": (instrument_mistral, ("mistral",)),
    "native": (export, ("anthropic",)),
    "langchain": (instrument_langchain, ("langchain",)),
}
