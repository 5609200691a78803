"""What the server asks of a provider's protocol, and the values that pass between them."""

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from llmtrace.simulator.answers import Answer
from llmtrace.simulator.limits import Limits
from llmtrace.simulator.script import Target
from llmtrace.simulator.text import compact, draw_id, seeded

JSON = dict[str, Any]
# How a request is delivered does not change what the model says.
DELIVERY = frozenset({"stream", "stream_options"})
UPLOADED = frozenset({"file", "image", "image[]", "mask"})


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as a provider words it."""

    status: int
    type: str
    message: str
    code: str | None = None
    param: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it arrived; `body` is None when it was not JSON, or when there was none.

    `query` has the last value of each parameter, `pairs` all of them; `content` is the body as it arrived.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    pairs: tuple[tuple[str, str], ...] = ()
    content: bytes = b""

    def values(self, name: str) -> list[str]:
        """The values of the list NAME in the query, written as `NAME[]` or `NAME`."""
        return [value for key, value in self.pairs if key in (name, f"{name}[]")]

    @property
    def fields(self) -> Mapping[str, Any]:
        """The body where it is an object, else nothing."""
        return self.body if isinstance(self.body, dict) else {}


@dataclass(frozen=True, slots=True)
class Request:
    """A request that will be answered.

    `rng` is the same for the same request and seed; `ids` is not, because no two answers share an id.
    """

    asked: Asked
    rng: random.Random
    ids: random.Random
    created: int
    answer: Answer | None = None
    ask: "Callable[[Protocol, Asked], Reply] | None" = None

    @classmethod
    def of(cls, asked: Asked, seed: int, ids: random.Random, answer: Answer | None) -> "Request":
        """What was ASKED under SEED, now."""
        said = compact({key: value for key, value in asked.fields.items() if key not in DELIVERY | UPLOADED})
        return cls(asked, seeded(seed, said), ids, int(time.time()), answer)

    def within(self, protocol: "Protocol", asked: Asked) -> "Reply":
        """The reply of PROTOCOL to what is ASKED as one of a batch."""
        assert self.ask is not None
        return self.ask(protocol, asked)

    @property
    def body(self) -> Mapping[str, Any]:
        """The body, an object."""
        return self.asked.fields

    def draw_id(self, prefix: str, length: int) -> str:
        """A new id."""
        return draw_id(self.ids, prefix, length)

    @property
    def model(self) -> str:
        """The model that was asked for."""
        return str(self.body["model"])


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer; its stream is made from it, so that both say the same.

    `usage` is None where the answer tells none. The tokens count against the limits. `raw`: what is sent in place of
    the body, of another `content_type`. `headers` go with a whole answer.
    """

    body: JSON
    usage: Mapping[str, Any] | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    raw: bytes | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def response_id(self) -> str | None:
        """The id in the body, if it has one."""
        found = self.body.get("id")
        return found if isinstance(found, str) else None


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream as it goes over the wire; `has_usage` when it completes what is known of the usage."""

    data: bytes
    has_usage: bool = False


class Protocol(ABC):
    """One endpoint of a provider's API: what it accepts, answers and refuses.

    `speaks`: its answers are the model's own, which a test may dictate. `streams`: they are streamed on request, as
    `stream_type`.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    speaks: bool = True
    streams: bool = True
    stream_type: str = "text/event-stream; charset=utf-8"

    def serves(self, method: str, path: str) -> bool:
        """Whether a request of METHOD to PATH is this endpoint's."""
        return method == "POST" and path.endswith(self.suffixes)

    def target(self, asked: Asked) -> Target:
        """The traits of a request by which faults and answers are aimed."""
        model = asked.fields.get("model")
        is_stream = self.streams and bool(asked.fields.get("stream"))
        return Target(self.name, model if isinstance(model, str) else None, is_stream)

    @abstractmethod
    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""

    @abstractmethod
    def reply(self, request: Request) -> Reply:
        """The answer to REQUEST."""

    def events(self, request: Request, reply: Reply, *, omits_usage: bool) -> list[Event]:
        """REPLY as a stream; nothing where answers are never streamed."""
        return []

    @abstractmethod
    def problem(self, status: int, code: str | None = None, message: str | None = None) -> Problem:
        """The error that this provider sends with STATUS, in particular that called CODE."""

    @abstractmethod
    def missing(self, method: str, path: str) -> Problem:
        """The error for a path that there is not."""

    @abstractmethod
    def error(self, problem: Problem, request_id: str) -> JSON:
        """PROBLEM in the envelope of a body."""

    def error_headers(self, problem: Problem) -> dict[str, str]:
        """What of PROBLEM stands in headers."""
        return {}

    @abstractmethod
    def stream_error(self, problem: Problem, request_id: str, number: int) -> Event:
        """PROBLEM inside a stream, as the event with NUMBER, counted from 0."""

    @abstractmethod
    def draw_request_id(self, ids: random.Random) -> str:
        """An id for one HTTP exchange."""

    @abstractmethod
    def headers(self, status: int, request_id: str, elapsed_s: float, limits: Limits) -> dict[str, str]:
        """The headers that go with an answer or an error."""


def without_usage(body: Mapping[str, Any]) -> JSON:
    """BODY without its usage."""
    return {key: value for key, value in body.items() if key != "usage"}


def is_count(value: object) -> bool:
    """Whether VALUE is a whole number, which True is not."""
    return isinstance(value, int) and not isinstance(value, bool)
