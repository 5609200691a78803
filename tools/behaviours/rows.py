"""The behaviours, as data: the calls that the application makes, and what is checked of each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from behaviours import anthropic_calls as a
from behaviours import endings as e
from behaviours import openai_calls as o
from behaviours import openai_more as m
from behaviours import places as p
from behaviours.lab import Lab

Ending = Literal["answered", "failed", "broken", "left"]


@dataclass(frozen=True)
class Behaviour:
    """One row: what the application does, and what of it should be known afterwards.

    `ending` is how the calls end: answered, failed before an answer, broken off by the server within one, or left by
    the application. `calls` is how many there are. Of each, model, tokens and failure are checked; `also` names what
    the row is about beyond that. `told` says where the true usage stands: in the log of the simulator, in the answers
    that the application saw, or nowhere, so that no count may be invented. `bill` is "once" where several requests
    tell of one usage and "nothing" where none may be billed. `checks` is what is compared: spans, or only the classes
    that the application sees or the requests that it makes. A row that is `alone` has a process of its own.
    """

    name: str
    group: str
    use: Callable[[Lab], Any]
    calls: int = 1
    ending: Ending = "answered"
    also: tuple[str, ...] = ()
    told: Literal["log", "seen", "nowhere"] = "log"
    bill: Literal["each", "once", "nothing"] = "each"
    checks: Literal["spans", "classes", "requests"] = "spans"
    alone: bool = False


CHAT, STREAM, RESPONSE, OTHER = "OpenAI: chat", "OpenAI: streams of chat", "OpenAI: responses", "OpenAI: the rest"
END, WHERE, CLAUDE, APP = "Endings", "Where calls are made", "Anthropic", "What the application notices"

BEHAVIOURS: tuple[Behaviour, ...] = (
    Behaviour("`chat.completions.create`", CHAT, o.create),
    Behaviour("the same, async", CHAT, o.create_async),
    Behaviour("`chat.completions.parse`", CHAT, o.parse),
    Behaviour("the same, async", CHAT, o.parse_async),
    Behaviour("`with_raw_response`", CHAT, o.raw),
    Behaviour("`with_streaming_response`", CHAT, o.streaming_response),
    Behaviour("a tool is called: why the model stopped", CHAT, o.tool, also=("finish",)),
    Behaviour("structured output", CHAT, o.structured),
    Behaviour("the answer runs into its limit: the same", CHAT, o.cut_short, also=("finish",)),
    Behaviour("cached tokens", CHAT, o.cached, calls=2, also=("cached",)),
    Behaviour("reasoning tokens", CHAT, o.reasoning, also=("reasoning",)),
    Behaviour("three choices (`n=3`)", CHAT, o.choices),
    Behaviour("tokens of audio, in and out", CHAT, o.audio_chat, also=("audio",)),
    Behaviour("the server tells no usage: no count, never 0", CHAT, o.no_usage, told="nowhere"),
    Behaviour("`stream=True`, usage asked for", STREAM, o.stream, also=("stream",)),
    Behaviour("the same, async", STREAM, o.stream_async, also=("stream",)),
    Behaviour("a tool is called in a stream: why the model stopped", STREAM, o.tool_stream, also=("finish",)),
    Behaviour("usage not asked for, elsewhere: no count, never 0", STREAM, o.stream_silent, told="nowhere"),
    Behaviour("usage not asked for, at OpenAI: tokens known", STREAM, o.stream_own_host),
    Behaviour("`.stream()` helper", STREAM, o.helper),
    Behaviour("the same, async", STREAM, o.helper_async),
    Behaviour("`with_raw_response` of a stream", STREAM, o.raw_stream),
    Behaviour("`responses.create`", RESPONSE, m.respond),
    Behaviour("the same, async", RESPONSE, m.respond_async),
    Behaviour("`responses.create(stream=True)`", RESPONSE, m.respond_stream),
    Behaviour("the same, async", RESPONSE, m.respond_stream_async),
    Behaviour("`responses.stream()` helper", RESPONSE, m.respond_helper),
    Behaviour("`responses.parse`", RESPONSE, m.respond_parse),
    Behaviour("`responses.with_raw_response`", RESPONSE, m.respond_raw),
    Behaviour("in the background, then fetched: one bill", RESPONSE, m.background, bill="once"),
    Behaviour("`embeddings.create`", OTHER, m.embed),
    Behaviour("the same, async", OTHER, m.embed_async),
    Behaviour("`images.generate`", OTHER, m.image),
    Behaviour("`audio.speech.create`: no usage is told", OTHER, m.speak, told="nowhere"),
    Behaviour("`audio.transcriptions.create`", OTHER, m.transcribe),
    Behaviour("`moderations.create`", OTHER, m.moderate, told="nowhere"),
    Behaviour("`completions.create`", OTHER, m.complete),
    Behaviour("a batch of two, results read", OTHER, m.batch, calls=2, told="seen", alone=True),
    Behaviour("`messages.create`", CLAUDE, a.create),
    Behaviour("the same, async", CLAUDE, a.create_async),
    Behaviour("`stream=True`", CLAUDE, a.stream, also=("stream",)),
    Behaviour("the same, async", CLAUDE, a.stream_async),
    Behaviour("`.stream()` helper", CLAUDE, a.helper),
    Behaviour("the same, async", CLAUDE, a.helper_async),
    Behaviour("`.stream()` helper, `text_stream`", CLAUDE, a.helper_text),
    Behaviour("`beta.messages.create`", CLAUDE, a.beta),
    Behaviour("`beta.messages.stream()`", CLAUDE, a.beta_stream),
    Behaviour("`messages.parse`", CLAUDE, a.parse),
    Behaviour("`with_raw_response`", CLAUDE, a.raw),
    Behaviour("`with_streaming_response`", CLAUDE, a.streaming_response),
    Behaviour("`count_tokens` costs nothing", CLAUDE, a.count, told="nowhere", bill="nothing"),
    Behaviour("a tool is used: why the model stopped", CLAUDE, a.tool, also=("finish",)),
    Behaviour("cache written, then read", CLAUDE, a.cached, calls=2, also=("cached", "written")),
    Behaviour("the same as streams", CLAUDE, a.cached_stream, calls=2, also=("cached", "written")),
    Behaviour("thinking", CLAUDE, a.thinking, also=("reasoning",)),
    Behaviour("a batch of two, results read", CLAUDE, a.batch, calls=2, told="seen", alone=True),
    Behaviour("OpenAI: `break`", END, e.leave, ending="left"),
    Behaviour("OpenAI: `close()`", END, e.close, ending="left"),
    Behaviour("OpenAI: an exception in the loop", END, e.raise_in_loop, ending="left"),
    Behaviour("OpenAI: the task is cancelled", END, e.cancel, ending="left"),
    Behaviour("OpenAI: taken by the garbage collector", END, e.forget, ending="left"),
    Behaviour("OpenAI: an error within a stream", END, e.error_in_stream, ending="broken"),
    Behaviour("OpenAI: the connection breaks", END, e.cut_off, ending="broken"),
    Behaviour("OpenAI: 400", END, e.bad_request, ending="failed"),
    Behaviour("OpenAI: 401, async", END, e.unauthorized, ending="failed"),
    Behaviour("OpenAI: 429 to a stream", END, e.bad_stream_request, ending="failed"),
    Behaviour("OpenAI: 429, then 200", END, e.retried),
    Behaviour("OpenAI: 500 until the SDK gives up", END, e.exhausted, ending="failed"),
    Behaviour("OpenAI: no answer in time", END, e.time_out, ending="failed"),
    Behaviour("OpenAI: connection refused", END, e.refused, ending="failed"),
    Behaviour("OpenAI: 400 to a response", END, e.responses_error, ending="failed"),
    Behaviour("OpenAI: 400 to an embedding", END, e.embeddings_error, ending="failed"),
    Behaviour("Anthropic: `break`", END, a.leave, ending="left"),
    Behaviour("Anthropic: `.stream()` left early", END, a.leave_helper, ending="left"),
    Behaviour("Anthropic: 400", END, a.bad_request, ending="failed"),
    Behaviour("Anthropic: 529, then 200", END, a.retried),
    Behaviour("Anthropic: overloaded within a stream", END, a.overloaded, ending="broken"),
    Behaviour("Anthropic: the same in `.stream()`", END, a.overloaded_helper, ending="broken"),
    Behaviour("Anthropic: the connection breaks", END, a.no_usage, ending="broken"),
    Behaviour("four threads", WHERE, p.threads, calls=4),
    Behaviour("four tasks that stream", WHERE, p.tasks, calls=4),
    Behaviour("four tasks, Anthropic", WHERE, a.tasks, calls=4),
    Behaviour("a forked child", WHERE, p.fork, alone=True),
    Behaviour("a method bound before instrumenting", WHERE, p.bound_early, alone=True),
    Behaviour("the same, Anthropic", WHERE, a.bound_early, alone=True),
    Behaviour("OpenAI's classes are its own", APP, o.kinds, checks="classes"),
    Behaviour("the same, async", APP, o.kinds_async, checks="classes"),
    Behaviour("Anthropic's classes are its own", APP, a.kinds, checks="classes"),
    Behaviour("the request for an answer is the same", APP, o.create, checks="requests"),
    Behaviour("the request for a stream is the same", APP, o.stream_silent, checks="requests"),
    Behaviour("the same at OpenAI's own address", APP, o.stream_own_host, checks="requests"),
    Behaviour("the request for a message is the same", APP, a.create, checks="requests"),
)
