"""What an SDK's release must do with llmtrace as without: run by the release's own interpreter, which prints JSON.

    python behaviours.py openai|anthropic HOME

Each behaviour is run bare and recorded, against a simulator each; the caller's side must be the same, and the journal
must hold the call, once, as it ended.
"""

import asyncio
import contextlib
import importlib
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel

import llmtrace
from llmtrace import codec, wire
from llmtrace.journal import Record, journal_folder, list_segments, read_segment
from llmtrace.model import Call, Span
from llmtrace.simulator import Fault, Simulator

MESSAGES = [{"role": "user", "content": "Tell me about the harbour at night, please."}]
VOLATILE = {"id", "created", "request_id", "_request_id", "signature"}
CHANGING_HEADERS = {"host", "idempotency-key", "x-stainless-read-timeout", "content-length", "connection"}
OWN_HOST = "http://api.openai.com/v1"


class Answer(BaseModel):
    city: str
    population: int


class NotThere(Exception):
    """This release has no such method."""


class Stop(Exception):
    """An exception of the application's."""


class OpenAI:
    """OpenAI's SDK: where its methods are, in whatever release."""

    arguments = {"model": "gpt-4o", "messages": MESSAGES, "max_tokens": 60}  # noqa: RUF012
    stream_arguments = {"stream_options": {"include_usage": True}}  # noqa: RUF012
    early_usage = "estimated"

    def __init__(self) -> None:
        self.sdk: Any = importlib.import_module("openai")

    def client(self, sim: Simulator, **options: Any) -> Any:
        return self.sdk.OpenAI(base_url=sim.openai_base_url, api_key="k", **options)

    def client_async(self, sim: Simulator, **options: Any) -> Any:
        return self.sdk.AsyncOpenAI(base_url=sim.openai_base_url, api_key="k", **options)

    def own_host_client(self, sim: Simulator) -> Any:
        http = self.sdk.DefaultHttpxClient(proxy=sim.url)
        return self.sdk.OpenAI(base_url=OWN_HOST, api_key="k", http_client=http)

    def resource(self, client: Any) -> Any:
        return client.chat.completions

    def helper(self, client: Any) -> Any:
        return find(client, "chat.completions.stream", "beta.chat.completions.stream")(
            **self.arguments, **self.stream_arguments
        )

    def count(self, client: Any) -> Any:
        return find(client, "responses.input_tokens.count")(model="gpt-4o", input="Where?").input_tokens

    def parse(self, client: Any) -> Any:
        method = find(client, "chat.completions.parse", "beta.chat.completions.parse")
        return method(**self.arguments, response_format=Answer)


class Anthropic:
    """Anthropic's SDK."""

    arguments = {"model": "claude-sonnet-4-6", "messages": MESSAGES, "max_tokens": 60}  # noqa: RUF012
    stream_arguments: dict[str, Any] = {}  # noqa: RUF012
    early_usage = "estimated"

    def __init__(self) -> None:
        self.sdk: Any = importlib.import_module("anthropic")

    def client(self, sim: Simulator, **options: Any) -> Any:
        return self.sdk.Anthropic(base_url=sim.anthropic_base_url, api_key="k", **options)

    def client_async(self, sim: Simulator, **options: Any) -> Any:
        return self.sdk.AsyncAnthropic(base_url=sim.anthropic_base_url, api_key="k", **options)

    def own_host_client(self, sim: Simulator) -> Any:
        raise NotThere

    def resource(self, client: Any) -> Any:
        return client.messages

    def helper(self, client: Any) -> Any:
        return find(client, "messages.stream")(**self.arguments)

    def count(self, client: Any) -> Any:
        arguments = {k: v for k, v in self.arguments.items() if k != "max_tokens"}
        return find(client, "messages.count_tokens", "beta.messages.count_tokens")(**arguments).input_tokens

    def parse(self, client: Any) -> Any:
        return find(client, "messages.parse", "beta.messages.parse")(**self.arguments, output_format=Answer)


Sdk = OpenAI | Anthropic


