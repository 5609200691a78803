"""The simulator as its users see it: a server on loopback that a test scripts and reads."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from llmtrace.simulator.answers import Answer
from llmtrace.simulator.anthropic import Messages
from llmtrace.simulator.anthropic_admin import CostReport, UsageReport
from llmtrace.simulator.anthropic_batches import MessageBatches
from llmtrace.simulator.anthropic_complete import Complete
from llmtrace.simulator.anthropic_count import CountTokens
from llmtrace.simulator.azure import Azure
from llmtrace.simulator.batches import BatchBook
from llmtrace.simulator.bedrock import Converse
from llmtrace.simulator.bedrock_invoke import Invoke
from llmtrace.simulator.cohere import CohereChat, CohereEmbed, CohereRerank
from llmtrace.simulator.exchange import Latency, State
from llmtrace.simulator.faults import Fault, FaultSource
from llmtrace.simulator.gemini import EmbedContent, GenerateContent
from llmtrace.simulator.gemini_batches import GeminiBatches, GeminiFiles
from llmtrace.simulator.ledger import Ledger, Use, utc
from llmtrace.simulator.limits import LimitBook
from llmtrace.simulator.listener import HOST, Listener
from llmtrace.simulator.log import LoggedRequest
from llmtrace.simulator.mistral import Mistral
from llmtrace.simulator.ollama import OllamaChat, OllamaEmbed, OllamaGenerate
from llmtrace.simulator.openai import ChatCompletions
from llmtrace.simulator.openai_admin import CompletionsUsage, Costs, EmbeddingsUsage
from llmtrace.simulator.openai_batches import Batches
from llmtrace.simulator.openai_completions import Completions
from llmtrace.simulator.openai_embeddings import Embeddings
from llmtrace.simulator.openai_files import Files
from llmtrace.simulator.openai_media import make_media
from llmtrace.simulator.openai_responses import make_responses
from llmtrace.simulator.protocol import Protocol
from llmtrace.simulator.rates import Charge
from llmtrace.simulator.script import Script


def make_openai(book: BatchBook) -> tuple[Protocol, ...]:
    """The endpoints of OpenAI, each with a cold cache and nothing stored, but batches and files in BOOK."""
    endpoints = (ChatCompletions(), Completions(), Embeddings(), *make_media(), *make_responses())
    return (*endpoints, Files(book), Batches(book, endpoints))


def make_anthropic(book: BatchBook) -> tuple[Protocol, ...]:
    """The endpoints of Anthropic, with a cold cache, and batches in BOOK."""
    messages = Messages()
    return messages, CountTokens(), Complete(), MessageBatches(book, messages)


def make_bedrock() -> tuple[Protocol, ...]:
    """The endpoints of Amazon Bedrock's runtime."""
    return Converse(), Invoke()


def make_google(book: BatchBook) -> tuple[Protocol, ...]:
    """The endpoints of Google, with batches and files in BOOK."""
    content, embeddings = GenerateContent(), EmbedContent()
    return content, embeddings, GeminiBatches(book, content, embeddings), GeminiFiles(book)


def make_others() -> tuple[Protocol, ...]:
    """The endpoints of Mistral, Cohere and Ollama."""
    mistral = map(Mistral, (ChatCompletions(), Embeddings()))
    cohere = CohereChat(), CohereEmbed(), CohereRerank()
    return *mistral, *cohere, OllamaChat(), OllamaGenerate(), OllamaEmbed()


def make_admin(ledger: Ledger) -> tuple[Protocol, ...]:
    """The reports of usage and costs of both, from LEDGER."""
    return CompletionsUsage(ledger), EmbeddingsUsage(ledger), Costs(ledger), UsageReport(ledger), CostReport(ledger)


