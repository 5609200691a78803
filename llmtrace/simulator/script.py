"""What tests dictate in advance: a queue from which each request takes the first entry that is meant for it."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Generic, Protocol, Self, TypeVar


@dataclass(frozen=True, slots=True)
class Target:
    """The traits of a request that an entry can be limited to."""

    provider: str
    model: str | None
    stream: bool


class Entry(Protocol):
    """Something a request can take from a script."""

    def suits(self, target: Target) -> bool:
        """Whether a request with the traits of TARGET may take this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aimed:
    """An entry that may be limited to a provider, a model or a kind of request; None means any."""

    provider: str | None = None
    model: str | None = None
    stream: bool | None = None

    def suits(self, target: Target) -> bool:
        """Whether a request with the traits of TARGET may take this."""
        return (
            self.provider in (None, target.provider)
            and self.model in (None, target.model)
            and self.stream in (None, target.stream)
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """An entry with the fields that VALUES names.

        Raises:
            ValueError: VALUES names a field that there is not.
        """
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ValueError(f"unknown: {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
        return cls(**values)


E = TypeVar("E", bound=Entry)


class Script(Generic[E]):
    """A first-in first-out queue of entries, each for so many requests, shared by all threads."""

    def __init__(self) -> None:
        """Start empty."""
        self._entries: list[tuple[E, int]] = []
        self._lock = threading.Lock()

    def add(self, entry: E, times: int = 1) -> None:
        """Append ENTRY for the next TIMES requests it suits."""
        if times < 1:
            raise ValueError("times must be at least 1")
        with self._lock:
            self._entries.append((entry, times))

    def take(self, target: Target) -> E | None:
        """The first entry for TARGET, which uses it up once; None when there is none."""
        with self._lock:
            for index, (entry, times) in enumerate(self._entries):
                if entry.suits(target):
                    self._entries[index : index + 1] = [(entry, times - 1)] if times > 1 else []
                    return entry
            return None

    def pending(self) -> list[tuple[E, int]]:
        """What has not been taken, with how many times each still counts."""
        with self._lock:
            return list(self._entries)

    def clear(self) -> None:
        """Drop what has not been taken."""
        with self._lock:
            self._entries.clear()
