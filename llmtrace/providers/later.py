"""Work that is started by one request and told of by others: jobs, runs and sessions, each known by its id.

The request that starts one is its call; every later one that tells of it is a fetch, which costs nothing and whose
usage belongs to the first. Where usage grows as long as it goes on, the last that was told is what it cost so far.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llmtrace.model import Response
from llmtrace.providers.base import Endpoint, as_mapping, as_text
from llmtrace.providers.uncharged import FETCH_OPERATION

Body = Mapping[str, Any]
# Endpoints whose usage may come with a later fetch, and those of them whose usage grows with each.
GROWING = frozenset({"agents.sessions", "sessions", "dreams", "deployments.run"})
MADE_LATER = GROWING | {
    "responses", "threads.runs", "fine_tuning.jobs", "evals.runs", "videos", "interactions", "chat.deferred",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of such work: its `name` in llmtrace, what its objects say they are, and what they say of it.

    `starts` are paths that a POST starts it at; `fetches` are methods and paths that tell of it later, with a group
    `id` where the answer may not say of what it tells. `unwrap` takes the object out of an event of a stream.
    """

    name: str
    operation: str
    starts: tuple[str, ...]
    fetches: tuple[tuple[str, str], ...]
    read_request: Callable[[Body], dict[str, Any]]
    read_response: Callable[[Body], Response]
    unwrap: Callable[[Body], Body] = lambda event: event

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoints that start it and tell of it, a more special path before a more general one."""
        name = f"{self.name}.retrieve"
        fetches = [self._endpoint(name, method, path, is_fetch=True) for method, path in self.fetches]
        return (*[self._endpoint(self.name, "POST", path) for path in self.starts], *fetches)

    def _endpoint(self, name: str, method: str, path: str, *, is_fetch: bool = False) -> Endpoint:
        return Endpoint(
            name=name,
            operation=FETCH_OPERATION if is_fetch else self.operation,
            method=method,
            matches=re.compile(path),
            read_request=_read_nothing if is_fetch else self.read_request,
            read_response=self.read_response,
            new_fold=lambda: WorkFold(self),
            is_countable=False,
        )


class WorkFold:
    """Gathers the events of work that is followed as it goes: the last object told of it is what is known."""

    __slots__ = ("_body", "_work", "error", "text_parts", "usage_complete")

    def __init__(self, work: Work) -> None:
        """Start with nothing read of WORK."""
        self.text_parts: list[str] = []
        self.error: str | None = None
        self.usage_complete = False
        self._work = work
        self._body: Body = {}

    def add(self, event: Body) -> bool:
        """Take an event; True when it carried output of the model."""
        body = self._work.unwrap(event)
        told = self._work.read_response(body)
        if told.id is not None:
            self._body = body
            self.error = told.error
            self.usage_complete = told.usage is not None
        kind = as_text(event.get("event")) or as_text(event.get("type")) or ""
        return kind.endswith(".delta")

    def response(self) -> Response:
        """What is known of it."""
        return self._work.read_response(self._body)

    @property
    def complete(self) -> bool:
        """Whether it is over."""
        return self.response().finish_reasons is not None


def _read_nothing(body: Body) -> dict[str, Any]:
    return {}


def read_id(body: Body, kind: str, key: str = "object") -> str | None:
    """The id of BODY where its KEY says that it is of KIND."""
    return as_text(body.get("id")) if body.get(key) == kind else None


def failure_of(body: Body, key: str = "error") -> str | None:
    """The name of the failure that BODY tells under KEY, if it does."""
    error = as_mapping(body.get(key))
    return as_text(error.get("code")) or as_text(error.get("type")) if error else None
