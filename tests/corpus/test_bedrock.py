"""Recorded answers of Amazon Bedrock, through the real boto3: one row each, and the provider's own token counts."""

import base64
import gc
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import boto3
import pytest
from botocore.config import Config
from corpus.recorded import find_file
from corpus.test_replay import report
from replaying import ROW_HEADER, LoopError, Row, outcome, serve, stored

import llmtrace

FILE = find_file()
pytestmark = [
    pytest.mark.skipif(FILE is None, reason="external data: LLMTRACE_TEST_DATA names no folder with recorded traffic"),
    pytest.mark.timeout(600),
]
OPERATIONS = {
    "converse": "converse",
    "converse-stream": "converse_stream",
    "invoke": "invoke_model",
    "invoke-with-response-stream": "invoke_model_with_response_stream",
}
EVENTS = "application/vnd.amazon.eventstream"


def load(path: Path) -> tuple[list[Row], dict[str, int]]:
    rows, excluded = [], dict[str, int]()
    with gzip.open(path, "rt") as lines:
        for entry in (json.loads(line) for line in lines):
            if entry["provider"] != "bedrock":
                continue
            model, _, ending = entry["path"].partition("?")[0].removeprefix("/model/").rpartition("/")
            operation = OPERATIONS.get(ending) if entry["path"].startswith("/model/") else None
            reason = None if operation else f"{entry['method']} .../{ending}: another kind of request"
            if operation and not isinstance(entry.get("request"), dict):
                reason = "the request was not recorded"
            if reason:
                excluded[reason] = excluded.get(reason, 0) + 1
                continue
            headers = {k: v for k, v in (entry.get("headers") or {}).items() if v != "**REDACTED**"}
            encoded = entry.get("body_b64")
            body = base64.b64decode(encoded) if encoded else (entry.get("body") or "").encode()
            is_stream = operation.endswith("stream") and entry["status"] == 200
            headers.setdefault("content-type", EVENTS if is_stream else "application/json")
            request = {**entry["request"], "modelId": unquote(model)}
            rows.append(
                Row(
                    entry["id"], operation, "bedrock", entry["status"], is_stream, request, headers, body,
                    entry.get("usage"),
                )
            )  # fmt: skip
    return rows, excluded


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    assert FILE is not None
    found, excluded = load(FILE)
    for reason, number in sorted(excluded.items()):
        print(f"{number:5} left out: {reason}")
    print(f"{len(found):5} replayed")
    return found


class Runtime:
    """A client of the runtime at ADDRESS, whose requests name the row they ask for."""

    def __init__(self, address: str) -> None:
        self.row = ""
        self.client = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=address,
            aws_access_key_id="a",
            aws_secret_access_key="b",
            config=Config(parameter_validation=False, retries={"max_attempts": 0}),
        )
        self.client.meta.events.register("before-sign.bedrock-runtime.*", self._name)

    def _name(self, request: Any, **_: Any) -> None:
        request.headers[ROW_HEADER] = self.row

    def call(self, row: Row) -> Any:
        self.row = row.id
        body = dict(row.request)
        model = body.pop("modelId")
        method = getattr(self.client, row.operation)
        if row.operation.startswith("invoke"):
            return method(modelId=model, body=json.dumps(body))
        return method(modelId=model, **body)


def plain(runtime: Runtime, row: Row) -> list[str]:
    """Call, and read what there is to read."""
    return _seen(runtime.call(row), lambda body: [body.read()])


def piecewise(runtime: Runtime, row: Row) -> list[str]:
    """Call, and read a body in one of the ways that it offers."""
    readers: tuple[Callable[[Any], list[bytes]], ...] = (
        lambda body: list(body.iter_chunks(300)),
        lambda body: list(body.iter_lines()),
        lambda body: body.readlines(),
        lambda body: list(body),
        lambda body: [json.dumps(json.load(body)).encode()],
        _entered,
        _into,
    )
    return _seen(runtime.call(row), readers[sum(row.id.encode()) % len(readers)])


def _entered(body: Any) -> list[bytes]:
    with body as raw:
        return [raw.read()]


def _into(body: Any) -> list[bytes]:
    buffer, pieces = bytearray(200), []
    while count := body.readinto(buffer):
        pieces.append(bytes(buffer[:count]))
    return pieces


def _seen(result: dict[str, Any], read: Callable[[Any], list[bytes]]) -> list[str]:
    result["ResponseMetadata"]["HTTPHeaders"].pop("date", None)
    body, stream = result.pop("body", None), result.pop("stream", None)
    seen = [repr(result)]
    if body is not None and hasattr(body, "_event_generator"):
        body, stream = None, body
    if body is not None:
        seen += [type(body).__name__, repr(read(body))]
        body.close()
    if stream is not None:
        seen += [type(stream).__name__, *map(repr, stream)]
        stream.close()
    return seen


def _stream_of(result: dict[str, Any]) -> Any:
    return result["stream"] if "stream" in result else result["body"]


def break_early(runtime: Runtime, row: Row) -> list[str]:
    """Leave the loop over a stream after its second event."""
    stream = _stream_of(runtime.call(row))
    for number, _ in enumerate(stream, 1):
        if number == 2:
            break
    stream.close()
    return []


def raise_in_loop(runtime: Runtime, row: Row) -> list[str]:
    """Raise in the loop over a stream, at its second event, and drop it."""
    for number, _ in enumerate(_stream_of(runtime.call(row)), 1):
        if number == 2:
            raise LoopError
    return []


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
