"""Makes the same calls under llmtrace and under another instrumentor; run with the other's own interpreter.

usage: traffic.py RIVAL SIMULATOR_URL RECEIVER_URL     LLMTRACE_HOME names the journal.
"""

import contextlib
import json
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

QUESTION: list[Any] = [{"role": "user", "content": "Tell me about the harbour at night, please."}]
LONG = "The harbour master keeps a book of every ship that came in at night. " * 120
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OPENAI: dict[str, Any] = {"model": "gpt-4o", "messages": QUESTION, "max_tokens": 60, "temperature": 0.5}
ANTHROPIC: dict[str, Any] = {"model": "claude-sonnet-4-6", "messages": QUESTION, "max_tokens": 60}
OPENAI_TOOL = {"type": "function", "function": {"name": "weather", "description": "Weather", "parameters": SCHEMA}}
ANTHROPIC_TOOL = {"name": "weather", "description": "Weather", "input_schema": SCHEMA}
CACHED = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]


def fail_once(simulator: str, provider: str) -> None:
    """Let the simulator refuse PROVIDER's next request."""
    body = json.dumps({"status_code": 400, "provider": provider}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{simulator}/_simulator/faults", body, method="POST")).read()


def read(stream: Any) -> None:
    for _ in stream:
        pass


def openai_calls(simulator: str) -> dict[str, Callable[[], Any]]:
    import openai

    create = openai.OpenAI(base_url=f"{simulator}/v1", api_key="k", max_retries=0).chat.completions.create
    long = {**OPENAI, "messages": [{"role": "system", "content": LONG}, *QUESTION]}
    streamed = {"stream": True, "stream_options": {"include_usage": True}}
    return {
        "openai plain": lambda: create(**OPENAI),
        "openai stream": lambda: read(create(**OPENAI, **streamed)),
        "openai tool": lambda: create(**OPENAI, tools=[OPENAI_TOOL]),
        "openai error": lambda: create(**OPENAI),
        "openai cache cold": lambda: create(**long),
        "openai cache warm": lambda: create(**long),
        "openai reasoning": lambda: create(model="o4-mini", messages=QUESTION, max_completion_tokens=3000),
        "openai tier": lambda: create(model="o4-mini", messages=QUESTION, service_tier="flex"),
    }


def anthropic_calls(simulator: str) -> dict[str, Callable[[], Any]]:
    import anthropic

    create = anthropic.Anthropic(base_url=simulator, api_key="k", max_retries=0).messages.create
    thinking = {"type": "enabled", "budget_tokens": 1024}
    return {
        "anthropic plain": lambda: create(**ANTHROPIC),
        "anthropic stream": lambda: read(create(**ANTHROPIC, stream=True)),
        "anthropic tool": lambda: create(**ANTHROPIC, tools=[ANTHROPIC_TOOL]),
        "anthropic error": lambda: create(**ANTHROPIC),
        "anthropic cache cold": lambda: create(**ANTHROPIC, system=CACHED),
        "anthropic cache warm": lambda: create(**ANTHROPIC, system=CACHED),
        "anthropic thinking": lambda: create(**{**ANTHROPIC, "max_tokens": 3000}, thinking=thinking),
    }


def langchain_calls(simulator: str) -> dict[str, Callable[[], Any]]:
    """A framework above the SDKs: each call inside a chain, which makes a span of its own."""
    from langchain_anthropic import ChatAnthropic
    from langchain_core.runnables import RunnableLambda
    from langchain_openai import ChatOpenAI

    asked: Any = RunnableLambda(lambda text: [("user", text)])
    gpt = ChatOpenAI(model="gpt-4o", base_url=f"{simulator}/v1", api_key="k", max_retries=0, stream_usage=True)
    claude = ChatAnthropic(model="claude-sonnet-4-6", base_url=simulator, api_key="k", max_retries=0, max_tokens=60)
    return {
        "openai plain": lambda: (asked | gpt).invoke("Tell me about the harbour."),
        "openai stream": lambda: read((asked | gpt).stream("Tell me about the harbour.")),
        "openai error": lambda: (asked | gpt).invoke("Tell me about the harbour."),
        "anthropic plain": lambda: (asked | claude).invoke("Tell me about the harbour."),
        "anthropic stream": lambda: read((asked | claude).stream("Tell me about the harbour.")),
        "anthropic error": lambda: (asked | claude).invoke("Tell me about the harbour."),
    }


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


# Rival to (what switches it on, the SDKs that it watches).
RIVALS: dict[str, tuple[Callable[[Any], object], tuple[str, ...]]] = {
    "openinference": (instrument_openinference, ("openai", "anthropic")),
    "otelgenai": (instrument_otelgenai, ("openai", "anthropic")),
    "otelv2": (instrument_otelv2, ("openai",)),
    "openllmetry": (instrument_openllmetry, ("openai", "anthropic")),
    "logfire": (instrument_logfire, ("openai", "anthropic")),
    "native": (export, ("anthropic",)),
    "langchain": (instrument_langchain, ("langchain",)),
}


def main(rival: str, simulator: str, receiver: str) -> None:
    """Call everything that RIVAL watches, one after the other, and hand its spans to RECEIVER."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    import llmtrace

    exported = BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{receiver}/v1/traces"))
    switch_on, sdks = RIVALS[rival]
    switch_on(exported)
    llmtrace.instrument(service_name="rivals")
    makers = {"openai": openai_calls, "anthropic": anthropic_calls, "langchain": langchain_calls}
    calls = {name: call for sdk in sdks for name, call in makers[sdk](simulator).items()}
    for name, call in calls.items():
        if name.endswith("error"):
            fail_once(simulator, name.split()[0])
            with contextlib.suppress(Exception):
                call()
        else:
            call()
    if not (llmtrace.flush(10.0) and exported.force_flush(10_000)):
        raise SystemExit("the spans could not be handed over")
    llmtrace.shutdown()
    exported.shutdown()
    print(json.dumps(list(calls)))


if __name__ == "__main__":
    main(*sys.argv[1:])
