"""What an API family has to offer, and the few readers that all of them share.

Everything here works on parsed JSON, never on SDK objects, so that one adapter serves every release of an SDK, raw
bodies and recorded spans alike. A value of an unexpected type reads as absent rather than as something wrong.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from llmtrace.batch import BatchResult, BatchState
from llmtrace.model import NOTHING_STATED, Conversation, Quantity, RawUsage, Request, Response, Usage

# What is billed by something else than its tokens, or by the tokens of several models.
MEASURES = frozenset({
    "seconds", "duration", "input_characters", "n", "trained_tokens", "per_model_usage", "svg_usage", "session",
})  # fmt: skip
TOKENS = frozenset({"input_tokens", "prompt_tokens"})
# What speech and images are billed by where nothing is reported.
REQUEST_UNITS = frozenset({"input_characters", "n", "size", "quality"})


class Billing(NamedTuple):
    """A usage object as a bill sees it: disjoint quantities, and the conditions their prices hold under.

    `refused`: the model refused before any output, which some providers do not charge. `committed`: it was paid for
    in advance. `assumption`: what the price rests on that nobody stated; the cost is then an estimate. `reported_usd`
    is what the provider itself says that the call cost.
    """

    quantities: tuple[Quantity, ...]
    conditions: Mapping[str, Any] = NOTHING_STATED
    committed: bool = False
    refused: bool = False
    assumption: str | None = None
    reported_usd: Decimal | None = None


class Fold(Protocol):
    """Gathers the events of one stream into the response that the same call would have returned whole."""

    text_parts: list[str]

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take EVENT; True when it carried output of the model."""

    def response(self) -> Response:
        """The response as far as it got."""

    @property
    def complete(self) -> bool:
        """Whether the model finished its answer."""

    @property
    def usage_complete(self) -> bool:
        """Whether the provider's final count arrived."""

    @property
    def error(self) -> str | None:
        """The name of the error that the provider reported inside the stream, if it did."""


def no_texts(body: Mapping[str, Any]) -> list[str]:
    """Nothing to count: the provider tells the input's size even where the answer breaks off."""
    return []


def no_content(request: bytes | None, events: Sequence[Mapping[str, Any]], is_stream: bool) -> Conversation:
    """No content: what this endpoint takes and gives is no conversation."""
    return Conversation()


