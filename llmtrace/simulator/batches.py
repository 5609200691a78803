"""The batches and files of a simulator: what is in them, how far they are, and what became of each request.

A batch is in progress when it is first fetched, and done from the second time on. One that is cancelled or expires has
the first half of its requests answered.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from llmtrace.simulator.protocol import JSON, Asked, Problem, Protocol, Request

State: TypeAlias = Literal["created", "in_progress", "ended", "cancelling", "cancelled", "expired", "failed"]
OVER = frozenset({"ended", "cancelled", "expired", "failed"})


@dataclass(slots=True)
class Item:
    """One request of a batch, and its answer: a `body`, a `problem`, or the reason `left` why it was never asked."""

    id: str
    custom_id: str
    protocol: Protocol
    asked: Asked
    body: JSON | None = None
    problem: Problem | None = None
    left: Literal["cancelled", "expired"] | None = None

    @property
    def is_done(self) -> bool:
        """Whether it has an answer of whatever kind."""
        return self.body is not None or self.problem is not None or self.left is not None

    def work(self, request: Request) -> None:
        """Answer it, within REQUEST."""
        self.problem = self.protocol.refuse(self.asked)
        if self.problem is None:
            self.body = request.within(self.protocol, self.asked).body


@dataclass(slots=True)
class Batch:
    """A batch of `items`, created at the time `created` (seconds since the epoch); `facts` are its provider's."""

    id: str
    created: float
    items: list[Item]
    facts: JSON = field(default_factory=dict)
    state: State = "created"

    def advance(self, request: Request) -> None:
        """Go one state on, and work where that is the last."""
        if self.state == "created":
            self.state = "in_progress"
        elif self.state == "in_progress":
            self._work(request, self.items)
            self.state = "ended"
        elif self.state == "cancelling":
            self.state = "cancelled"

    def cancel(self, request: Request) -> None:
        """Leave what is not begun."""
        if self.state not in OVER:
            self._leave(request, "cancelled")
            self.state = "cancelling"

    def expire(self, request: Request) -> None:
        """Leave what was not done in time."""
        self._leave(request, "expired")
        self.state = "expired"

    def _leave(self, request: Request, reason: Literal["cancelled", "expired"]) -> None:
        half = (len(self.items) + 1) // 2
        self._work(request, self.items[:half])
        for item in self.items[half:]:
            item.left = item.left if item.is_done else reason

    def _work(self, request: Request, items: Sequence[Item]) -> None:
        for item in items:
            if not item.is_done:
                item.work(request)


@dataclass(frozen=True, slots=True)
class File:
    """A file that was uploaded, or made of results."""

    id: str
    name: str
    purpose: str
    created: int
    content: bytes


class BatchBook:
    """All batches and files of a simulator. `expiring` names batches that expire when they are next fetched."""

    def __init__(self) -> None:
        """Start empty."""
        self._batches: dict[str, Batch] = {}
        self._files: dict[str, File] = {}
        self._lock = threading.RLock()
        self.expiring: set[str] = set()

    def keep(self, batch: Batch) -> None:
        """Keep BATCH."""
        with self._lock:
            self._batches[batch.id] = batch

    def find(self, id_: str) -> Batch | None:
        """The batch ID_, or None."""
        with self._lock:
            return self._batches.get(id_)

    def list(self, prefix: str) -> list[Batch]:
        """The batches whose id begins with PREFIX, the latest first."""
        with self._lock:
            return [b for b in reversed(self._batches.values()) if b.id.startswith(prefix)]

    def change(self, id_: str, change: Callable[[Batch], None]) -> Batch:
        """The batch ID_ after CHANGE."""
        with self._lock:
            change(self._batches[id_])
            return self._batches[id_]

    def fetch(self, id_: str, request: Request) -> Batch:
        """The batch ID_ one state on, for REQUEST."""
        is_late = id_ in self.expiring
        self.expiring.discard(id_)
        return self.change(id_, lambda b: b.expire(request) if is_late and b.state not in OVER else b.advance(request))

    def keep_file(self, file: File) -> None:
        """Keep FILE."""
        with self._lock:
            self._files[file.id] = file

    def find_file(self, id_: str) -> File | None:
        """The file ID_, or None."""
        with self._lock:
            return self._files.get(id_)

    def delete_file(self, id_: str) -> None:
        """Forget the file ID_."""
        with self._lock:
            self._files.pop(id_, None)
