"""The questions as data: what each is for, its parameters, the columns of its answer, and the filter all share.

Names, types and defaults are read from the questions themselves; only what they mean is written here.
"""

import inspect
from collections.abc import Mapping
from typing import Any

from llmtrace.analytics.columns import RELATIONS
from llmtrace.analytics.filters import Filter
from llmtrace.analytics.questions import QUESTIONS, Question
from llmtrace.analytics.tables import BY_CHOICES, CALLS, TAG_PREFIX

API_VERSION = 1
TYPES = {bool: "boolean", int: "integer", float: "number"}

PARAMETERS: Mapping[str, str] = {
    "by": f"What to group by: {', '.join(BY_CHOICES)}, status, error or {TAG_PREFIX}KEY.",
    "within": "What to divide each group by; the choices are those of `by`.",
    "bucket": "How long each stretch of time is: minute, hour, day or week.",
    "top": "How many groups to show by themselves.",
    "rank": "What makes a group large: cost_usd, calls, errors, input_tokens or output_tokens.",
    "limit": "How many rows at most.",
    "offset": "How many rows to leave out before the first.",
    "order": "The column that decides what comes first: the latest, the largest.",
    "ascending": "Whether the smallest come first instead.",
    "search": "Text in the id of a trace, span, answer, user or session.",
    "min_duration_s": "Only calls that took as many seconds, or more.",
    "min_cost_usd": "Only calls that cost as many US dollars, or more.",
    "span_id": "The span, 16 hexadecimal digits.",
    "trace_id": "The trace, 32 hexadecimal digits.",
    "of": "What is measured: duration_s or ttft_s.",
}

FILTERS: Mapping[str, str] = {
    "since": "Calls from this time on: 7d, 24h, 30m, 2w ago; a date; an ISO time. Without a zone it is UTC.",
    "until": "Calls before this time.",
    "feature": "Calls of this feature.",
    "model": "Calls that asked for this model, or were answered by it.",
    "provider": "Calls to this provider.",
    "service": "Calls made by this service.",
    "environment": "Calls made in this environment.",
    "user": "Calls made for this user.",
    "tenant": "Calls made for this tenant.",
    "session": "Calls made in this session.",
    "prompt_version": "Calls made with this version of a prompt.",
    "status": "Calls that ended like this: ok, error or cancelled.",
    "error": "Calls that failed with this type of error.",
    "cost_status": "Calls whose cost is known like this: exact, estimated, unpriced and so on.",
    "tag": "Calls with this tag, written KEY=VALUE.",
}

