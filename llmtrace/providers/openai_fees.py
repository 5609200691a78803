"""What OpenAI bills by something else than tokens: seconds, characters, images, and the calls of its tools.

Sources: https://developers.openai.com/api/docs/pricing, https://developers.openai.com/api/docs/guides/image-generation
"""

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

from llmtrace.model import Quantity, RawUsage
from llmtrace.providers.amounts import InvalidUsage, count, measure, require
from llmtrace.providers.base import as_list, as_mapping, as_text

# Some smaller models bill what a search found as a fixed block of input tokens; the price page says which.
SEARCH_BLOCK_TOKENS = 8000
TOOLS = frozenset({
    "web_search_calls", "file_search_calls", "code_interpreter_calls", "image_generation_calls", "containers",
})  # fmt: skip
SEARCH_BLOCK_ASSUMED = "a search's block of 8,000 input tokens is taken not to be in the usage"

DURATION_ASSUMED = "no usage came: billed by the duration of the audio, rounded up to a second"


def counted_otherwise(usage: RawUsage, endpoint: str) -> list[Quantity]:
    """USAGE of an endpoint that counts no tokens; empty where it counts them.

    Speech and older image models report nothing: the caller states the request's characters, or its number, size and
    quality of images.

    Raises:
        InvalidUsage: an amount is no amount.
    """
    has_tokens = "input_tokens" in usage or "prompt_tokens" in usage
    if not has_tokens and (seconds := measure(usage, "seconds")) is not None:
        size = as_text(usage.get("size"))
        return [Quantity("seconds", seconds, "second", when={"size": size} if size else {})]
    if not has_tokens and (duration := measure(usage, "duration")) is not None:
        return [Quantity("seconds", duration.to_integral_value(ROUND_CEILING), "second", assumption=DURATION_ASSUMED)]
    if "per_model_usage" in usage:
        return [q for part in as_list(usage.get("per_model_usage")) for q in _of_model(as_mapping(part))]
    trained = count(usage, "trained_tokens")
    if trained is not None:
        return [Quantity("training", Decimal(trained))]
    characters = count(usage, "input_characters")
    if characters is not None:
        return [Quantity("characters", Decimal(characters), "character")]
    if endpoint.startswith("images.") and "n" in usage:
        made = {key: value for key in ("size", "quality") if (value := as_text(usage.get(key))) is not None}
        return [Quantity("image", Decimal(require(usage, "n")), "image", when=made)]
    return []


def _of_model(part: Mapping[str, Any]) -> list[Quantity]:
    """One model's PART in work of several."""
    model, cached = as_text(part.get("model_name")), count(part, "cached_tokens") or 0
    fresh = require(part, "prompt_tokens") - cached
    if fresh < 0:
        raise InvalidUsage(f"cached tokens exceed the prompt of {model}")
    amounts = (("input_uncached", fresh), ("input_cached", cached), ("output", count(part, "completion_tokens") or 0))
    return [Quantity(component, Decimal(n), model=model) for component, n in amounts]


def drawn(usage: RawUsage) -> list[Quantity]:
    """What a text model used that drew an image, as SVG: told beside the usage of the image model, and not in it.

    Raises:
        InvalidUsage: a number of tokens is no count.
    """
    told = as_mapping(usage.get("svg_usage"))
    if not told:
        return []
    model = as_text(told.get("model"))
    amounts = (("input_uncached", "input_tokens"), ("output", "output_tokens"))
    return [Quantity(part, Decimal(require(told, name)), model=model) for part, name in amounts]


def tools(stated: Mapping[str, Any]) -> list[Quantity]:
    """Fees per tool call: counted in the response's output items, so the caller states them.

    Raises:
        InvalidUsage: a number of calls or sessions is no count.
    """
    if TOOLS.isdisjoint(stated):
        return []
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
