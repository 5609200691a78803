"""OpenAI's batches: made of a file of requests, fetched until they are done, cancelled, listed.

Source: https://platform.openai.com/docs/api-reference/batch
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from llmtrace.simulator.batches import OVER, Batch, BatchBook, File, Item
from llmtrace.simulator.openai_api import OpenAIProtocol
from llmtrace.simulator.openai_errors import INVALID, refuse_unauthorized
from llmtrace.simulator.protocol import JSON, Asked, Problem, Protocol, Reply, Request

PATH = re.compile(r"^(?:/openai)?(?:/v1)?/batches(?:/(?P<id>batch_[^/]+)(?P<cancel>/cancel)?)?$")
PREFIX = "batch_"
WINDOW_S = 86_400
STATUSES = {
    "created": "validating",
    "ended": "completed",
    "in_progress": "in_progress",
    "cancelling": "cancelling",
    "cancelled": "cancelled",
    "expired": "expired",
    "failed": "failed",
}
TOLD_AT = {"in_progress": "in_progress_at", "ended": "completed_at", "cancelled": "cancelled_at", "failed": "failed_at"}
LEFT = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "This request was not executed because the batch was cancelled."),
}


class Batches(OpenAIProtocol):
    """The batches of one account."""

    suffixes: ClassVar[tuple[str, ...]] = ()
    speaks = False
    streams = False

    def __init__(self, book: BatchBook, endpoints: Sequence[Protocol]) -> None:
        """Keep them in BOOK; their requests are for ENDPOINTS."""
        self._book, self._endpoints = book, endpoints
        self._verbs: dict[tuple[str, bool, bool], Callable[[Request, str], JSON]] = {
            ("POST", False, False): lambda request, _: self._create(request),
            ("GET", False, False): lambda _, __: self._list(),
            ("GET", True, False): self._fetch,
            ("POST", True, True): self._cancel,
        }

    def serves(self, method: str, path: str) -> bool:
        """Whether a request of METHOD to PATH is for batches."""
        found = PATH.search(path)
        return found is not None and (method, bool(found["id"]), bool(found["cancel"])) in self._verbs

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        if problem := refuse_unauthorized(asked.headers):
            return problem
        id_ = _id(asked)
        if id_ and self._book.find(id_) is None:
            return Problem(404, INVALID, f"No batch found with id '{id_}'.")
        if asked.method == "POST" and not id_:
            return self._refuse_creation(asked.fields)
        return None

    def _refuse_creation(self, body: Mapping[str, Any]) -> Problem | None:
        for name in ("input_file_id", "endpoint", "completion_window"):
            if not body.get(name):
                return Problem(
                    400, INVALID, f"Missing required parameter: '{name}'.", "missing_required_parameter", name
                )
        file = self._book.find_file(str(body["input_file_id"]))
        if file is None or file.purpose != "batch":
            return Problem(400, INVALID, "The input file was not found, or its purpose is not 'batch'.")
        return None

    def reply(self, request: Request) -> Reply:
        """The batch as it stands, or all of them."""
        found = PATH.search(request.asked.path)
        assert found is not None
        verb = self._verbs[request.asked.method, bool(found["id"]), bool(found["cancel"])]
        return Reply(verb(request, found["id"] or ""))

    def _create(self, request: Request) -> JSON:
        body = request.body
        file = self._book.find_file(str(body["input_file_id"]))
        assert file is not None
        batch = Batch(f"{PREFIX}{request.ids.getrandbits(128):032x}", request.created, [], dict(body))
        try:
            batch.items = [
                self._item(request, str(body["endpoint"]), line) for line in file.content.splitlines() if line
            ]
        except (ValueError, KeyError, TypeError, StopIteration):
            batch.state = "failed"
        self._book.keep(batch)
        return _describe(batch)

    def _item(self, request: Request, endpoint: str, line: bytes) -> Item:
        told = json.loads(line)
        if told["method"] != "POST" or told["url"] != endpoint:
            raise ValueError("a line is for another endpoint")
        protocol = next(p for p in self._endpoints if p.serves("POST", endpoint))
        asked = replace(request.asked, method="POST", path=endpoint, query={}, body=told["body"])
        return Item(f"batch_req_{request.ids.getrandbits(128):032x}", told["custom_id"], protocol, asked)

    def _fetch(self, request: Request, id_: str) -> JSON:
        batch = self._book.fetch(id_, request)
        if batch.state in OVER and batch.state != "failed" and "files" not in batch.facts:
            batch.facts["files"] = self._write_files(request, batch)
        return _describe(batch)

    def _cancel(self, request: Request, id_: str) -> JSON:
        return _describe(self._book.change(id_, lambda batch: batch.cancel(request)))

    def _list(self) -> JSON:
        told = [_describe(batch) for batch in self._book.list(PREFIX)]
        ends = {"first_id": told[0]["id"], "last_id": told[-1]["id"]} if told else {}
        return {"object": "list", "data": told, "has_more": False, **ends}

    def _write_files(self, request: Request, batch: Batch) -> dict[str, str]:
        """The ids of the files with BATCH's results: answers in one, all else in the other."""
        files: dict[str, str] = {}
        for name, chosen in (
            ("output_file_id", [item for item in batch.items if item.body is not None]),
            ("error_file_id", [item for item in batch.items if item.body is None]),
        ):
            if chosen:
                lines = [json.dumps(_result(request, item)) for item in chosen]
                content = ("\n".join(lines) + "\n").encode()
                file = File(
                    request.draw_id("file-", 22), f"{batch.id}_output.jsonl", "batch_output", request.created, content
                )
                self._book.keep_file(file)
                files[name] = file.id
        return files