def find(client: Any, *paths: str) -> Any:
    """The first of the methods at PATHS that CLIENT has."""
    for path in paths:
        found = client
        with contextlib.suppress(AttributeError):
            for name in path.split("."):
                found = getattr(found, name)
            return found
    raise NotThere


# What the application does: it returns what it saw.


def create(sdk: Sdk, sim: Simulator) -> Any:
    with sdk.client(sim) as client:
        return sdk.resource(client).create(**sdk.arguments)


def create_async(sdk: Sdk, sim: Simulator) -> Any:
    async def use() -> Any:
        async with sdk.client_async(sim) as client:
            return await sdk.resource(client).create(**sdk.arguments)

    return asyncio.run(use())


def stream(sdk: Sdk, sim: Simulator) -> Any:
    with sdk.client(sim) as client:
        return list(sdk.resource(client).create(**sdk.arguments, **sdk.stream_arguments, stream=True))


def stream_async(sdk: Sdk, sim: Simulator) -> Any:
    async def use() -> Any:
        async with sdk.client_async(sim) as client:
            made = await sdk.resource(client).create(**sdk.arguments, **sdk.stream_arguments, stream=True)
            return [item async for item in made]

    return asyncio.run(use())


def helper(sdk: Sdk, sim: Simulator) -> Any:
    with sdk.client(sim) as client, sdk.helper(client) as opened:
        return [type(item).__name__ for item in opened]


def parse(sdk: Sdk, sim: Simulator) -> Any:
    with sdk.client(sim) as client:
        return sdk.parse(client)


def early_break(sdk: Sdk, sim: Simulator) -> Any:
    seen = []
    with sdk.client(sim) as client, sdk.resource(client).create(**sdk.arguments, stream=True) as opened:
        for item in opened:
            seen.append(item)
            if len(seen) == 3:
                break
    return seen


def exception_in_loop(sdk: Sdk, sim: Simulator) -> Any:
    seen = []
    try:
        with sdk.client(sim) as client, sdk.resource(client).create(**sdk.arguments, stream=True) as opened:
            for item in opened:
                seen.append(item)
                if len(seen) == 3:
                    raise Stop
    except Stop as err:
        return seen, type(err).__name__, err.__cause__
    raise AssertionError("the application's exception did not come through")


def cancelled(sdk: Sdk, sim: Simulator) -> Any:
    sim.answer(text="word " * 500)
    sim.fault(Fault.slow(0.02))

    async def use() -> Any:
        reading = asyncio.Event()

        async def read() -> None:
            async with (
                sdk.client_async(sim) as client,
                await sdk.resource(client).create(**sdk.arguments, stream=True) as opened,
            ):
                async for _ in opened:
                    reading.set()

        task = asyncio.create_task(read())
        await asyncio.wait_for(reading.wait(), 20)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return task.cancelled()

    return asyncio.run(use())


def retried_then_fine(sdk: Sdk, sim: Simulator) -> Any:
    sim.fault(Fault.status(429, retry_after_ms=5))
    with sdk.client(sim, max_retries=2) as client:
        return sdk.resource(client).create(**sdk.arguments)


def retries_exhausted(sdk: Sdk, sim: Simulator) -> Any:
    sim.fault(Fault.status(500, retry_after_ms=5), times=2)
    try:
        with sdk.client(sim, max_retries=1) as client:
            sdk.resource(client).create(**sdk.arguments)
    except sdk.sdk.InternalServerError as err:
        return type(err).__name__, err.status_code
    raise AssertionError("the SDK's exception did not come through")


def raw_response(sdk: Sdk, sim: Simulator) -> Any:
    with sdk.client(sim) as client:
        raw = sdk.resource(client).with_raw_response.create(**sdk.arguments)
        return type(raw).__name__, raw.http_response.status_code, raw.parse()


def streaming_response(sdk: Sdk, sim: Simulator) -> Any:
    with sdk.client(sim) as client:
        opened = sdk.resource(client).with_streaming_response.create(**sdk.arguments)
        with opened as raw:
            return type(raw).__name__, json.loads(b"".join(raw.iter_bytes()))


