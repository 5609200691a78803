"""What is taken down of a request while it is made, so that it can be read later."""

from collections.abc import Mapping
from typing import Any

PLAIN = frozenset({str, int, float, bool, type(None)})
# Where the parts of a request stand that are long, and say nothing of how it is billed.
PROMPTS = frozenset({
    "messages", "input", "contents", "prompt", "system", "instructions", "tools", "texts", "documents",
})  # fmt: skip


def facts_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """What BODY, the JSON of a request, says beside its prompt; a copy, as the caller may change his."""
    return {k: v if type(v) in PLAIN else _copy(v) for k, v in body.items() if k not in PROMPTS}


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, list | tuple) else value
