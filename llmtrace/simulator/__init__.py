"""The providers' APIs on your own machine: no key, no network, no cost, and every request on record.

The public API definitions are followed closely enough that the real SDKs work against it unchanged, in all their ways
of calling. Examples, `llmtrace demo` and the tests use it:

    with Simulator(seed=7) as sim:
        client = openai.OpenAI(base_url=sim.openai_base_url, api_key="any")
        sim.fault(Fault.status(429, retry_after_s=0.01), times=2)

It answers chat completions, responses (streamed, in the background, fetched again, compacted), text completions and
embeddings, the same under Azure's paths (`AzureOpenAI(azure_endpoint=sim.azure_endpoint, ...)`), and messages with
their server tools, token counts and the older completions. A response in the background is queued when it is made, in
progress when it is first fetched, and completed from the second time on. So is a batch, of files (OpenAI) or of
messages (Anthropic), with its results; one that is cancelled, or that `expire_batch` names, leaves half of them undone.

Google's answers and embeddings are at `genai.Client(http_options={"base_url": sim.google_base_url}, ...)`, Mistral's
chat and embeddings at `server_url=sim.mistral_server_url`, Cohere's, and its ranking, at
`base_url=sim.cohere_base_url` and Ollama's at `host=sim.ollama_host`.

Usage and costs of the organization are reported to whoever shows an admin key (`sk-admin-...`, `sk-ant-admin...`): what
was answered, at printed prices, and what `Simulator.bill` added.

Another process scripts and reads it over HTTP: `POST /_simulator/faults` and `/_simulator/answers` take the fields of
`Fault` and `Answer` with `times`, `POST /_simulator/bill` those of `Simulator.bill`, `GET /_simulator/requests` returns
the log, `DELETE` empties each of them.
It imports nothing else of llmtrace and only the standard library.
"""

from llmtrace.simulator.answers import Answer
from llmtrace.simulator.exchange import Latency
from llmtrace.simulator.faults import Fault
from llmtrace.simulator.log import LoggedRequest
from llmtrace.simulator.server import Simulator

__all__ = ["Answer", "Fault", "Latency", "LoggedRequest", "Simulator"]
