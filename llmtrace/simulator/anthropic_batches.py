"""Anthropic's message batches: created, fetched until they have ended, cancelled, listed, and their results read.

Source: https://docs.anthropic.com/en/api/creating-message-batches
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from llmtrace.simulator.anthropic_api import AnthropicProtocol
from llmtrace.simulator.anthropic_errors import find_problem, refuse_stranger
from llmtrace.simulator.batches import OVER, Batch, BatchBook, Item
from llmtrace.simulator.protocol import JSON, Asked, Problem, Protocol, Reply, Request

PATH = re.compile(r"/v1/messages/batches(?:/(?P<id>msgbatch_[^/]+)(?:/(?P<verb>cancel|results))?)?$")
PREFIX = "msgbatch_"
WINDOW_S = 86_400
LEFT = {"expired": "expired", "cancelled": "canceled"}


class MessageBatches(AnthropicProtocol):
    """The batches of one workspace."""

    suffixes: ClassVar[tuple[str, ...]] = ()
    speaks = False
    streams = False

    def __init__(self, book: BatchBook, messages: Protocol) -> None:
        """Keep them in BOOK; their requests are for MESSAGES."""
        self._book, self._messages = book, messages
        self._verbs: dict[tuple[str, bool, str | None], Callable[[Request, str], Reply]] = {
            ("POST", False, None): lambda request, _: self._create(request),
            ("GET", False, None): lambda request, _: self._list(request),
            ("GET", True, None): self._fetch,
            ("GET", True, "results"): self._read,
            ("POST", True, "cancel"): self._cancel,
        }

    def serves(self, method: str, path: str) -> bool:
        """Whether a request of METHOD to PATH is for batches."""
        found = PATH.search(path)
        return found is not None and (method, bool(found["id"]), found["verb"]) in self._verbs

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        found = PATH.search(asked.path)
        assert found is not None
        is_creation = asked.method == "POST" and not found["id"]
        if problem := refuse_stranger(asked.headers, asked.body if is_creation else {}):
            return problem
        if is_creation:
            complaint = _complaint(asked.fields.get("requests"))
            return find_problem(400, None, complaint) if complaint else None
        batch = self._book.find(found["id"]) if found["id"] else None
        if found["id"] and batch is None:
            return find_problem(404, None, f"Message Batch {found['id']} not found")
        if found["verb"] == "results" and batch is not None and batch.state not in OVER:
            return find_problem(404, None, "The results of this batch are not yet available.")
        return None

    def reply(self, request: Request) -> Reply:
        """The batch as it stands, all of them, or results."""
        found = PATH.search(request.asked.path)
        assert found is not None
        return self._verbs[request.asked.method, bool(found["id"]), found["verb"]](request, found["id"] or "")

    def _create(self, request: Request) -> Reply:
        items = [
            Item("", told["custom_id"], self._messages, replace(request.asked, body=told["params"]))
            for told in request.body["requests"]
        ]
        batch = Batch(request.draw_id(PREFIX + "01", 22), request.created, items)
        self._book.keep(batch)
        return Reply(_describe(batch, request))

    def _fetch(self, request: Request, id_: str) -> Reply:
        return Reply(_describe(self._book.fetch(id_, request), request))

    def _cancel(self, request: Request, id_: str) -> Reply:
        return Reply(_describe(self._book.change(id_, lambda batch: batch.cancel(request)), request))

    def _list(self, request: Request) -> Reply:
        told = [_describe(batch, request) for batch in self._book.list(PREFIX)]
        ends = {"first_id": told[0]["id"], "last_id": told[-1]["id"]} if told else {"first_id": None, "last_id": None}
        return Reply({"data": told, "has_more": False, **ends})

    def _read(self, request: Request, id_: str) -> Reply:
        batch = self._book.find(id_)
        assert batch is not None
        lines = [json.dumps({"custom_id": item.custom_id, "result": _result(request, item)}) for item in batch.items]
        return Reply({}, raw=("\n".join(lines) + "\n").encode(), content_type="application/x-jsonl")


def _complaint(requests: Any) -> str | None:
    if not isinstance(requests, list):
        return "requests: Field required"
    ids = [told.get("custom_id") if isinstance(told, Mapping) else None for told in requests]
    if not ids or any(
        not isinstance(id_, str) or not isinstance(r.get("params"), Mapping)
        for id_, r in zip(ids, requests, strict=True)
    ):
        return "requests: each needs a custom_id and params"
    return "requests: custom_ids must be unique" if len(set(ids)) < len(ids) else None


def _describe(batch: Batch, request: Request) -> JSON:
    """BATCH as the API tells of it."""
    is_over = batch.state in OVER
    counts = {
        "processing": len(batch.items),
        "succeeded": sum(item.body is not None for item in batch.items),
        "errored": sum(item.problem is not None for item in batch.items),
        "canceled": sum(item.left == "cancelled" for item in batch.items),
        "expired": sum(item.left == "expired" for item in batch.items),
    }
    counts = {**counts, "processing": 0} if is_over else {**dict.fromkeys(counts, 0), "processing": len(batch.items)}
    host = request.asked.headers.get("host", "")
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": "ended" if is_over else "canceling" if batch.state == "cancelling" else "in_progress",
        "request_counts": counts,
        "ended_at": _moment(batch.created) if is_over else None,
        "created_at": _moment(batch.created),
        "expires_at": _moment(batch.created + WINDOW_S),
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": f"http://{host}/v1/messages/batches/{batch.id}/results" if is_over else None,
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _result(request: Request, item: Item) -> JSON:
    if item.left is not None:
        return {"type": LEFT[item.left]}
    if item.problem is not None:
        return {"type": "errored", "error": item.protocol.error(item.problem, request.draw_id("req_011C", 20))}
    message = dict(item.body or {})
    return {"type": "succeeded", "message": {**message, "usage": {**message["usage"], "service_tier": "batch"}}}