def _id(asked: Asked) -> str | None:
    found = PATH.search(asked.path)
    return found["id"] if found is not None else None


def _describe(batch: Batch) -> JSON:
    """BATCH as the API tells of it."""
    files = batch.facts.get("files", {})
    told: JSON = {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.facts.get("endpoint"),
        "model": _model(batch),
        "errors": {"object": "list", "data": [FAILURE]} if batch.state == "failed" else None,
        "input_file_id": batch.facts.get("input_file_id"),
        "completion_window": batch.facts.get("completion_window"),
        "status": STATUSES[batch.state],
        "output_file_id": files.get("output_file_id"),
        "error_file_id": files.get("error_file_id"),
        "created_at": int(batch.created),
        "expires_at": int(batch.created) + WINDOW_S,
        "metadata": batch.facts.get("metadata"),
    }
    is_counted = batch.state not in ("created", "failed")
    told["request_counts"] = {
        "total": len(batch.items) if is_counted else 0,
        "completed": sum(item.body is not None for item in batch.items),
        "failed": sum(item.problem is not None for item in batch.items),
    }
    at = TOLD_AT.get(batch.state)
    return told | ({at: int(batch.created)} if at is not None else {})


FAILURE: JSON = {
    "code": "invalid_json_line",
    "line": 1,
    "message": "A line is not a valid request.",
    "param": None,
}


def _model(batch: Batch) -> str | None:
    """The model of BATCH, which is known once its requests are read."""
    is_read = batch.state not in ("created", "failed")
    return str(batch.items[0].asked.fields.get("model")) if batch.items and is_read else None


def _result(request: Request, item: Item) -> JSON:
    told: JSON = {"id": item.id, "custom_id": item.custom_id, "response": None, "error": None}
    if item.left is not None:
        code, message = LEFT[item.left]
        return told | {"error": {"code": code, "message": message}}
    id_ = f"{request.ids.getrandbits(128):032x}"
    if item.problem is not None:
        body = item.protocol.error(item.problem, id_)
        return told | {"response": {"status_code": item.problem.status, "request_id": id_, "body": body}}
    return told | {"response": {"status_code": 200, "request_id": id_, "body": item.body}}
