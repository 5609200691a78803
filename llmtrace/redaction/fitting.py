"""Cuts text and JSON to a size, without breaking a character or the JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

MAX_BYTES = 64 * 1024
DEEPEST = 32
# Longer texts are cut before they are searched. What is cut off then is far behind what is kept in the end, so that no
# secret loses its second half, by which it is known.
SEARCHED_CHARACTERS = MAX_BYTES + 16 * 1024
CUT_MARK = "…[cut]"
# No text is cut shorter than this; before, whole messages are left out.
SHORTEST = 64
# A larger number may be that of a card.
MOST_PLAIN_INT = 10**11
# The longest secret that is known by its end, the user and password of a URL, with room.
MARGIN_CHARACTERS = 640


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


class Outline(NamedTuple):
    """What a value of JSON consists of: its texts, the names in it, how deep it is, and what JSON puts around it."""

    texts: list[str]
    names: set[str]
    depth: int
    around_bytes: int


def to_json(value: Any) -> str:
    """VALUE as compact JSON; half characters (lone surrogates) are replaced."""
    text = _encode(value)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


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
    kept, longest, _ = plan(value, outline_of(value))
    return fit_planned(kept, longest)


def fit_planned(kept: Any, longest: int) -> str:
    """KEPT as JSON of at most 64 KiB, its texts no longer than LONGEST, as `plan` found it."""
    text = to_json(_cut(kept, longest) if longest < MAX_BYTES else kept)
    while _is_too_long(text) and longest > SHORTEST:
        longest = min(longest, MAX_BYTES) // 2
        text = to_json(_cut(kept, longest))
    while _is_too_long(text) and isinstance(kept, Sequence) and len(kept) > 1:
        kept = kept[len(kept) // 2 :]
        text = to_json(_cut(kept, SHORTEST))
    return text if not _is_too_long(text) else to_json(CUT_MARK)


def plan(value: Any, outline: Outline) -> tuple[Any, int, Outline]:
    """What of VALUE can stay at all, and how long its texts may be, so that it fits; told from its OUTLINE."""
    while True:
        lengths = [len(t) if t.isascii() else len(t.encode("utf-8", "replace")) for t in outline.texts]
        room = MAX_BYTES - outline.around_bytes
        longest = MAX_BYTES
        while longest > SHORTEST and sum([n if n < longest else longest for n in lengths]) > room:
            longest //= 2
        fits = sum([n if n < longest else longest for n in lengths]) <= room
        if fits or not isinstance(value, list | tuple) or len(value) < 2:
            return value, longest, outline
        value = value[len(value) // 2 :]
        outline = outline_of(value)


def outline_of(value: Any) -> Outline:
    """What VALUE, which may be JSON, consists of."""
    texts: list[str] = []
    names: set[str] = set()
    around_bytes, depth = 0, -1
    level = [value]
    while level:
        depth += 1
        around_bytes += 4 * len(level)
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                texts.append(item)
            elif isinstance(item, dict):
                names.update(item)
                around_bytes += sum(map(len, item)) + 4 * len(item)
                below += item.values()
            elif isinstance(item, list | tuple):
                below += item
            elif isinstance(item, int) and not -MOST_PLAIN_INT < item < MOST_PLAIN_INT:
                texts.append(str(item))
        level = below
    return Outline(texts, names, depth, around_bytes)


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
