"""An app that traces itself with OpenTelemetry already.

llmtrace takes the app's current span as the parent of its calls, and leaves the app's provider, exporters and requests
as they are.
"""

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from provider import clients

import llmtrace

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=lambda span: f"app span: {span.name}\n")))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("shop")

llmtrace.instrument("shop")

with (
    clients() as (chat, claude),
    tracer.start_as_current_span("POST /checkout") as span,
    llmtrace.feature("fraud-check"),
):
    chat.chat.completions.create(
        model="gpt-4o-mini", max_tokens=20, messages=[{"role": "user", "content": "Is order 17 suspicious?"}]
    )
    print(f"trace: {span.get_span_context().trace_id:032x}")
