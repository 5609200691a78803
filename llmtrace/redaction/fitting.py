"""Cuts text and JSON to a size, without breaking a character or the JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

MAX_BYTES = 64 * 1024
# Longer texts are cut before they are searched. What is cut off then is far behind what is kept in the end, so that no
# secret loses its second half, by which it is known.
SEARCHED_CHARACTERS = MAX_BYTES + 16 * 1024
CUT_MARK = "…[cut]"


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
    text = to_json(value)
    longest = MAX_BYTES // 2
    while _is_too_long(text) and longest >= 64:
        text = to_json(_cut(value, longest))
        longest //= 2
    kept = value
    while _is_too_long(text) and isinstance(kept, Sequence) and len(kept) > 1:
        kept = kept[len(kept) // 2 :]
        text = to_json(_cut(kept, 64))
    return text if not _is_too_long(text) else to_json(CUT_MARK)


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
