"""Batches submitted, waited for and read through the real SDKs, sync or async, in every way of calling."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from surface import each, entered, make_anthropic, settle

import llmtrace
from llmtrace.simulator import Simulator

MESSAGES: list[Any] = [{"role": "user", "content": "Tell me about the harbour at night, please."}]
CHAT = "/v1/chat/completions"
BODIES: dict[str, dict[str, Any]] = {
    CHAT: {"model": "gpt-4o", "messages": MESSAGES},
    "/v1/responses": {"model": "gpt-4o", "input": "Tell me about the harbour at night, please."},
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": ["harbour", "night"]},
    "/v1/completions": {"model": "gpt-3.5-turbo-instruct", "prompt": "The harbour at night"},
}
# Batch prices: gpt-4o $1.25 and $5 a million, claude-haiku-4-5 $0.50 and $2.50 (half of $1 and $5).
OPENAI_USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
OPENAI_USD = "0.001750000000"  # 1,000 × 1.25 / 1M + 100 × 5 / 1M
ANTHROPIC_USAGE = {"input_tokens": 1000, "output_tokens": 100}
ANTHROPIC_USD = "0.000750000000"  # 1,000 × 0.5 / 1M + 100 × 2.5 / 1M
HAIKU = {"model": "claude-haiku-4-5", "max_tokens": 60, "messages": MESSAGES}


def lines(count: int, path: str = CHAT, invalid: Sequence[int] = ()) -> bytes:
    """A file of COUNT requests for PATH, of which those INVALID lack what they ask."""
    rows = []
    for number in range(count):
        body = {"model": BODIES[path]["model"]} if number in invalid else BODIES[path]
        rows.append({"custom_id": f"r{number}", "method": "POST", "url": path, "body": body})
    return "\n".join(json.dumps(row) for row in rows).encode()


def haiku_requests(count: int, invalid: Sequence[int] = ()) -> list[Any]:
    """COUNT requests of a batch, of which those INVALID ask nothing."""
    asked = {number: {**HAIKU, "messages": []} if number in invalid else HAIKU for number in range(count)}
    return [{"custom_id": f"r{number}", "params": params} for number, params in asked.items()]


def as_bytes(content: bytes, folder: Path) -> Any:
    return ("batch.jsonl", content)


def as_path(content: bytes, folder: Path) -> Any:
    path = folder / "batch.jsonl"
    path.write_bytes(content)
    return path


def as_open_file(content: bytes, folder: Path) -> Any:
    return as_path(content, folder).open("rb")


def as_memory(content: bytes, folder: Path) -> Any:
    return ("batch.jsonl", io.BytesIO(content), "application/jsonl")


UPLOADS = (as_bytes, as_path, as_open_file, as_memory)


async def submit_openai(client: Any, content: bytes, path: str = CHAT, **metadata: str) -> str:
    """The id of a batch made of CONTENT."""
    file = await settle(client.files.create(file=("batch.jsonl", content), purpose="batch"))
    batch = await settle(
        client.batches.create(input_file_id=file.id, endpoint=path, completion_window="24h", metadata=metadata or None)
    )
    return str(batch.id)


async def wait_openai(client: Any, id_: str) -> Any:
    """The batch ID_ once it is over."""
    while True:
        batch = await settle(client.batches.retrieve(id_))
        if batch.status in ("completed", "failed", "cancelled", "expired"):
            return batch


async def wait_anthropic(batches: Any, id_: str) -> Any:
    """The batch ID_ of the resource BATCHES once it is over."""
    while True:
        batch = await settle(batches.retrieve(id_))
        if batch.processing_status == "ended":
            return batch


# The ways of reading a file: each gives its text.


async def content(files: Any, id_: str) -> str:
    return str((await settle(files.content(id_))).text)


async def content_raw(files: Any, id_: str) -> str:
    return str((await settle(files.with_raw_response.content(id_))).text)


async def content_streamed(files: Any, id_: str) -> str:
    async with entered(files.with_streaming_response.content(id_)) as response:
        return b"".join([piece async for piece in each(response.iter_bytes(100))]).decode()


async def content_by_line(files: Any, id_: str) -> str:
    async with entered(files.with_streaming_response.content(id_)) as response:
        return "".join([line + "\n" async for line in each(response.iter_lines())])


async def content_at_once(files: Any, id_: str) -> str:
    async with entered(files.with_streaming_response.content(id_)) as response:
        return (await settle(response.read())).decode()


FILE_WAYS = (content, content_raw, content_streamed, content_by_line, content_at_once)


# The ways of reading Anthropic's results: each gives the ids and kinds of what it read.


async def results(batches: Any, id_: str) -> list[tuple[str, str]]:
    return [(r.custom_id, r.result.type) async for r in each(await settle(batches.results(id_)))]


async def results_raw(batches: Any, id_: str) -> list[tuple[str, str]]:
    response = await settle(batches.with_raw_response.results(id_))
    return [(r.custom_id, r.result.type) async for r in each(await settle(response.parse()))]


async def results_streamed(batches: Any, id_: str) -> list[tuple[str, str]]:
    async with entered(batches.with_streaming_response.results(id_)) as response:
        return [(r.custom_id, r.result.type) async for r in each(await settle(response.parse()))]


async def results_by_line(batches: Any, id_: str) -> list[tuple[str, str]]:
    async with entered(batches.with_streaming_response.results(id_)) as response:
        found = [json.loads(line) async for line in each(response.iter_lines())]
    return [(row["custom_id"], row["result"]["type"]) for row in found]


RESULT_WAYS = (results, results_raw, results_streamed, results_by_line)


def submit(simulator: Simulator, home: Path) -> str:
    """Submit a batch of three requests to Anthropic, for the feature nightly; its id."""
    llmtrace.instrument(home=home)
    with make_anthropic(simulator, False) as client, llmtrace.feature("nightly"):
        id_ = client.messages.batches.create(requests=haiku_requests(3)).id
    assert llmtrace.flush(5.0)
    return str(id_)


def read(simulator: Simulator, id_: str, number: int) -> None:
    """Read the first NUMBER results of the batch ID_."""
    with make_anthropic(simulator, False) as client:
        while client.messages.batches.retrieve(id_).processing_status != "ended":
            pass
        results = client.messages.batches.results(id_)
        for _ in range(number):
            next(results)
        results.close()
    assert llmtrace.flush(5.0)
