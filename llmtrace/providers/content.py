"""Prompts and answers in the JSON shapes of OpenTelemetry's GenAI conventions.

Source: the message schemas of https://github.com/open-telemetry/semantic-conventions-genai
"""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from llmtrace.redaction import media

Part: TypeAlias = dict[str, Any]
Message: TypeAlias = dict[str, Any]


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


def media_part(modality: str, url: Any, mime_type: Any = None, data: Any = None) -> Part:
    """A part that refers to media: by its URL, or, where its bytes are in the prompt (as DATA, base64), by a digest."""
    if isinstance(url, str) and not url.startswith("data:"):
        return {"type": "uri", "modality": modality, "uri": url}
    part: Part = {"type": "blob", "modality": modality, "mime_type": mime_type, "content": ""}
    found = _digest(url, mime_type, data)
    if found:
        part |= {"mime_type": found["media_type"], "bytes": found["bytes"], "sha256": found["sha256"]}
    return part


def _digest(url: Any, mime_type: Any, data: Any) -> dict[str, Any]:
    if isinstance(url, str):
        return media.digest_of_url(url) or {}
    return media.digest(data, mime_type) if isinstance(data, str) else {}


def file_part(file: Mapping[str, Any]) -> Part:
    """A part that refers to FILE, as OpenAI's APIs describe one: by its id, its address, or a digest of its bytes."""
    if isinstance(file_id := file.get("file_id"), str):
        return {"type": "file", "modality": "document", "file_id": file_id}
    given = file.get("file_data") or file.get("file_url")
    if isinstance(given, str) and file.get("file_data") and not given.startswith("data:"):
        return media_part("document", None, None, given)
    return media_part("document", given)
