"""OpenAI and Anthropic on your own machine: no key, no network, no cost, and every request on record.

The public API definitions are followed closely enough that the real SDKs work against it unchanged, in all their ways
of calling. Examples, `llmtrace demo` and the tests use it:

    with Simulator(seed=7) as sim:
        client = openai.OpenAI(base_url=sim.openai_base_url, api_key="any")
        sim.fault(Fault.status(429, retry_after_s=0.01), times=2)

Another process scripts and reads it over HTTP: `POST /_simulator/faults` and `/_simulator/answers` take the fields of
`Fault` and `Answer` with `times`, `GET /_simulator/requests` returns the log, `DELETE` empties each of them.
It imports nothing else of llmtrace and only the standard library.
"""

from llmtrace.simulator.answers import Answer
from llmtrace.simulator.exchange import Latency
from llmtrace.simulator.faults import Fault
from llmtrace.simulator.log import LoggedRequest
from llmtrace.simulator.server import Simulator

__all__ = ["Answer", "Fault", "Latency", "LoggedRequest", "Simulator"]
