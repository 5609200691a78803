"""What the simulated model says: dictated by a test, or made up from the seed and the request."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmtrace.simulator.schema import build_instance
from llmtrace.simulator.script import Aimed
from llmtrace.simulator.text import compact, count_tokens, cut_tokens, write_prose

CALL_TOKENS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Aimed):
    """An answer that a test dictates; what is None is made up as usual.

    `tool_calls` are names with arguments. `usage` is sent exactly as it is given, in place of the computed one, and
    `finish_reason` in the provider's own words. `response_model` is the model that the answer names, `refusal_category`
    what Anthropic refused it for.
    """

    text: str | None = None
    tool_calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    refusal: str | None = None
    refusal_category: str | None = None
    usage: Mapping[str, Any] | None = None
    finish_reason: str | None = None
    response_model: str | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call, with the schema of its arguments."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request wants of the model, in neither provider's words.

    `tools` are those it may call now; `schema` is the one its text has to fit.
    """

    tools: tuple[Tool, ...] = ()
    schema: Mapping[str, Any] | None = None
    stops: tuple[str, ...] = ()
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """What the model says to a wish; `stop` is the stop sequence it ran into."""

    text: str = ""
    calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    refusal: str | None = None
    stop: str | None = None
    is_cut: bool = False

    @property
    def tokens(self) -> int:
        """Tokens of the texts and of the calls, each of which costs four more."""
        spoken = count_tokens(self.text) + count_tokens(self.refusal or "")
        return spoken + sum(CALL_TOKENS + count_tokens(name) + count_tokens(compact(args)) for name, args in self.calls)


def compose(wish: Wish, answer: Answer | None, rng: random.Random) -> Output:
    """The model's output: what ANSWER dictates, else a tool call, else JSON, else prose."""
    if answer is not None and answer.refusal is not None:
        return Output(refusal=answer.refusal)
    if answer is not None and answer.tool_calls:
        calls = tuple((name, dict(arguments)) for name, arguments in answer.tool_calls)
        return Output(text=answer.text or "", calls=calls)
    if answer is not None and answer.text is not None:
        return _limit(answer.text, wish)
    if wish.tools:
        tool = wish.tools[0]
        return Output(calls=((tool.name, _arguments(tool, rng)),))
    if wish.schema is not None:
        # Not `compact`: an answer keeps the order of its schema.
        return _limit(json.dumps(build_instance(wish.schema, rng), ensure_ascii=False), wish)
    return _limit(write_prose(rng), wish)


def _arguments(tool: Tool, rng: random.Random) -> Mapping[str, Any]:
    value = build_instance({"type": "object", **tool.schema}, rng)
    return value if isinstance(value, dict) else {}


def _limit(text: str, wish: Wish) -> Output:
    found = [(text.find(stop), stop) for stop in wish.stops if stop and stop in text]
    stop = min(found)[1] if found else None
    kept = text[: min(found)[0]] if found else text
    if wish.limit is not None and count_tokens(kept) > wish.limit:
        return Output(text=cut_tokens(kept, wish.limit), is_cut=True)
    return Output(text=kept, stop=stop)
