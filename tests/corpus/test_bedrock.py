"""Recorded answers of Amazon Bedrock, through the real boto3: one row each, and the provider's own token counts."""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from corpus.account import rows_of
from corpus.bedrock_rows import Runtime, break_early, piecewise, plain, raise_in_loop
from corpus.recorded import find_file
from corpus.sampling import PARTS, choose
from corpus.test_replay import report
from replaying import Row, outcome, serve, stored

import llmtrace

FILE = find_file()
pytestmark = [
    pytest.mark.skipif(FILE is None, reason="external data: LLMTRACE_TEST_DATA names no folder with recorded traffic"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module", params=PARTS)
def rows(request: pytest.FixtureRequest) -> list[Row]:
    assert FILE is not None
    return choose(request.param, rows_of("bedrock"))


def expected(usage: dict[str, Any]) -> tuple[int | None, int | None]:
    """All input and all output that USAGE tells of."""

    def first(*names: str) -> int | None:
        return next((int(usage[n]) for n in names if usage.get(n) is not None), None)

    total_in = first(
        "inputTokens", "inputTokenCount", "input_tokens", "prompt_token_count", "prompt_tokens", "inputTextTokenCount",
        "x-amzn-bedrock-input-token-count",
    )  # fmt: skip
    total_out = first(
        "outputTokens", "outputTokenCount", "output_tokens", "generation_token_count", "completion_tokens",
        "x-amzn-bedrock-output-token-count",
    )  # fmt: skip
    caches = (
        ("cacheReadInputTokens", "cacheReadInputTokenCount", "cache_read_input_tokens"),
        ("cacheWriteInputTokens", "cacheWriteInputTokenCount", "cache_creation_input_tokens"),
    )
    if total_in is not None:
        total_in += sum(first(*names) or 0 for names in caches)
    metrics = usage.get("amazon-bedrock-invocationMetrics") or {}
    if total_in is None and metrics:  # the recordings' reader kept the last chunk's counts, which are not all there
        return metrics["inputTokenCount"], metrics["outputTokenCount"]
    counts = [r["tokenCount"] for r in usage.get("results") or () if r.get("tokenCount") is not None]
    return total_in, sum(counts) if counts else total_out


def usage_of_a_blocked_stream(usage: dict[str, Any]) -> bool:
    """Whether the recordings' reader passed `totalOutputTextTokenCount` over, which Titan's streams tell."""
    return usage.get("results") == []


def wrong(row: Row, calls: list[dict[str, Any]], *, error: str) -> list[str]:
    if len(calls) != 1:
        return [f"{len(calls)} rows"]
    (call,) = calls
    found = [] if call["provider"] == "aws.bedrock" else [f"answered by {call['provider']}"]
    if call["request_model"] != row.request["modelId"]:
        found.append(f"asked {call['request_model']}")
    if call["http_status"] != row.status:
        found.append(f"status {call['http_status']}, not {row.status}")
    if bool(error) != (call["status"] == "error"):
        found.append(f"{call['status']} where the caller got {error or 'no error'}")
    if not row.usage:
        return [*found, "usage that nobody reported"] if call["usage_source"] == "provider" else found
    if call["usage_source"] != "provider":
        found.append(f"usage is {call['usage_source']}")
    tokens = (call["input_tokens"], call["output_tokens"])
    if usage_of_a_blocked_stream(row.usage):
        tokens = (call["input_tokens"], None)
    if tuple(n or 0 for n in tokens) != tuple(n or 0 for n in expected(row.usage)):
        found.append(f"{tokens} tokens, not {expected(row.usage)}")
    return found


@pytest.mark.parametrize("way", [plain, piecewise], ids=lambda way: str(way.__name__))
def test_every_bedrock_answer_is_one_row_with_its_tokens(
    way: Callable[[Runtime, Row], list[str]], rows: list[Row], home: Path
) -> None:
    problems: dict[str, list[str]] = {}
    seen: dict[str, tuple[str, list[str]]] = {}
    with serve({r.id: r for r in rows}) as address:
        runtime = Runtime(address)
        bare = {row.id: outcome(lambda row=row: way(runtime, row)) for row in rows}
        llmtrace.instrument(home=home)
        for row in rows:
            with llmtrace.feature(row.id):
                seen[row.id] = outcome(lambda row=row: way(runtime, row))
        runtime.client.close()
    calls = stored(home)
    for row in rows:
        found = wrong(row, calls.get(row.id, []), error=seen[row.id][0])
        if seen[row.id] != bare[row.id]:
            found.append(f"the caller saw {str(seen[row.id])[:200]}, and {str(bare[row.id])[:200]} without llmtrace")
        if found:
            problems[f"{row.operation} {row.request['modelId'][:40]} {row.id}"] = found
    report(problems, len(rows))


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of streams that the caller drops unclosed
@pytest.mark.parametrize("way", [break_early, raise_in_loop], ids=lambda way: str(way.__name__))
def test_a_bedrock_stream_that_is_left_is_one_row_that_says_so(
    way: Callable[[Runtime, Row], list[str]], rows: list[Row], home: Path
) -> None:
    chosen = [r for r in rows if r.streaming]
    llmtrace.instrument(home=home)
    with serve({r.id: r for r in chosen}) as address:
        runtime = Runtime(address)
        for row in chosen:
            with llmtrace.feature(row.id):
                outcome(lambda row=row: way(runtime, row))
        gc.collect()  # an event stream and its generator hold each other
        runtime.client.close()
    calls = stored(home)
    problems = {}
    for row in chosen:
        found = calls.get(row.id, [])
        if len(found) != 1:
            problems[row.id] = [f"{len(found)} rows"]
        elif found[0]["usage_source"] == "missing":
            problems[row.id] = ["its tokens were not even estimated"]
    report(problems, len(chosen))
