"""Gemini's batches, of requests that stand in the request or in a file, and the files that they need.

Source: https://ai.google.dev/api/batch-api
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from llmtrace.simulator.batches import OVER, Batch, BatchBook, File, Item
from llmtrace.simulator.gemini import MODEL, EmbedContent, GeminiProtocol, GenerateContent
from llmtrace.simulator.protocol import JSON, Asked, Problem, Protocol, Reply, Request

PATH = re.compile(r"^/v1(?:alpha|beta)/batches(?:/(?P<id>[^/:]+)(?::(?P<verb>cancel))?)?$")
FILE = re.compile(r"^/v1(?:alpha|beta)/(?P<id>files/[^/:]+):download$")
UPLOAD = re.compile(r"^/upload/v1(?:alpha|beta)/files(?:/(?P<id>[^/:]+))?$")
PREFIX = "batches/"
# The method that makes a batch to the method of its requests.
METHODS = {"batchGenerateContent": "generateContent", "asyncBatchEmbedContent": "embedContent"}
STATES = {
    "created": "PENDING", "in_progress": "RUNNING", "ended": "SUCCEEDED", "cancelling": "RUNNING",
    "cancelled": "CANCELLED", "expired": "EXPIRED", "failed": "FAILED",
}  # fmt: skip
CODES = {400: 3, 401: 16, 403: 7, 404: 5, 429: 8, 500: 13, 503: 14}


class GeminiBatches(GeminiProtocol):
    """The batches of one project."""

    methods: ClassVar[tuple[str, ...]] = tuple(METHODS)
    speaks = False
    streams = False

    def __init__(self, book: BatchBook, content: GenerateContent, embeddings: EmbedContent) -> None:
        """Keep them in BOOK; their requests are for CONTENT or EMBEDDINGS."""
        self._book = book
        self._protocols: dict[str, Protocol] = {"generateContent": content, "embedContent": embeddings}

    def serves(self, method: str, path: str) -> bool:
        """Whether a request of METHOD to PATH is for batches."""
        found = PATH.search(path)
        if found is None:
            return super().serves(method, path)
        return (method, bool(found["verb"])) in {("GET", False), ("POST", True)}

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        found = PATH.search(asked.path)
        if problem := super().refuse(replace(asked, body=asked.fields)):
            return problem
        if found is not None:
            missing = found["id"] is not None and self._book.find(PREFIX + found["id"]) is None
            return self.problem(404, None, "Requested entity was not found.") if missing else None
        config = _config(asked.fields)
        if "fileName" in config:
            missing = self._book.find_file(str(config["fileName"])) is None
            return self.problem(404, None, "The file was not found.") if missing else None
        return None if _inlined(config) else self.problem(400, None, "A batch needs requests.")

    def reply(self, request: Request) -> Reply:
        """The batch as it stands, or all of them."""
        found = PATH.search(request.asked.path)
        if found is None:
            return Reply(_describe(self._create(request)))
        if found["id"] is None:
            return Reply({"operations": [_describe(batch) for batch in self._book.list(PREFIX)]})
        if found["verb"]:
            self._book.change(PREFIX + found["id"], lambda batch: batch.cancel(request))
            return Reply({})
        batch = self._book.fetch(PREFIX + found["id"], request)
        if batch.state in OVER and "file" in batch.facts and "responses" not in batch.facts:
            batch.facts["responses"] = self._write(batch, request)
        return Reply(_describe(batch))

    def _create(self, request: Request) -> Batch:
        made, config = MODEL.search(request.asked.path), _config(request.body)
        assert made is not None
        method, file = METHODS[made["method"]], self._book.find_file(str(config.get("fileName")))
        lines = _inlined(config) if file is None else [json.loads(line) for line in file.content.splitlines()]
        path = f"/v1beta/models/{made['model']}:{method}"
        items = [
            Item("", _key(line), self._protocols[method], replace(request.asked, path=path, body=line.get("request")))
            for line in lines
        ]
        facts = {"model": f"models/{made['model']}", "embeds": method == "embedContent"}
        if file is not None:
            facts["file"] = file.id
        batch = Batch(request.draw_id(PREFIX, 36), request.created, items, facts)
        self._book.keep(batch)
        return batch

    def _write(self, batch: Batch, request: Request) -> str:
        """The name of a file with the results of BATCH."""
        lines = [json.dumps({"key": item.custom_id, **_result(item)}) for item in batch.items]
        name = request.draw_id("files/batch-", 22)
        self._book.keep_file(File(name, name, "batch", request.created, ("\n".join(lines) + "\n").encode()))
        return name


class GeminiFiles(GeminiProtocol):
    """The files of one project: sent in one piece after they were announced, and read."""

    speaks = False
    streams = False

    def __init__(self, book: BatchBook) -> None:
        """Keep them in BOOK."""
        self._book = book

    def serves(self, method: str, path: str) -> bool:
        """Whether a request of METHOD to PATH is for a file."""
        return bool(UPLOAD.search(path) if method == "POST" else method == "GET" and FILE.search(path))

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        found = FILE.search(asked.path)
        missing = found is not None and self._book.find_file(found["id"]) is None
        return self.problem(404, None, "The file was not found.") if missing else None

    def reply(self, request: Request) -> Reply:
        """What is in the file, where to send it, or that it came."""
        found, sent = FILE.search(request.asked.path), UPLOAD.search(request.asked.path)
        if found is not None:
            file = self._book.find_file(found["id"])
            assert file is not None
            return Reply({}, raw=file.content, content_type="application/octet-stream")
        assert sent is not None
        name = f"files/{sent['id']}" if sent["id"] else request.draw_id("files/", 12)
        if sent["id"] is None:
            address = f"http://{request.asked.headers.get('host')}/upload/v1beta/{name}"
            return Reply({}, headers={"x-goog-upload-url": address, "x-goog-upload-status": "active"})
        content = request.asked.content
        self._book.keep_file(File(name, name, "upload", request.created, content))
        told = {"name": name, "mimeType": "application/jsonl", "sizeBytes": str(len(content)), "state": "ACTIVE"}
        return Reply({"file": told}, headers={"x-goog-upload-status": "final"})


def _config(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the batch in BODY is made of."""
    batch = body.get("batch")
    found = batch.get("inputConfig") if isinstance(batch, dict) else None
    return found if isinstance(found, dict) else {}


