"""OpenAI's files: uploaded, told of, read and deleted.

Source: https://platform.openai.com/docs/api-reference/files
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from llmtrace.simulator.batches import BatchBook, File
from llmtrace.simulator.openai_api import OpenAIProtocol
from llmtrace.simulator.openai_errors import INVALID, refuse_unauthorized
from llmtrace.simulator.protocol import JSON, Asked, Problem, Reply, Request

PATH = re.compile(r"^(?:/openai)?(?:/v1)?/files(?:/(?P<id>[^/]+)(?P<content>/content)?)?$")
KEPT_S = 30 * 86_400


class Files(OpenAIProtocol):
    """The files of one account."""

    suffixes: ClassVar[tuple[str, ...]] = ()
    speaks = False
    streams = False

    def __init__(self, book: BatchBook) -> None:
        """Keep them in BOOK."""
        self._book = book

    def serves(self, method: str, path: str) -> bool:
        """Whether a request of METHOD to PATH is for a file."""
        found = PATH.search(path)
        if found is None:
            return False
        return (
            method == "POST"
            if found["id"] is None
            else method == "GET" or (method == "DELETE" and not found["content"])
        )

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        if problem := refuse_unauthorized(asked.headers):
            return problem
        found = PATH.search(asked.path)
        if found is not None and found["id"] is not None:
            missing = self._book.find_file(found["id"]) is None
            return Problem(404, INVALID, f"No such File object: {found['id']}", None, "id") if missing else None
        if not isinstance(asked.fields.get("file"), Mapping):
            return Problem(400, INVALID, "'file' is a required property")
        if not asked.fields.get("purpose"):
            return Problem(400, INVALID, "'purpose' is a required property")
        return None

    def reply(self, request: Request) -> Reply:
        """The file, what is in it, or what became of it."""
        found = PATH.search(request.asked.path)
        id_ = found["id"] if found is not None else None
        if id_ is None:
            return Reply(describe(self._upload(request)))
        file = self._book.find_file(id_)
        assert file is not None
        if found is not None and found["content"]:
            return Reply({}, raw=file.content, content_type="application/octet-stream")
        if request.asked.method == "DELETE":
            self._book.delete_file(id_)
            return Reply({"id": id_, "object": "file", "deleted": True})
        return Reply(describe(file))

    def _upload(self, request: Request) -> File:
        body: Mapping[str, Any] = request.body
        sent = body["file"]
        file = File(
            request.draw_id("file-", 22), sent["filename"], str(body["purpose"]), request.created, sent["content"]
        )
        self._book.keep_file(file)
        return file


def describe(file: File) -> JSON:
    """FILE as the API tells of it."""
    return {
        "object": "file",
        "id": file.id,
        "purpose": file.purpose,
        "filename": file.name,
        "bytes": len(file.content),
        "created_at": file.created,
        "expires_at": file.created + KEPT_S if file.purpose.startswith("batch") else None,
        "status": "processed",
        "status_details": None,
    }