def invisible_usage(sdk: Sdk, sim: Simulator) -> Any:
    with sdk.own_host_client(sim) as client:
        made = sdk.resource(client).create(**sdk.arguments, stream=True)
        return type(made).__name__, list(made)


def image(sdk: Sdk, sim: Simulator) -> Any:
    with sdk.client(sim) as client:
        return find(client, "images.generate")(model="gpt-image-1", prompt="A harbour")


def speech(sdk: Sdk, sim: Simulator) -> Any:
    with sdk.client(sim) as client:
        return find(client, "audio.speech.create")(model="tts-1", voice="alloy", input="A harbour").content


def moderation(sdk: Sdk, sim: Simulator) -> Any:
    with sdk.client(sim) as client:
        return find(client, "moderations.create")(input="A harbour")


def count(sdk: Sdk, sim: Simulator) -> Any:
    with sdk.client(sim) as client:
        return sdk.count(client)


def feature(sdk: Sdk, sim: Simulator) -> Any:
    with llmtrace.feature("summarize", user="u1"):
        return create(sdk, sim)


# name -> (what the app does, what the journal must say)
Check = Callable[[Call, Sdk], bool]
ANSWERED: Check = lambda call, sdk: (call.status, call.usage_source, call.usage_complete) == ("ok", "provider", True)  # noqa: E731
GIVEN_UP: Check = lambda call, sdk: (call.status, call.usage_complete) == ("cancelled", False)  # noqa: E731
BEHAVIOURS: dict[str, tuple[Callable[[Sdk, Simulator], Any], Check]] = {
    "create": (create, ANSWERED),
    "async create": (create_async, ANSWERED),
    "stream": (stream, lambda c, s: ANSWERED(c, s) and c.ttft_s is not None),
    "async stream": (stream_async, lambda c, s: ANSWERED(c, s) and c.ttft_s is not None),
    ".stream() helper": (helper, ANSWERED),
    "parse": (parse, ANSWERED),
    "early break": (early_break, GIVEN_UP),
    "exception in loop": (exception_in_loop, GIVEN_UP),
    "cancelled": (cancelled, GIVEN_UP),
    "retried, then fine": (
        retried_then_fine,
        lambda c, s: ANSWERED(c, s) and [a.outcome for a in c.attempts] == ["429", "200"],
    ),
    "retries exhausted": (
        retries_exhausted,
        lambda c, s: (c.status, c.http_status, [a.outcome for a in c.attempts]) == ("error", 500, ["500", "500"]),
    ),
    "with_raw_response": (raw_response, ANSWERED),
    "with_streaming_response": (streaming_response, ANSWERED),
    "image": (image, lambda c, s: ANSWERED(c, s) and c.request.endpoint == "images.generations"),
    "speech": (speech, lambda c, s: c.status == "ok" and c.response.usage == {"input_characters": 9}),
    "moderation": (moderation, lambda c, s: (c.status, c.request.endpoint) == ("ok", "moderations")),
    "token count": (count, lambda c, s: (c.status, c.request.operation) == ("ok", "count_tokens")),
    "include_usage invisible": (invisible_usage, ANSWERED),
    "feature": (feature, lambda c, s: ANSWERED(c, s) and (c.feature, c.user_id) == ("summarize", "u1")),
}


def stable(value: Any) -> Any:
    """VALUE without what differs from one call to the next."""
    if isinstance(value, BaseModel):
        return (type(value).__qualname__, stable(value.model_dump(exclude_unset=True)), sorted(value.model_fields_set))
    if isinstance(value, dict):
        return {k: stable(v) for k, v in value.items() if k not in VOLATILE}
    return [stable(v) for v in value] if isinstance(value, list | tuple) else value


