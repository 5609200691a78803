"""OpenAI's embeddings: vectors that are the same for the same text.

Source: https://platform.openai.com/docs/api-reference/embeddings
"""

import math
import random
from array import array
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, ClassVar

from llmtrace.simulator.openai_api import OpenAIProtocol
from llmtrace.simulator.openai_errors import INVALID, refuse_model, refuse_unauthorized
from llmtrace.simulator.openai_models import find_snapshot
from llmtrace.simulator.protocol import JSON, Asked, Problem, Reply, Request, is_count
from llmtrace.simulator.text import count_tokens, seeded

DIMENSIONS = {"text-embedding-3-large": 3_072}
USUAL_DIMENSIONS = 1_536
MOST_INPUTS = 2_048
Input = str | list[int]


class Embeddings(OpenAIProtocol):
    """Turns texts, or lists of tokens, into vectors of length one."""

    suffixes: ClassVar[tuple[str, ...]] = ("/embeddings",)
    streams = False

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        return refuse_unauthorized(asked.headers) or refuse_model(asked.body) or _refuse_input(asked.fields)

    def reply(self, request: Request) -> Reply:
        """One vector for each input; only the input is counted."""
        body, inputs = request.body, read_inputs(request.body.get("input"))
        size = body.get("dimensions") or DIMENSIONS.get(request.model, USUAL_DIMENSIONS)
        is_packed = body.get("encoding_format") == "base64"
        tokens = sum(_count(entry) for entry in inputs)
        usage: Mapping[str, Any] = {"prompt_tokens": tokens, "total_tokens": tokens}
        if request.answer is not None and request.answer.usage is not None:
            usage = request.answer.usage
        data = []
        for index, entry in enumerate(inputs):
            vector = _draw(seeded(0, request.model, entry), size)
            data.append({"object": "embedding", "index": index, "embedding": _pack(vector) if is_packed else vector})
        reply: JSON = {"object": "list", "data": data, "model": find_snapshot(request), "usage": dict(usage)}
        return Reply(reply, usage, tokens)


def read_inputs(given: object) -> list[Input]:
    """The texts and lists of tokens in GIVEN, which is one of them or a list."""
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list):
        return []
    if given and all(is_count(entry) for entry in given):
        return [given]
    return [entry for entry in given if isinstance(entry, str | list)]


def _refuse_input(body: Mapping[str, Any]) -> Problem | None:
    inputs, size = read_inputs(body.get("input")), body.get("dimensions")
    if not inputs or "" in inputs or len(inputs) > MOST_INPUTS:
        return Problem(400, INVALID, "'$.input' is invalid. Please check the API reference.", None, "input")
    if size is not None and not (is_count(size) and size >= 1):
        return Problem(400, INVALID, "Invalid value for 'dimensions'.", "invalid_value", "dimensions")
    return None


def _count(entry: Input) -> int:
    return count_tokens(entry) if isinstance(entry, str) else len(entry)


def _draw(rng: random.Random, size: int) -> list[float]:
    raw = [rng.gauss(0.0, 1.0) for _ in range(size)]
    length = math.hypot(*raw)
    # In single precision, so that both encodings say the same.
    return list(array("f", (value / length for value in raw)))


def _pack(vector: list[float]) -> str:
    return b64encode(array("f", vector).tobytes()).decode()