# Columns that mean the same in every answer.
COLUMNS: Mapping[str, str] = {
    "key": "The group; null for calls that have none.",
    "sub": "The group of the second kind.",
    "at": "When the bucket begins, in UTC.",
    "calls": "How many calls there were.",
    "errors": "How many of them failed.",
    "cost_usd": "What they cost together, in US dollars, exactly; null where no cost is known.",
    "unpriced_calls": "Calls whose cost is not known, and so not in the sum.",
    "estimated_calls": "Calls whose cost rests on an estimate, mostly of their tokens.",
    "input_tokens": "Tokens sent, cached ones included.",
    "cached_input_tokens": "Tokens sent that were read from a cache.",
    "cache_write_tokens": "Tokens sent that were written to a cache.",
    "output_tokens": "Tokens received, reasoning included.",
    "reasoning_tokens": "Tokens received that were reasoning.",
    "latency_p50_s": "The median of the calls' durations, in seconds.",
    "latency_p95_s": "The duration that 95 % of the calls stay below, in seconds.",
    "latency_p99_s": "The duration that 99 % of the calls stay below, in seconds.",
    "ttft_p50_s": "The median time to the first token, in seconds; null where nothing was streamed.",
    "ttft_p95_s": "The time to the first token that 95 % of the calls stay below, in seconds.",
    "untagged_calls": "Calls without a feature.",
    "untagged_cost_usd": "What the calls without a feature cost, in US dollars.",
    "first_call_at": "When the first of them started, in UTC.",
    "last_call_at": "When the last of them started, in UTC.",
    "last_at": "When the last of them started, in UTC.",
    "facet": "What may be filtered by: feature, model, provider, service or environment.",
    "value": "One of its values; null for calls that have none.",
    "cost_status": "How the cost is known: exact, estimated, unpriced and so on.",
    "is_other": "Whether the row stands for all groups beyond the largest.",
    "groups": "How many groups the row stands for.",
    "cancelled": "Calls that the caller gave up; they are not errors.",
    "retried": "Calls that took more than one attempt.",
    "extra_attempts": "How many attempts those took beyond the first.",
    "retry_wait_s": "How long calls waited between their attempts, in seconds.",
    "wasted_usd": "What failed and cancelled calls are known to have cost, in US dollars.",
    "unknown_cost_calls": "Failed and cancelled calls whose cost is not known.",
    "last_failed_at": "When the last call failed, in UTC.",
    "error_type": "What failed; null for cancelled calls.",
    "http_status": "The status of the last HTTP response.",
    "status": "How the calls ended: error or cancelled.",
    "provider": "Who was asked.",
    "model": "The model that was asked for.",
    "streamed": "Calls whose first token was timed.",
    "timed": "Calls whose speed is known.",
    "tokens_per_s_p50": "The median speed of output, in tokens per second after the first.",
    "latency_max_s": "The duration of the slowest call, in seconds.",
    "bin": "The bin n: from 10^(n/10) to 10^((n+1)/10) seconds.",
    "trace_id": "The trace.",
    "started_at": "When its first call started, in UTC.",
    "duration_s": "How long the whole trace took, in seconds.",
    "calls_s": "How long its calls took together, in seconds.",
    "features": "How many features are in it.",
    "feature": "One of its features.",
    "spans": "How many spans it has.",
    "traces": "How many traces there are.",
    "reason": "Why there is no price.",
    "usage_source": "Who counted the tokens: provider, estimated (here) or missing.",
    "failed": "How many of them failed or were cancelled.",
    "service": "The service that made them.",
    "environment": "Where that service runs.",
    "process": "The process that sent them.",
    "first_at": "When the first of them started, in UTC.",
    "service_tier": "The tier that served them, as the provider told it.",
    "component": "What is billed: input_uncached, output and so on; null for calls that nothing was counted of.",
    "quantity": "How much of it, in tokens or calls.",
    "is_call": "Whether the span is a call to a provider.",
}


# Where a row is a span that may be a call.
STATUS_OF_CALL: Mapping[str, str] = {"status": RELATIONS["calls"]["status"]}


def catalogue() -> dict[str, Any]:
    """Every question with its description, parameters and columns, and the filter that all of them take."""
    return {
        "api": API_VERSION,
        "questions": [describe(question) for question in QUESTIONS],
        "filters": [{"name": name, "description": FILTERS.get(name)} for name in Filter.__slots__],
    }


def describe(question: Question) -> dict[str, Any]:
    """What QUESTION is for, its parameters and the columns of its answer."""
    return {
        "name": question.name,
        "description": " ".join((inspect.getdoc(question.build) or "").split("\n\n")[0].split()),
        "parameters": [
            {
                "name": parameter.name,
                "type": TYPES.get(type(parameter.default), "string"),
                "default": parameter.default,
                "description": PARAMETERS.get(parameter.name),
            }
            for parameter in list(inspect.signature(question.build).parameters.values())[1:]
        ],
        "columns": _columns(question),
    }


def _columns(question: Question) -> list[dict[str, Any]]:
    """The columns of the answer; where they are those of a relation, they mean what they mean there."""
    schema = dict(question.build(CALLS).schema().items())
    relation = next((r for r in RELATIONS.values() if set(r) == set(schema)), {})
    if "span_id" in schema:  # a row is one span: its columns are those of spans and calls
        relation = relation or {**RELATIONS["calls_all"], **RELATIONS["spans"], **STATUS_OF_CALL}
    return [
        {
            "name": name,
            "type": str(kind).lower().removeprefix("!"),
            "description": relation.get(name) or COLUMNS.get(name),
        }
        for name, kind in schema.items()
    ]
