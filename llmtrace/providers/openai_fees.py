"""What OpenAI bills by something else than tokens: seconds, characters, images, and the calls of its tools.

Sources: https://developers.openai.com/api/docs/pricing, https://developers.openai.com/api/docs/guides/image-generation
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from llmtrace.model import Quantity, RawUsage
from llmtrace.providers.base import as_list, as_mapping, as_text, count, measure, require

# Some smaller models bill what a search found as a fixed block of input tokens; the price page says which.
SEARCH_BLOCK_TOKENS = 8000
SEARCH_BLOCK_ASSUMED = "a search's block of 8,000 input tokens is taken not to be in the usage"


def counted_otherwise(usage: RawUsage, endpoint: str) -> list[Quantity]:
    """USAGE of an endpoint that counts no tokens; empty where it counts them.

    Speech and older image models report nothing: the caller states the request's characters, or its number, size and
    quality of images.

    Raises:
        InvalidUsage: an amount is no amount.
    """
    has_tokens = "input_tokens" in usage or "prompt_tokens" in usage
    if not has_tokens and (seconds := measure(usage, "seconds")) is not None:
        return [Quantity("seconds", seconds, "second")]
    characters = count(usage, "input_characters")
    if characters is not None:
        return [Quantity("characters", Decimal(characters), "character")]
    if endpoint.startswith("images.") and "n" in usage:
        made = {key: value for key in ("size", "quality") if (value := as_text(usage.get(key))) is not None}
        return [Quantity("image", Decimal(require(usage, "n")), "image", when=made)]
    return []


def tools(stated: Mapping[str, Any]) -> list[Quantity]:
    """Fees per tool call: counted in the response's output items, so the caller states them.

    Raises:
        InvalidUsage: a number of calls or sessions is no count.
    """
    files = count(stated, "file_search_calls") or 0
    # Billed by the tokens of an image model that the response does not name.
    images = count(stated, "image_generation_calls") or 0
    return [
        *_searches(stated),
        Quantity("file_search", Decimal(files), "call"),
        *_containers(stated),
        Quantity("image_generation", Decimal(images), "call"),
    ]


def _searches(stated: Mapping[str, Any]) -> list[Quantity]:
    searches = count(stated, "web_search_calls") or 0
    if stated.get("tool") == "web_search_preview":
        return [Quantity("web_search_preview", Decimal(searches), "call")]
    block = Decimal(searches * SEARCH_BLOCK_TOKENS)
    return [
        Quantity("web_search", Decimal(searches), "call"),
        Quantity("web_search_content", block, assumption=SEARCH_BLOCK_ASSUMED, optional=True),
    ]


def _containers(stated: Mapping[str, Any]) -> list[Quantity]:
    """Sessions of the containers that code ran in, by their memory.

    Many calls may share a container: without its sessions, no number of runs has a price.
    """
    used = [as_mapping(c) for c in as_list(stated.get("containers"))]
    if used:
        return [
            Quantity("container_session", Decimal(require(c, "sessions")), "session", when=_size_of(c)) for c in used
        ]
    return [Quantity("code_interpreter", Decimal(count(stated, "code_interpreter_calls") or 0), "call")]


def _size_of(container: Mapping[str, Any]) -> dict[str, Any]:
    memory = count(container, "memory_gb")
    return {} if memory is None else {"memory_gb": memory}
