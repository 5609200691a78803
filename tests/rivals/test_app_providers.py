"""An app with a tracer of Logfire's, Datadog's or Sentry's: its calls are recorded, and that tracer gets no more."""

import json
import os
import subprocess
import textwrap
from pathlib import Path

import pytest
from conftest import recorded_calls

from llmtrace.simulator import Simulator

pytestmark = [pytest.mark.rivals, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
VENVS = Path(os.environ.get("RIVAL_VENVS", "~/venvs")).expanduser()

# What the app does to have each of them, and the names of the spans that it then has.
PROVIDERS = {
    "logfire": """
        import logfire
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        memory = InMemorySpanExporter()
        logfire.configure(send_to_logfire=False, console=False,
                          additional_span_processors=[SimpleSpanProcessor(memory)])
        def names(): return [s.name for s in memory.get_finished_spans()]
    """,
    "ddtrace": """
        os.environ["DD_TRACE_OTEL_ENABLED"] = "true"
        os.environ["DD_TRACE_ENABLED"] = "true"
        from opentelemetry import trace
        from ddtrace.opentelemetry import TracerProvider
        trace.set_tracer_provider(TracerProvider())
        from ddtrace.trace import tracer, TraceFilter
        seen = []
        class Note(TraceFilter):
            def process_trace(self, spans):
                seen.extend(s.resource for s in spans)
        tracer.configure(trace_processors=[Note()])
        def names(): return seen
    """,
    "sentry": """
        import sentry_sdk
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from sentry_sdk.integrations.opentelemetry import SentrySpanProcessor
        events = []
        sentry_sdk.init(dsn="http://k@127.0.0.1:9/1", traces_sample_rate=1.0, instrumenter="otel",
                        before_send_transaction=lambda event, hint: events.append(event["transaction"]))
        provider = TracerProvider()
        provider.add_span_processor(SentrySpanProcessor())
        trace.set_tracer_provider(provider)
        def names(): return list(events)
    """,
    "one of their own": """
        from opentelemetry import trace
        ended = []
        class Provider(trace.TracerProvider):  # as bare as the interface allows
            def get_tracer(self, *args, **options): return Tracer()
        class Tracer(trace.Tracer):
            def start_span(self, name, *args, **options):
                ended.append(name)
                return trace.INVALID_SPAN
            def start_as_current_span(self, name, *args, **options):
                ended.append(name)
                return trace.use_span(trace.INVALID_SPAN)
        trace.set_tracer_provider(Provider())
        def names(): return ended
    """,
}
APP = """
    import json, llmtrace, openai
    if sys.argv[2] == "1": llmtrace.instrument()
    from opentelemetry import trace
    client = openai.OpenAI(base_url=sys.argv[1], api_key="k", max_retries=0)
    asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    before = trace.get_tracer_provider()
    with trace.get_tracer("app").start_as_current_span("request"):
        client.chat.completions.create(**asked)
        list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert trace.get_tracer_provider() is before
    assert llmtrace.flush(10)
    print(json.dumps(sorted(names())))
"""


@pytest.mark.parametrize("order", ["provider first", "llmtrace first"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_calls_are_recorded_beside_a_provider_of_the_apps_that_gets_no_more(
    provider: str, order: str, simulator: Simulator, home: Path
) -> None:
    python = VENVS / f"provider-{provider}" / "bin" / "python"
    if provider == "one of their own":
        python = VENVS / "provider-sentry" / "bin" / "python"
    parts = [textwrap.dedent(PROVIDERS[provider]), textwrap.dedent(APP)]
    if order == "llmtrace first":
        parts.insert(0, 'import llmtrace\nif sys.argv[2] == "1": llmtrace.instrument()\n')
    code = "import os, sys\n" + "".join(parts)

    def run(is_traced: bool) -> list[str]:
        done = subprocess.run(
            [str(python), "-c", code, simulator.openai_base_url, str(int(is_traced))],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={"PATH": "/usr/bin:/bin", "HOME": str(home), "LLMTRACE_HOME": str(home), "PYTHONPATH": str(ROOT),
                 "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false", "DD_TRACE_AGENT_URL": "http://127.0.0.1:9"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "llmtrace" not in done.stderr
        names: list[str] = json.loads(done.stdout.splitlines()[-1])
        return names

    bare = run(is_traced=False)
    assert run(is_traced=True) == bare
    calls = recorded_calls(home)
    assert [(call.status, call.usage_source) for call in calls] == [("ok", "provider")] * 2
    assert len({call.trace_id for call in calls}) <= 2