class Simulator:
    """OpenAI, Azure's OpenAI, Anthropic, Bedrock, Google, Mistral, Cohere and Ollama on a port of 127.0.0.1.

    Usable as a context manager, or between `start` and `stop`. Everything may be called from any thread.

    Args:
        port: the TCP port; 0 means any free one.
        seed: what answers and random faults depend on, beside the requests.
        latency_s: the wait before the first byte; a number, numbers by model ("*" for the others), or a function of
            the model and a seeded random generator.
        chunk_delay_s: the wait between two events of a stream.
        error_rate: the share of requests that fail at random.
        random_faults: what they fail with; by default the provider's usual 429 and 5xx.
        usage: usage objects to answer with, by the model that is asked for.
        requests_per_minute: the limit in the rate-limit headers, for each model.
        tokens_per_minute: the same for tokens.
        enforce_limits: answer 429 once a limit is used up, rather than only tell of it.
        compress: send answers gzipped to clients that accept it.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        seed: int = 0,
        latency_s: Latency = 0.0,
        chunk_delay_s: float = 0.0,
        error_rate: float = 0.0,
        random_faults: Sequence[Fault] = (),
        usage: Mapping[str, Mapping[str, Any]] | None = None,
        requests_per_minute: int = 30_000,
        tokens_per_minute: int = 150_000_000,
        enforce_limits: bool = False,
        compress: bool = False,
    ) -> None:
        """Set up what `start` starts."""
        faults: Script[Fault] = Script()
        self._batches = BatchBook()
        ledger = Ledger()
        self._state = State(
            seed=seed,
            latency_s=latency_s,
            chunk_delay_s=chunk_delay_s,
            enforces_limits=enforce_limits,
            compresses=compress,
            protocols=(
                *map(Azure, make_openai(self._batches)),
                *make_google(self._batches),
                *make_others(),
                *make_openai(self._batches),
                *make_anthropic(self._batches),
                *make_bedrock(),
                *make_admin(ledger),
            ),
            limits=LimitBook(requests_per_minute, tokens_per_minute),
            faults=FaultSource(faults, seed, error_rate, tuple(random_faults)),
            usages=dict(usage or {}),
            ledger=ledger,
        )
        self._wanted_port = port
        self._server: Listener | None = None

    def start(self) -> Self:
        """Listen, and answer in the background."""
        if self._server is not None:
            raise RuntimeError("the simulator is running")
        self._state.stopping.clear()
        self._server = Listener(self._wanted_port, self._state)
        self._server.start()
        return self

    def stop(self) -> None:
        """Close every connection and the port."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop."""
        self.stop()

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._server is None:
            raise RuntimeError("the simulator is not running")
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Where it listens, which also serves as an HTTP proxy's address."""
        return f"http://{HOST}:{self.port}"

    @property
    def openai_base_url(self) -> str:
        """What an OpenAI client needs as `base_url`."""
        return f"{self.url}/v1"

    @property
    def azure_endpoint(self) -> str:
        """What an Azure client needs as `azure_endpoint`; `/openai/v1` after it is a `base_url`."""
        return self.url

    @property
    def anthropic_base_url(self) -> str:
        """What an Anthropic client needs as `base_url`."""
        return self.url

    @property
    def bedrock_endpoint_url(self) -> str:
        """What a client of Bedrock's runtime needs as `endpoint_url`."""
        return self.url

    @property
    def google_base_url(self) -> str:
        """What a client of google-genai needs as `http_options={"base_url": ...}`."""
        return self.url

    @property
    def mistral_server_url(self) -> str:
        """What a Mistral client needs as `server_url`."""
        return f"{self.url}/mistral"

    @property
    def cohere_base_url(self) -> str:
        """What a Cohere client needs as `base_url`."""
        return self.url

    @property
    def ollama_host(self) -> str:
        """What an Ollama client needs as `host`."""
        return self.url

    def fault(self, fault: Fault, *, times: int = 1) -> None:
        """Let FAULT happen to the next requests it suits, after those that were asked for before."""
        self._state.faults.script.add(fault, times)

    def answer(
        self,
        text: str | None = None,
        *,
        tool_calls: Sequence[tuple[str, Mapping[str, Any]]] = (),
        refusal: str | None = None,
        refusal_category: str | None = None,
        usage: Mapping[str, Any] | None = None,
        finish_reason: str | None = None,
        response_model: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        stream: bool | None = None,
        times: int = 1,
    ) -> None:
        """Dictate the answer to the next requests to PROVIDER and MODEL; what is not given is made up as usual."""
        answer = Answer(
            text=text,
            tool_calls=tool_calls,
            refusal=refusal,
            refusal_category=refusal_category,
            usage=usage,
            finish_reason=finish_reason,
            response_model=response_model,
            provider=provider,
            model=model,
            stream=stream,
        )
        self._state.answers.add(answer, times)

    def fix_usage(self, model: str, usage: Mapping[str, Any] | None) -> None:
        """Answer every request for MODEL with exactly USAGE from now on; None ends that."""
        if usage is None:
            self._state.usages.pop(model, None)
        else:
            self._state.usages[model] = dict(usage)

    def expire_batch(self, id_: str) -> None:
        """Let the batch ID_ expire when it is next fetched, with the first half of its requests answered."""
        self._batches.expiring.add(id_)

    def bill(
        self,
        provider: str,
        model: str,
        usage: Mapping[str, Any],
        *,
        at: datetime | None = None,
        service_tier: str | None = None,
        batch: bool = False,
        scope: str | None = None,
        key: str | None = None,
        times: int = 1,
    ) -> None:
        """Put a use of MODEL on the bill that nobody asked here for: TIMES requests of USAGE, as an answer states it.

        AT is in UTC where it names no zone, and now where it is not given; SCOPE the project or workspace that pays,
        KEY the id of the API key. PROVIDER is "openai" or "anthropic".
        """
        self._state.ledger.add(
            Use.of(
                provider,
                model,
                usage,
                at=at,
                service_tier=service_tier,
                batch=batch,
                scope=scope,
                key=key,
                times=times,
            )
        )

    def charge(self, model: str, token_class: str, usd_per_mtok: str, *, since: datetime | None = None) -> None:
        """Bill a million of TOKEN_CLASS (`input_uncached`, `output` ...) of MODEL at USD_PER_MTOK from SINCE on."""
        at = utc(since) if since is not None else datetime.min.replace(tzinfo=UTC)
        self._state.ledger.charge(Charge(model, token_class, Decimal(usd_per_mtok), at))

    @property
    def requests(self) -> list[LoggedRequest]:
        """Every request so far, in the order of arrival."""
        return self._state.log.list()

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        self._state.log.clear()

    def settle(self, timeout_s: float = 2.0) -> bool:
        """Wait until no request is in flight, so that the log is final; False when some still are."""
        return self._state.log.settle(timeout_s)
