"""Spans on to an OTLP backend, each with its cost, beside the local database.

    OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 python examples/otlp_export.py

or `llmtrace.instrument(otlp="http://127.0.0.1:4318")` in the code.
"""

from provider import clients

import llmtrace

llmtrace.instrument("otlp-example")

with clients() as (chat, claude), llmtrace.feature("summarize"):
    chat.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "Summarize: the harbour is quiet tonight."}]
    )

print("delivered" if llmtrace.flush(10) else "not delivered: is the backend up?")