def _inlined(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    requests = config.get("requests")
    found = requests.get("requests") if isinstance(requests, dict) else None
    return [line for line in found if isinstance(line, dict)] if isinstance(found, list) else []


def _key(line: Mapping[str, Any]) -> str:
    metadata = line.get("metadata")
    return str(line.get("key") or (metadata.get("key") if isinstance(metadata, dict) else None) or "")


def _describe(batch: Batch) -> JSON:
    """BATCH as the API tells of it: an operation that goes on."""
    kind = "EmbedContentBatch" if batch.facts["embeds"] else "GenerateContentBatch"
    moment = datetime.fromtimestamp(batch.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
    told: JSON = {
        "@type": f"type.googleapis.com/google.ai.generativelanguage.v1main.{kind}",
        "model": batch.facts["model"],
        "createTime": moment,
        "updateTime": moment,
        "batchStats": _stats(batch),
        "state": f"BATCH_STATE_{STATES[batch.state]}",
        "name": batch.id,
    }
    operation: JSON = {"name": batch.id, "metadata": told}
    if batch.state in OVER:
        output = _output(batch)
        operation |= {"metadata": {**told, "endTime": moment, "output": output}, "done": True, "response": output}
    return operation


def _stats(batch: Batch) -> JSON:
    """The numbers of requests as text, without those that are nothing."""
    numbers = {
        "requestCount": len(batch.items),
        "successfulRequestCount": sum(item.body is not None for item in batch.items),
        "failedRequestCount": sum(item.problem is not None or item.left is not None for item in batch.items),
        "pendingRequestCount": sum(not item.is_done for item in batch.items),
    }
    return {name: str(number) for name, number in numbers.items() if number}


def _output(batch: Batch) -> JSON:
    if "file" in batch.facts:
        return {"responsesFile": batch.facts.get("responses")}
    name = "inlinedEmbedContentResponses" if batch.facts["embeds"] else "inlinedResponses"
    return {name: {"inlinedResponses": list(_told(batch.items))}}


def _told(items: Iterable[Item]) -> Iterable[JSON]:
    for item in items:
        yield {**_result(item), **({"metadata": {"key": item.custom_id}} if item.custom_id else {})}


def _result(item: Item) -> JSON:
    if item.left is not None:
        return {"error": {"code": 1, "message": "The operation was cancelled."}}
    if item.problem is not None:
        return {"error": {"code": CODES.get(item.problem.status, 2), "message": item.problem.message}}
    return {"response": _embedded(item.body or {})}


def _embedded(body: JSON) -> JSON:
    """BODY, with the count of tokens beside it where it is an embedding."""
    if "embedding" not in body:
        return body
    return {"embedding": body["embedding"], "tokenCount": str(body["usageMetadata"]["promptTokenCount"])}