def asked(sim: Simulator) -> list[Any]:
    """What the provider was asked, as far as the same app asks the same."""
    requests = []
    for request in sim.requests:
        body = dict(request.body)
        if request.path.startswith("http") or "api.openai.com" in str(request.headers.get("host")):
            body.pop("stream_options", None)  # the one thing that llmtrace asks for
        headers = {k: v for k, v in request.headers.items() if k not in CHANGING_HEADERS}
        requests.append((request.method, body, headers))
    return requests


def spans(home: Path) -> list[Span]:
    assert llmtrace.flush(10.0)
    records = [r for s in list_segments(journal_folder(home)) for r in read_segment(s, 0)]
    return [span for r in records if isinstance(r, Record) for span in wire.decode(r.payload)]


def journal(home: Path) -> list[Call]:
    return [call for span in spans(home) if (call := codec.decode(span)) is not None]


def originals(sdk: Sdk) -> list[Any]:
    base = sdk.sdk._base_client
    return [dict(vars(getattr(base, name))) for name in ("BaseClient", "SyncAPIClient", "AsyncAPIClient")]


def run(name: str, sdk: Sdk, home: Path) -> None:
    """Raise unless the behaviour NAME is the same with llmtrace as without, and recorded as it was."""
    use, check = BEHAVIOURS[name]
    with Simulator(seed=7) as bare_sim, Simulator(seed=7) as sim:
        bare = stable(use(sdk, bare_sim))
        before = len(journal(home)) if home.exists() else 0
        llmtrace.instrument(home=home)
        try:
            seen = stable(use(sdk, sim))
            calls = journal(home)[before:]
        finally:
            llmtrace.uninstrument()
        assert seen == bare, f"saw {seen} instead of {bare}"
        assert asked(sim) == asked(bare_sim), f"asked {asked(sim)} instead of {asked(bare_sim)}"
    assert len(calls) == 1, f"{len(calls)} calls recorded"
    assert check(calls[0], sdk), f"recorded {calls[0]}"


def uninstrument(sdk: Sdk, home: Path) -> None:
    """Raise unless everything is the SDK's own again."""
    before = originals(sdk)
    llmtrace.instrument(home=home)
    assert originals(sdk) != before
    llmtrace.uninstrument()
    assert originals(sdk) == before
    count = len(journal(home))
    with Simulator(seed=7) as sim:
        create(sdk, sim)
    assert len(journal(home)) == count


def app_spans(sdk: Sdk, home: Path) -> None:
    """Raise unless the app's own OpenTelemetry pipeline gets a call once, and the journal its attempts below it.

    It sets the process's provider, and comes last therefore.
    """
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    llmtrace.shutdown(10.0)
    llmtrace.instrument(home=home / "shared", share_spans=True, http_spans=True)
    with Simulator(seed=7) as sim:
        sim.fault(Fault.status(429, retry_after_ms=5))
        create(sdk, sim)
        assert all("traceparent" not in request.headers for request in sim.requests)
    (call,) = journal(home / "shared")
    (shared,) = exporter.get_finished_spans()
    assert shared.context is not None
    assert f"{shared.context.span_id:016x}" == call.span_id
    attempts = [span for span in spans(home / "shared") if span.span_id != call.span_id]
    assert [span.parent_span_id for span in attempts] == [call.span_id] * 2
    assert [span.attributes["http.response.status_code"] for span in attempts] == [429, 200]
    llmtrace.shutdown(10.0)


def outcome(what: Callable[[], None]) -> str:
    try:
        what()
    except NotThere:
        return "n/a"
    except Exception:
        return traceback.format_exc(limit=-4)[-1500:]
    return "yes"


if __name__ == "__main__":
    sdk: Sdk = OpenAI() if sys.argv[1] == "openai" else Anthropic()
    folder = Path(sys.argv[2])
    results = {name: outcome(lambda name=name: run(name, sdk, folder)) for name in BEHAVIOURS}  # type: ignore[misc]
    results["uninstrument"] = outcome(lambda: uninstrument(sdk, folder))
    results["share_spans and http_spans"] = outcome(lambda: app_spans(sdk, folder))
    print(json.dumps({"version": sdk.sdk.__version__, "results": results}))
