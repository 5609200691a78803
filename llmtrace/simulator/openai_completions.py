"""OpenAI's older completions of text, which have no messages and no tools.

Source: https://platform.openai.com/docs/api-reference/completions
"""

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any, ClassVar

from llmtrace.simulator.answers import Output, Wish, compose
from llmtrace.simulator.openai_api import OpenAIProtocol
from llmtrace.simulator.openai_embeddings import Input, read_inputs
from llmtrace.simulator.openai_errors import INVALID, refuse_model, refuse_options, refuse_unauthorized
from llmtrace.simulator.openai_models import find_snapshot
from llmtrace.simulator.openai_stream import DONE, write_data
from llmtrace.simulator.protocol import JSON, Asked, Event, Problem, Reply, Request
from llmtrace.simulator.text import count_tokens, split_chunks

USUAL_LIMIT = 16
# What a text begins with where there is no prompt.
NO_PROMPT = "<|endoftext|>"
# What the chunks of a stream do not repeat.
APART = frozenset({"choices", "usage", "prompt_filter_results"})


class Completions(OpenAIProtocol):
    """Continues texts, each `n` times, of which the best of `best_of` are told and all are counted."""

    suffixes: ClassVar[tuple[str, ...]] = ("/completions",)

    def serves(self, method: str, path: str) -> bool:
        """Whether a request of METHOD to PATH is for these, and not for chat completions."""
        return super().serves(method, path) and not path.endswith("/chat/completions")

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        problem = refuse_unauthorized(asked.headers) or refuse_model(asked.body)
        return problem or refuse_options(asked.body) or _refuse_choices(asked.body)

    def reply(self, request: Request) -> Reply:
        """The complete completion."""
        body = request.body
        prompts = read_inputs(body.get("prompt") or NO_PROMPT)
        shown = body.get("n") or 1
        drawn = max(body.get("best_of") or 1, shown)
        choices: list[JSON] = []
        spoken = 0
        for prompt in prompts:
            outputs = [_continue(request) for _ in range(drawn)]
            spoken += sum(output.tokens for output in outputs)
            choices += [_choice(request, len(choices) + i, prompt, o) for i, o in enumerate(outputs[:shown])]
        asked = sum(count_tokens(p) if isinstance(p, str) else len(p) for p in prompts)
        usage: Mapping[str, Any] = {
            "prompt_tokens": asked,
            "completion_tokens": spoken,
            "total_tokens": asked + spoken,
        }
        if request.answer is not None and request.answer.usage is not None:
            usage = request.answer.usage
        return Reply(_completion(request, choices, usage), usage, asked, spoken)

    def events(self, request: Request, reply: Reply, *, omits_usage: bool) -> list[Event]:
        """The chunks of the completion, up to [DONE]."""
        asked = bool((request.body.get("stream_options") or {}).get("include_usage"))
        blank: JSON = {"usage": None} if asked else {}
        frame = {key: value for key, value in reply.body.items() if key not in APART}
        events = [
            Event(write_data({**frame, "choices": [part], **blank})) for part in _interleave(reply.body["choices"])
        ]
        if asked and not omits_usage:
            events.append(Event(write_data({**frame, "choices": [], "usage": reply.usage}), has_usage=True))
        return [*events, DONE]


def _refuse_choices(body: Mapping[str, Any]) -> Problem | None:
    best, shown = body.get("best_of") or 0, body.get("n") or 1
    if best and best < shown:
        return Problem(400, INVALID, "best_of must be greater than or equal to n", None, "best_of")
    if best > 1 and body.get("stream"):
        return Problem(400, INVALID, "best_of is not supported when streaming", None, "best_of")
    return None


def _continue(request: Request) -> Output:
    stops = request.body.get("stop") or ()
    limit = request.body.get("max_tokens")
    wish = Wish(
        stops=(stops,) if isinstance(stops, str) else tuple(stops), limit=USUAL_LIMIT if limit is None else limit
    )
    return compose(wish, request.answer, request.rng)


def _choice(request: Request, index: int, prompt: Input, output: Output) -> JSON:
    dictated = request.answer.finish_reason if request.answer is not None else None
    before = prompt if request.body.get("echo") and isinstance(prompt, str) else ""
    reason = dictated or ("length" if output.is_cut else "stop")
    return {"text": before + output.text, "index": index, "logprobs": None, "finish_reason": reason}


def _completion(request: Request, choices: list[JSON], usage: Mapping[str, Any]) -> JSON:
    return {
        "id": request.draw_id("cmpl-", 29),
        "object": "text_completion",
        "created": request.created,
        "model": find_snapshot(request),
        "choices": choices,
        "usage": dict(usage),
    }


def _interleave(choices: list[JSON]) -> Iterator[JSON]:
    for row in zip_longest(*([*_pieces(choice)] for choice in choices)):
        yield from (part for part in row if part is not None)


def _pieces(choice: JSON) -> Iterator[JSON]:
    for piece in split_chunks(choice["text"]):
        yield {**choice, "text": piece, "finish_reason": None}
    yield {**choice, "text": ""}
