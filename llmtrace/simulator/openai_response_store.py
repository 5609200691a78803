"""The responses that can be fetched again, and those that are still being made."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llmtrace.simulator.openai_response_stream import unfinished
from llmtrace.simulator.protocol import JSON


@dataclass(slots=True)
class Stored:
    """A response: the finished `body`, the `items` it was asked with, and the `prompt` that the model read.

    `progress` are the states that are still told before the finished body.
    """

    body: JSON
    items: list[JSON]
    prompt: str
    progress: list[str]

    def now(self) -> JSON:
        """The response as it stands."""
        return unfinished(self.body, self.progress[0]) if self.progress else self.body


class ResponseStore:
    """Every stored response. One made in the background gets one state further each time it is fetched."""

    def __init__(self) -> None:
        """Start empty."""
        self._by_id: dict[str, Stored] = {}
        self._lock = threading.Lock()

    def keep(self, id_: str, stored: Stored) -> None:
        """Keep STORED as ID_."""
        with self._lock:
            self._by_id[id_] = stored

    def find(self, id_: object) -> Stored | None:
        """The response ID_, or None."""
        with self._lock:
            return self._by_id.get(id_) if isinstance(id_, str) else None

    def fetch(self, id_: str) -> Mapping[str, Any]:
        """The response ID_ one state further."""
        with self._lock:
            stored = self._by_id[id_]
            stored.progress = stored.progress[1:]
            return stored.now()

    def finish(self, id_: str) -> Mapping[str, Any]:
        """The response ID_ at its end, which a stream waits for."""
        with self._lock:
            self._by_id[id_].progress = []
            return self._by_id[id_].body

    def cancel(self, id_: str) -> Mapping[str, Any]:
        """The response ID_, cancelled unless it is finished already."""
        with self._lock:
            stored = self._by_id[id_]
            if stored.progress:
                stored.body, stored.progress = unfinished(stored.body, "cancelled"), []
            return stored.body

    def delete(self, id_: str) -> None:
        """Forget the response ID_."""
        with self._lock:
            self._by_id.pop(id_, None)
