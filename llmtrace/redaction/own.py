"""Patterns of the user's own: regular expressions for what else must not be stored, such as customer numbers.

They come from the table `[privacy]` of the configuration file, or from `LLMTRACE_REDACT`, one on each line. A pattern
that cannot be used, or could run for ever, is refused when it is read; text is searched in windows, so that no pattern
sees more than a kilobyte at once.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from re import _constants as kinds  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from llmtrace.errors import ConfigError

WINDOW_CHARACTERS = 1024
LONGEST_MATCH = 256
MOST_PATTERNS = 100
# A repeat that leaves more than this open can be tried in so many ways that a second one around it never ends.
_OPEN = 8
_MOST_OPEN = 2
_REPEATS = frozenset({kinds.MAX_REPEAT, kinds.MIN_REPEAT})


@dataclass(frozen=True, slots=True)
class OwnPattern:
    """One pattern, and where it was read."""

    pattern: "re.Pattern[str]"
    place: str


def compile_pattern(text: str, place: str) -> OwnPattern:
    """TEXT as a pattern.

    Raises:
        ConfigError: it is no regular expression, matches the empty text, or may take for ever; PLACE says where it is.
    """
    try:
        pattern = re.compile(text)
        tree: Any = parser.parse(text)
    except (re.error, RecursionError, OverflowError) as err:
        raise ConfigError(f"{place}: '{text[:80]}' is no regular expression: {err}") from None
    if pattern.match("") is not None:
        raise ConfigError(f"{place}: '{text[:80]}' matches the empty text, and so everything; write + instead of *")
    if _deepest(tree) > 1:
        raise ConfigError(
            f"{place}: '{text[:80]}' has a repeat inside a repeat, which may take for ever; write the inner one "
            "possessive: '++' or '*+'"
        )
    if _count(tree) > _MOST_OPEN:
        raise ConfigError(
            f"{place}: '{text[:80]}' has more than {_MOST_OPEN} open repeats, which may take very long; bound them, as "
            "in '{1,8}', or write them possessive: '++' or '*+'"
        )
    return OwnPattern(pattern, place)


def compile_patterns(texts: Sequence[tuple[str, str]]) -> tuple[OwnPattern, ...]:
    """TEXTS, each with its place, as patterns. Raises ConfigError like `compile_pattern`, and for too many."""
    if len(texts) > MOST_PATTERNS:
        raise ConfigError(f"{texts[MOST_PATTERNS][1]}: more than {MOST_PATTERNS} patterns; join some with '|'")
    return tuple(compile_pattern(text, place) for text, place in texts)


def windows(text: str) -> Iterator[tuple[int, str]]:
    """TEXT in overlapping pieces, each with where it starts: a match of 256 characters stands in one of them."""
    step = WINDOW_CHARACTERS - LONGEST_MATCH
    for start in range(0, max(1, len(text) - LONGEST_MATCH), step):
        yield start, text[start : start + WINDOW_CHARACTERS]


def _children(operation: Any, argument: Any) -> Iterator[Any]:
    """The parts of one node of a parsed pattern."""
    if operation in _REPEATS or operation is kinds.POSSESSIVE_REPEAT:
        yield argument[2]
    elif operation is kinds.SUBPATTERN:
        yield argument[3]
    elif operation is kinds.BRANCH:
        yield from argument[1]
    elif operation in (kinds.ASSERT, kinds.ASSERT_NOT):
        yield argument[1]
    elif operation is kinds.ATOMIC_GROUP:
        yield argument
    elif operation is kinds.GROUPREF_EXISTS:
        yield from (part for part in argument[1:] if part is not None)


def _is_open(operation: Any, argument: Any) -> bool:
    return operation in _REPEATS and argument[1] - argument[0] > _OPEN


def _deepest(tree: Any) -> int:
    """How deep open repeats stand in one another."""
    deepest = 0
    for operation, argument in tree:
        below = max((_deepest(part) for part in _children(operation, argument)), default=0)
        is_closed = operation in (kinds.POSSESSIVE_REPEAT, kinds.ATOMIC_GROUP) and below <= 1
        deepest = max(deepest, (0 if is_closed else below) + _is_open(operation, argument))
    return deepest


def _count(tree: Any) -> int:
    """How many open repeats can follow one another."""
    total = 0
    for operation, argument in tree:
        below = [_count(part) for part in _children(operation, argument)]
        closed = operation in (kinds.POSSESSIVE_REPEAT, kinds.ATOMIC_GROUP)
        total += 0 if closed else max(below, default=0)
        total += _is_open(operation, argument)
    return total
