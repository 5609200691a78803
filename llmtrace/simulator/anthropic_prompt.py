"""The prompt of a message in blocks, as counting and caching go by.

Source: https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching
"""

from collections.abc import Mapping
from typing import Any

from llmtrace.simulator.caches import Block
from llmtrace.simulator.protocol import JSON
from llmtrace.simulator.text import compact, iter_texts, mark_message, pad


def read_blocks(body: Mapping[str, Any]) -> list[Block]:
    """The prompt in BODY, block by block, in the order that caching goes by: tools, system, messages."""
    blocks = [Block(pad(compact(_bare(tool))), _ttl(tool)) for tool in body.get("tools") or ()]
    if schema := read_schema(body):
        blocks.append(Block(pad(compact(schema))))
    blocks += _content_blocks(body.get("system"), "")
    for message in body["messages"]:
        blocks += _content_blocks(message.get("content"), mark_message(message.get("role")))
    if blocks and (whole := _ttl(body)):
        blocks[-1] = Block(blocks[-1].text, blocks[-1].ttl or whole)
    return blocks


def _content_blocks(content: object, mark: str) -> list[Block]:
    parts = content if isinstance(content, list) else [content] if content else []
    blocks = [Block("".join(pad(text) for text in iter_texts([part])), _ttl(part)) for part in _as_parts(parts)]
    if not mark:
        return blocks
    return [Block(mark + blocks[0].text, blocks[0].ttl), *blocks[1:]] if blocks else [Block(mark)]


def _as_parts(parts: list[Any]) -> list[Any]:
    return [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]


def _ttl(holder: object) -> str | None:
    control = holder.get("cache_control") if isinstance(holder, dict) else None
    return str(control.get("ttl") or "5m") if isinstance(control, dict) else None


def _bare(part: Mapping[str, Any]) -> JSON:
    return {key: value for key, value in part.items() if key != "cache_control"}


def read_schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema that BODY wants its answer to fit, or None."""
    # Releases before 1.0 of the SDK send `output_format`, beside no `output_config`.
    wanted = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    schema = wanted.get("schema")
    return schema if wanted.get("type") == "json_schema" and isinstance(schema, dict) else None