BatchStep: TypeAlias = Literal["upload", "create", "retrieve", "results"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A billable operation of an API: its `name` in llmtrace, its `operation` in OpenTelemetry's words, its readers.

    `matches` is searched for in the path. `new_fold` is None where answers are never streamed. `usage_on_request`:
    a stream tells its usage only when it is asked to. `read_units` reads what of the request is billed where the answer
    tells no usage. `is_countable`: what an answer that breaks off has cost can be counted from its texts. `step`: it is
    no call, but a step in the life of a batch of them; the group `id` of `matches` then names the batch, or the file
    with its results.
    """

    name: str
    operation: str
    method: str
    matches: re.Pattern[str]
    read_request: Callable[[Mapping[str, Any]], dict[str, Any]]
    read_response: Callable[[Mapping[str, Any]], Response]
    new_fold: Callable[[], Fold] | None = None
    prompt_texts: Callable[[Mapping[str, Any]], list[str]] = no_texts
    read_content: Callable[[bytes | None, Sequence[Mapping[str, Any]], bool], Conversation] = no_content
    usage_on_request: bool = False
    read_units: Callable[[Mapping[str, Any]], RawUsage | None] | None = None
    is_countable: bool = True
    step: BatchStep | None = None

    def find_id(self, url: str) -> str | None:
        """What the path of URL names, where `matches` has a group for it."""
        if "id" not in self.matches.groupindex:
            return None
        found = self.matches.search(path_of(url))
        return found["id"] if found is not None else None


def batch_endpoint(name: str, step: BatchStep, method: str, matches: str) -> Endpoint:
    """The endpoint NAME for STEP of a batch."""
    return Endpoint(
        name, f"{step}_batch", method, re.compile(matches), lambda body: {}, lambda body: Response(), step=step
    )


@dataclass(frozen=True, slots=True)
class Batches:
    """How an API tells of batches.

    `read_states` reads one batch or a list of them. `read_asked` reads, of the request that creates one, how many
    requests are in it and the models that they ask for. `read_result` reads one line of results of the batch or file
    with that id, or None where the line is none. `find_path` tells, of an answer, the path that it was asked for under.
    `results_are_files`: files may as well hold something else; results have one of `marks` near their start.
    `read_told`, where there is one, reads the results that an answer holds which tells how batches stand, or of the one
    with that id, each with its batch's id; such an answer has `told_mark` in it.
    """

    read_states: Callable[[Mapping[str, Any]], Sequence[BatchState]]
    read_asked: Callable[[Mapping[str, Any]], tuple[int | None, tuple[str, ...]]]
    read_result: Callable[[Mapping[str, Any], str], BatchResult | None]
    find_path: Callable[[Mapping[str, Any]], str | None]
    results_are_files: bool
    marks: tuple[bytes, ...] = (b'"custom_id"',)
    read_told: Callable[[Mapping[str, Any], str], Sequence[tuple[str, BatchResult]]] | None = None
    told_mark: bytes = b""


def read_model_name(name: str) -> tuple[str, Mapping[str, Any]]:
    """NAME as the book has it, and the conditions that it states: none."""
    return name, {}


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFamily:
    """What the usage objects of `providers` mean, and how they are billed: all that a price needs.

    `read_model` tells what a model's name says beside the model: where it runs, for one. `request_units` are those of
    `REQUEST_UNITS` that it bills by in the protocol of another family; in its own, it does by all. `unnamed` is what
    its list of prices calls an endpoint whose requests and answers name no model.
    """

    providers: frozenset[str]
    normalise: Callable[[RawUsage], Usage]
    denormalise: Callable[[Usage], RawUsage]
    bill: Callable[[RawUsage, Mapping[str, Any], tuple[str, ...]], Billing]
    read_model: Callable[[str], tuple[str, Mapping[str, Any]]] = read_model_name
    request_units: frozenset[str] = frozenset()
    unnamed: Mapping[str, str] = field(default_factory=dict)


def as_they_are(request: Request, response: Response, headers: Mapping[str, str]) -> tuple[Request, Response]:
    """REQUEST and RESPONSE: HEADERS add nothing to them."""
    return request, response


@dataclass(frozen=True, slots=True, kw_only=True)
class Family(UsageFamily):
    """One API family that is captured: `sdk` is the Python package, `providers` whoever answers in this protocol.

    `complete` adds to a request and its response what the whole answer tells, the headers included.
    """

    sdk: str
    endpoints: tuple[Endpoint, ...]
    find_provider_name: Callable[[str | None, str], str]
    read_error: Callable[[Mapping[str, Any]], str | None]
    read_rate_limits: Callable[[Mapping[str, str]], dict[str, float]]
    request_id_header: str
    own_hosts: tuple[str, ...] = ()
    batches: Batches | None = None
    complete: Callable[[Request, Response, Mapping[str, str]], tuple[Request, Response]] = as_they_are


def counts_tokens(usage: RawUsage) -> bool:
    """Whether USAGE counts the tokens of an answer, rather than seconds, characters, images or what else is billed."""
    return not MEASURES & set(usage) or bool(TOKENS & set(usage))


def is_of_request(usage: RawUsage | None) -> bool:
    """Whether USAGE is what was asked for and made, which is billed where the provider reports no usage."""
    return bool(usage) and set(usage or ()) <= REQUEST_UNITS


def as_int(value: Any) -> int | None:
    """VALUE if it is a whole number, else None."""
    if type(value) is int:
        return value
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, float) and value.is_integer() else None


def as_float(value: Any) -> float | None:
    """VALUE as a float if it is a number, else None."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def as_text(value: Any) -> str | None:
    """VALUE if it is a non-empty string, else None."""
    return value if isinstance(value, str) and value else None


def as_moment_s(value: Any) -> float | None:
    """VALUE in seconds since the epoch if it is an RFC 3339 time, else None."""
    try:
        return datetime.fromisoformat(value).timestamp()
    except (ValueError, TypeError):
        return None


def as_texts(value: Any) -> tuple[str, ...] | None:
    """VALUE as a tuple of strings: one string, or a list of nothing else; None otherwise."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple) and value and all(isinstance(v, str) for v in value):
        return tuple(value)
    return None


def message_texts(messages: Any) -> list[str]:
    """The texts of MESSAGES, a list of objects with a `content` of text or of parts, by reference."""
    texts: list[str] = []
    for message in as_list(messages):
        content = as_mapping(message).get("content")
        if isinstance(content, str):
            texts.append(content)
        elif isinstance(content, list | tuple):
            texts += [t for part in content if isinstance(t := as_mapping(part).get("text"), str)]
    return texts


def as_list(value: Any) -> Sequence[Any]:
    """VALUE if it is a list, else an empty one."""
    return value if isinstance(value, list | tuple) else ()


def as_mapping(value: Any) -> Mapping[str, Any]:
    """VALUE if it is a mapping, else an empty one."""
    # Asking the abstract class is slow, and parsed JSON is made of dicts.
    if type(value) is dict:
        return value
    return value if value is not None and isinstance(value, Mapping) else {}


def path_of(url: str) -> str:
    """The path of URL, absolute or not, without its query and a trailing slash."""
    path = url.partition("?")[0]
    if "://" in path:
        path = "/" + path.split("://", 1)[1].partition("/")[2]
    return path.rstrip("/")
