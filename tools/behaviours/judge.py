"""The one judge of all contestants: what came of a behaviour, beside what is true of it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from behaviours.reading import REASONS, Recorded, find_all
from behaviours.rows import Behaviour
from llmtrace.providers import find_provider

YES, CRASH = "yes", "crash"
MOST_WORDS = 2
NUMBERS = {0: "no span", 1: "one span", 2: "two spans", 3: "three spans"}
# Headers that no two requests have in common.
CHANGING = {"host", "idempotency-key", "x-stainless-read-timeout", "connection"}
# What a failure without a status may also be called, by a part of the names of its exceptions.
KINDS_OF_FAILURE = {"timeout": ("timeout", "timed out"), "connect": ("connection",), "protocol": ("connection",)}
FACTS = {"cached": ("cached",), "written": ("written",), "reasoning": ("reasoning",)}
FACTS |= {"audio": ("input audio", "output audio")}


@dataclass(frozen=True)
class Truth:
    """What the simulator answered to a call: the model asked for, and tokens by fact; `fresh` is the input uncached.

    `counts` is empty where nothing was answered; a fact of it is absent where the answer does not tell it.
    """

    model: str | None
    counts: Mapping[str, int]
    fresh: int | None = None


def truths(behaviour: Behaviour, bare: Mapping[str, Any]) -> list[Truth]:
    """What is true of the calls of BEHAVIOUR, by what was asked and answered where nobody looked on (BARE)."""
    asked = [record for record in bare["requests"] if record["model"]]
    if behaviour.told == "seen":
        found = [usage for usage in find_all(bare["seen"], "usage") if isinstance(usage, Mapping)]
        return [truth(str(find_all(bare["seen"], "model")[0]), usage) for usage in found]
    answered = [record for record in asked if record["usage"]]
    if behaviour.bill == "once":
        answered = answered[-1:]
    if behaviour.ending == "failed" or behaviour.told == "nowhere" or not answered:
        return [Truth(asked[-1]["model"] if asked else None, {})] * behaviour.calls
    return [truth(record["model"], record["usage"]) for record in answered]


def truth(model: str, usage: Mapping[str, Any]) -> Truth:
    """What USAGE says of a call to MODEL, in the meaning that all facts have here: the input holds what was cached."""
    family = find_provider("anthropic" if model.startswith("claude") else "openai")
    assert family is not None
    told = family.normalise(usage)
    counts = {
        "input": told.input_tokens, "output": told.output_tokens, "cached": told.cached_input_tokens,
        "written": told.cache_write_tokens, "reasoning": told.reasoning_tokens,
        "input audio": told.input_audio_tokens, "output audio": told.output_audio_tokens,
    }  # fmt: skip
    parts = (told.cached_input_tokens or 0) + (told.cache_write_tokens or 0)
    fresh = None if told.input_tokens is None else told.input_tokens - parts
    return Truth(model, {fact: count for fact, count in counts.items() if count is not None}, fresh)


def judge(
    behaviour: Behaviour, bare: Mapping[str, Any], told: Mapping[str, Any] | None, calls: Sequence[Recorded]
) -> str:
    """`yes`, or what is wrong with CALLS and with what the application saw (TOLD; None: its process died)."""
    if told is None:
        return CRASH
    wrong = list(dict.fromkeys(find_wrong(behaviour, bare, told, calls)))
    return ", ".join(wrong[:MOST_WORDS]) or YES


def find_wrong(
    behaviour: Behaviour, bare: Mapping[str, Any], told: Mapping[str, Any], calls: Sequence[Recorded]
) -> Iterable[str]:
    """What is wrong, the worst first."""
    if behaviour.checks == "requests":
        yield from compare_requests(bare["requests"], told["requests"])
        return
    yield from compare_sights(behaviour, bare, told)
    if behaviour.checks == "classes":
        return
    true = truths(behaviour, bare)
    if behaviour.bill == "nothing":
        if any(call.counts.get("output") for call in calls):
            yield "billed"
        return
    if behaviour.bill == "once" or behaviour.told == "seen":
        calls = with_tokens(calls)
        if not any(call.counts for call in calls):
            yield "no tokens" if calls else NUMBERS[0]
            return
    if len(calls) != len(true):
        yield NUMBERS.get(len(calls), f"{len(calls)} spans") if len(calls) < 4 else f"{len(calls)} spans"
        return
    for call, fact in pair(calls, true):
        yield from compare(behaviour, call, fact, bare)


def with_tokens(calls: Sequence[Recorded]) -> Sequence[Recorded]:
    """Those of CALLS that tell tokens, where there are any; the others made or watched what they tell of."""
    return [call for call in calls if call.counts] or calls


def pair(calls: Sequence[Recorded], true: Sequence[Truth]) -> Iterable[tuple[Recorded, Truth]]:
    """Each of CALLS with the truth that it tells, whatever the order in which they ended."""
    left = list(true)
    for call in calls:
        found = min(left, key=lambda fact: len(differences(call, fact)))
        left.remove(found)
        yield call, found


def differences(call: Recorded, fact: Truth) -> list[str]:
    """The counts of CALL that are not those of FACT."""
    return [name for name, count in fact.counts.items() if call.counts.get(name, 0) != count]


def compare(behaviour: Behaviour, call: Recorded, fact: Truth, bare: Mapping[str, Any]) -> Iterable[str]:
    """What CALL gets wrong of FACT."""
    if fact.model is not None and not (call.model or "").startswith(fact.model):
        yield "no model" if call.model is None else f"model {call.model}"
    if behaviour.ending in ("failed", "broken"):
        yield from compare_failure(call, bare)
    elif behaviour.ending == "answered" and call.is_error:
        yield "called an error"
    if behaviour.ending == "answered" and behaviour.told != "nowhere":
        yield from compare_counts(behaviour, call, fact)
        yield from compare_rest(behaviour, call, bare)
    else:
        yield from compare_unknown(call, fact)


def compare_failure(call: Recorded, bare: Mapping[str, Any]) -> Iterable[str]:
    """An error must be there, and say which: by its class, its status or its message."""
    if not call.is_error:
        yield "no error"
        return
    names = [name.lower() for name in bare["names"]]
    names += [word for sign, words in KINDS_OF_FAILURE.items() if any(sign in name for name in names) for word in words]
    if not any(name in call.failure.lower() for name in names):
        yield "error unnamed"


def compare_counts(behaviour: Behaviour, call: Recorded, fact: Truth) -> Iterable[str]:
    """The counts that every row checks, and those that this one is about."""
    if not any(name in call.counts for name in ("input", "output")) and fact.counts:
        yield "no tokens"
        return
    got = call.counts.get("input")
    if got != fact.counts.get("input") and not tells_fresh(call, fact):
        yield f"input tokens {got} of {fact.counts.get('input')}"
    if fact.counts.get("output") and call.counts.get("output") != fact.counts["output"]:
        yield f"output tokens {call.counts.get('output', 'missing')} of {fact.counts['output']}"
    for name in (name for about in behaviour.also for name in FACTS.get(about, ())):
        # Nothing told of a count of nothing is no mistake.
        if call.counts.get(name, 0) != fact.counts.get(name, 0):
            yield f"no {name} tokens" if name not in call.counts else f"{name} tokens {call.counts[name]}"


def tells_fresh(call: Recorded, fact: Truth) -> bool:
    """Whether the input leaves out what is cached, and that stands beside it: as Anthropic itself counts."""
    beside = all(call.counts.get(name, 0) == fact.counts.get(name, 0) for name in ("cached", "written"))
    return call.counts.get("input") == fact.fresh and beside


def compare_unknown(call: Recorded, fact: Truth) -> Iterable[str]:
    """A count that the provider never told to its end is absent, right, or marked: as an estimate, or by a failure."""
    if call.estimated or call.incomplete or call.is_error:
        return
    for name in ("input", "output"):
        got = call.counts.get(name)
        if got is not None and got != fact.counts.get(name) and not (name == "input" and tells_fresh(call, fact)):
            yield f"{name} tokens {got}, unmarked" if fact.counts else f"{name} tokens {got}"


def compare_rest(behaviour: Behaviour, call: Recorded, bare: Mapping[str, Any]) -> Iterable[str]:
    """The reason why the model stopped, and that it was a stream."""
    if "finish" in behaviour.also:
        seen = find_all(bare["seen"], "finish_reason") + find_all(bare["seen"], "stop_reason")
        wanted = {REASONS.get(reason, reason) for reason in seen}
        if not wanted & call.reasons:
            yield f"stopped by {', '.join(sorted(call.reasons))}" if call.reasons else "no finish reason"
    if "stream" in behaviour.also and not call.is_stream:
        yield "not told from others"


def compare_sights(behaviour: Behaviour, bare: Mapping[str, Any], told: Mapping[str, Any]) -> Iterable[str]:
    """Where the application saw something else than by itself."""
    if bare.get("raised") != told.get("raised"):
        yield f"app saw {told.get('raised') or 'no error'}"
    elif bare.get("seen") != told.get("seen"):
        yield "app saw other classes" if behaviour.checks == "classes" else "app saw another answer"


def compare_requests(bare: Sequence[Mapping[str, Any]], told: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Where the provider was asked something else than by the application itself."""
    if len(bare) != len(told):
        yield f"{len(told)} requests"
        return
    for own, other in zip(bare, told, strict=True):
        if own["body"] != other["body"]:
            yield "body: " + ", ".join(sorted(changed(own["body"], other["body"])))
        yield from (f"header {name}" for name in sorted(changed(headers(own), headers(other))))


def headers(record: Mapping[str, Any]) -> dict[str, str]:
    """The headers of RECORD that a second request would have too."""
    return {name: value for name, value in record["headers"].items() if name not in CHANGING}


def changed(own: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
    """The keys at which the two differ."""
    return {k for k in own.keys() | other.keys() if json.dumps(own.get(k)) != json.dumps(other.get(k))}
