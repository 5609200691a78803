"""Cuts text and JSON to a size, without breaking a character or the JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

MAX_BYTES = 64 * 1024
# Longer texts are cut before they are searched. What is cut off then is far behind what is kept in the end, so that no
# secret loses its second half, by which it is known.
SEARCHED_CHARACTERS = MAX_BYTES + 16 * 1024
CUT_MARK = "…[cut]"
# No text is cut shorter than this; before, whole messages are left out.
SHORTEST = 64
# The longest secret that is known by its end, with room.
MARGIN_CHARACTERS = 1024


def to_json(value: Any) -> str:
    """VALUE as compact JSON; half characters (lone surrogates) are replaced."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return text.encode("utf-8", "replace").decode()


def fit_text(text: str, most_bytes: int = MAX_BYTES) -> str:
    """TEXT of at most MOST_BYTES in UTF-8, cut between two characters."""
    if len(text) * 4 <= most_bytes:
        return text
    data = text.encode("utf-8", "replace")
    if len(data) <= most_bytes:
        return text
    return data[: most_bytes - len(CUT_MARK.encode())].decode("utf-8", "ignore") + CUT_MARK


def fit_json(value: Any) -> str:
    """VALUE as JSON of at most 64 KiB: long texts are cut, then the oldest items of a list left out."""
    kept, longest = plan(value)
    text = to_json(_cut(kept, longest) if longest < MAX_BYTES else kept)
    while _is_too_long(text) and longest > SHORTEST:
        longest = min(longest, MAX_BYTES) // 2
        text = to_json(_cut(kept, longest))
    while _is_too_long(text) and isinstance(kept, Sequence) and len(kept) > 1:
        kept = kept[len(kept) // 2 :]
        text = to_json(_cut(kept, SHORTEST))
    return text if not _is_too_long(text) else to_json(CUT_MARK)


def plan(value: Any) -> tuple[Any, int]:
    """What of VALUE can stay at all, and how long its texts may be, so that it fits: told from their lengths."""
    while True:
        lengths, rest = _measure(value)
        longest = MAX_BYTES
        while longest > SHORTEST and rest + sum(min(n, longest) for n in lengths) > MAX_BYTES:
            longest //= 2
        fits = rest + sum(min(n, longest) for n in lengths) <= MAX_BYTES
        if fits or not isinstance(value, list | tuple) or len(value) < 2:
            return value, longest
        value = value[len(value) // 2 :]


def _measure(value: Any) -> tuple[list[int], int]:
    """The lengths of the texts in VALUE, and about how much JSON puts around them."""
    lengths: list[int] = []
    rest, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        rest += 4
        if isinstance(item, str):
            lengths.append(len(item) if item.isascii() else len(item.encode("utf-8", "replace")))
        elif isinstance(item, Mapping):
            rest += sum(len(str(key)) + 4 for key in item)
            waiting.extend(item.values())
        elif isinstance(item, list | tuple):
            waiting.extend(item)
    return lengths, rest


def _is_too_long(text: str) -> bool:
    return len(text) > MAX_BYTES or (len(text) * 4 > MAX_BYTES and len(text.encode()) > MAX_BYTES)


def _cut(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= longest else value[:longest] + CUT_MARK
    if isinstance(value, Mapping):
        return {k: _cut(v, longest) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_cut(v, longest) for v in value]
    return value
