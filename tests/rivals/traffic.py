"""Makes the same calls under llmtrace and under another instrumentor; run with the other's own interpreter.

usage: traffic.py RIVAL SIMULATOR_URL RECEIVER_URL     LLMTRACE_HOME names the journal.
"""

import contextlib
import json
import sys
import urllib.request

from calls import MAKERS
from instrumentors import RIVALS


def fail_once(simulator: str, provider: str) -> None:
    """Let the simulator refuse PROVIDER's next request."""
    body = json.dumps({"status_code": 400, "provider": provider}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{simulator}/_simulator/faults", body, method="POST")).read()


def main(rival: str, simulator: str, receiver: str) -> None:
    """Call everything that RIVAL watches, one after the other, and hand its spans to RECEIVER."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    import llmtrace

    exported = BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{receiver}/v1/traces"))
    switch_on, sdks = RIVALS[rival]
    switch_on(exported)
    llmtrace.instrument(service_name="rivals")
    calls = {name: call for sdk in sdks for name, call in MAKERS[sdk](simulator).items()}
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
    print(json.dumps([one for name in calls for one in name.split(" + ")]))


if __name__ == "__main__":
    main(*sys.argv[1:])
