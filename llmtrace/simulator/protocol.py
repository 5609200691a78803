"""What the server asks of a provider's protocol, and the values that pass between them."""

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from llmtrace.simulator.answers import Answer
from llmtrace.simulator.limits import Limits
from llmtrace.simulator.text import compact, draw_id, seeded

JSON = dict[str, Any]
# How a request is delivered does not change what the model says.
DELIVERY = frozenset({"stream", "stream_options"})


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as a provider words it."""

    status: int
    type: str
    message: str
    code: str | None = None
    param: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request that will be answered.

    `rng` is the same for the same request and seed; `ids` is not, because no two answers share an id.
    """

    body: Mapping[str, Any]
    rng: random.Random
    ids: random.Random
    created: int
    answer: Answer | None = None

    @classmethod
    def of(cls, body: Mapping[str, Any], seed: int, ids: random.Random, answer: Answer | None) -> "Request":
        """The request with BODY under SEED, now."""
        said = compact({key: value for key, value in body.items() if key not in DELIVERY})
        return cls(body, seeded(seed, said), ids, int(time.time()), answer)

    def draw_id(self, prefix: str, length: int) -> str:
        """A new id."""
        return draw_id(self.ids, prefix, length)

    @property
    def model(self) -> str:
        """The model that was asked for."""
        return str(self.body["model"])


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer; its stream is made from it, so that both say the same."""

    body: JSON
    usage: Mapping[str, Any]
    input_tokens: int
    output_tokens: int

    @property
    def response_id(self) -> str:
        """The id in the body."""
        return str(self.body["id"])


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream as it goes over the wire; `has_usage` when it completes what is known of the usage."""

    data: bytes
    has_usage: bool = False


class Protocol(ABC):
    """One provider's API: what it accepts, answers and refuses."""

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]

    def serves(self, path: str) -> bool:
        """Whether PATH is this API's."""
        return path.endswith(self.suffixes)

    @abstractmethod
    def refuse(self, headers: Mapping[str, str], body: object) -> Problem | None:
        """Why a request is not answered, if so; BODY is None when it was not JSON."""

    @abstractmethod
    def reply(self, request: Request) -> Reply:
        """The answer to REQUEST."""

    @abstractmethod
    def events(self, request: Request, reply: Reply, *, omits_usage: bool) -> list[Event]:
        """REPLY as a stream."""

    @abstractmethod
    def problem(self, status: int, code: str | None = None, message: str | None = None) -> Problem:
        """The error that this provider sends with STATUS, in particular that called CODE."""

    @abstractmethod
    def missing(self, method: str, path: str) -> Problem:
        """The error for a path that there is not."""

    @abstractmethod
    def error(self, problem: Problem, request_id: str) -> JSON:
        """PROBLEM in the envelope of a body."""

    @abstractmethod
    def stream_error(self, problem: Problem, request_id: str) -> Event:
        """PROBLEM inside a stream."""

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
