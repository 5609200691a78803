"""Prompts and answers in the JSON shapes of OpenTelemetry's GenAI conventions, cut to a size without breaking the JSON.

Source: the message schemas of https://github.com/open-telemetry/semantic-conventions-genai
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Part: TypeAlias = dict[str, Any]
Message: TypeAlias = dict[str, Any]

MAX_JSON_BYTES = 64 * 1024
CUT_MARK = "…[cut]"


def text_part(text: str) -> Part:
    """A part of plain text."""
    return {"type": "text", "content": text}


def tool_call_part(call_id: Any, name: Any, arguments: Any) -> Part:
    """A part in which the model calls a tool; ARGUMENTS are parsed where they are JSON text."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            pass
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}


def media_part(modality: str, url: Any, mime_type: Any = None) -> Part:
    """A part that refers to media; bytes inside the prompt are named and left out."""
    if isinstance(url, str) and not url.startswith("data:"):
        return {"type": "uri", "modality": modality, "uri": url}
    if isinstance(url, str):
        mime_type = url[5:].partition(";")[0]
    return {"type": "blob", "modality": modality, "mime_type": mime_type, "content": ""}


def dump(value: Sequence[Mapping[str, Any]]) -> str | None:
    """VALUE as JSON of at most 64 KiB: long texts are cut, then the oldest messages left out."""
    if not value:
        return None
    text = _json(value)
    longest = MAX_JSON_BYTES // 2
    while len(text.encode()) > MAX_JSON_BYTES and longest >= 64:
        text = _json(_cut(value, longest))
        longest //= 2
    kept = value
    while len(text.encode()) > MAX_JSON_BYTES and len(kept) > 1:
        kept = kept[len(kept) // 2 :]
        text = _json(_cut(kept, 64))
    return text


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _cut(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= longest else value[:longest] + CUT_MARK
    if isinstance(value, Mapping):
        return {k: _cut(v, longest) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_cut(v, longest) for v in value]
    return value
