"""What a dialect has to offer: how its spans are known, and what they say in OpenTelemetry's newest names."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from llmtrace import semconv as s
from llmtrace.model import Attributes, AttributeValue, Call, Span
from llmtrace.providers.base import as_int

# A newest name, and the older or foreign ones that carry the same value, best first.
Aliases: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]
Said: TypeAlias = dict[str, AttributeValue]

# Longer texts are not parsed: they hold content, and what is sought stands in small ones too.
JSON_CHARACTERS = 1_000_000

COUNTS = (
    s.USAGE_INPUT_TOKENS,
    s.USAGE_CACHE_READ_TOKENS,
    s.USAGE_CACHE_WRITE_TOKENS,
    s.USAGE_OUTPUT_TOKENS,
    s.USAGE_REASONING_TOKENS,
    s.USAGE_INPUT_AUDIO_TOKENS,
    s.USAGE_OUTPUT_AUDIO_TOKENS,
    s.USAGE_INPUT_IMAGE_TOKENS,
)
# The newest name of a count that is the sum of the others, which no bill needs but some checks do.
TOTAL_TOKENS = "gen_ai.usage.total_tokens"


@dataclass(frozen=True, slots=True)
class Reading:
    """A call read from a span, and why its cost is not certain, where the span leaves something open."""

    call: Call
    doubt: str | None = None


@dataclass(frozen=True, slots=True)
class Dialect:
    """A way of describing calls. A new one is a module and an entry in `DIALECTS`.

    `scopes` are the instrumentation scopes that speak it, each with all below it; `signature` the attributes that give
    it away in any other scope, a name or, ending in a dot, the start of one. `translate` says a span in the newest
    names, or returns None where the span is no call to a provider. `find_doubts` says what is not certain about the
    cost of the call that was read; `find_start` when it began, in nanoseconds, where that is not the span's start.
    """

    name: str
    scopes: tuple[str, ...]
    signature: tuple[str, ...]
    translate: Callable[[Span], Said | None]
    find_doubts: Callable[[Span, Call], Iterable[str]] = field(default=lambda span, call: ())
    find_start: Callable[[Span], int] = field(default=lambda span: span.start_ns)


def is_below(scope: str, roots: Iterable[str]) -> bool:
    """Whether SCOPE is one of ROOTS, or below one."""
    return any(scope == root or scope.startswith(root + ".") for root in roots)


def fill(said: Said, attributes: Attributes, aliases: Aliases) -> Said:
    """SAID with each newest name that it lacks and ATTRIBUTES have under another of ALIASES."""
    for name, others in aliases:
        if name not in said:
            value = next((attributes[other] for other in others if other in attributes), None)
            if value is not None:
                said[name] = value
    return said


def text(attributes: Attributes, *names: str) -> str | None:
    """The first of NAMES that ATTRIBUTES have a text for."""
    return next((v for n in names if isinstance(v := attributes.get(n), str) and v), None)


def whole(attributes: Attributes, name: str) -> int | None:
    """The whole number that ATTRIBUTES have under NAME."""
    return as_int(attributes.get(name))


def mapping(value: Any) -> Mapping[str, Any]:
    """The JSON object in the text VALUE; an empty one where there is none."""
    parsed = parse(value)
    return parsed if isinstance(parsed, dict) else {}


def texts(value: Any) -> tuple[str, ...]:
    """The texts in VALUE, a JSON list of them; none where it is something else."""
    parsed = parse(value)
    return tuple(t for t in parsed if isinstance(t, str)) if isinstance(parsed, list) else ()


def parse(value: Any) -> Any:
    """What the JSON in the text VALUE says; None where it is none, or too long."""
    if not isinstance(value, str) or len(value) > JSON_CHARACTERS:
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None
