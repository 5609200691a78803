"""Attributes of an SDK that are replaced, and what stood there before."""

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from llmtrace.instrument.captured import Holder, captured_by, release_clients
from llmtrace.instrument.quiet import quietly


class Patched:
    """The replaced attributes of one SDK's classes and modules; `missing` are the names that it does not have."""

    def __init__(self) -> None:
        """Nothing is replaced yet."""
        self.missing: list[str] = []
        self._originals: list[tuple[type | ModuleType, str, Any, Any]] = []
        self._rewired: list[tuple[Holder, Any, Any]] = []

    def patch(
        self, owner: type | ModuleType | None, name: str, around: Callable[[Any], Any], *, is_expected: bool = True
    ) -> bool:
        """Replace OWNER's own NAME by AROUND(it); False where it has none, which is MISSING where IS_EXPECTED."""
        if isinstance(owner, type):
            quietly(release_clients, owner, name)
        original = vars(owner).get(name) if owner is not None else None
        if owner is None or original is None:
            if is_expected:
                self.missing.append(name)
            return False
        wrapper = functools.wraps(original)(around(original))
        setattr(owner, name, wrapper)
        self._originals.append((owner, name, original, wrapper))
        for holder in captured_by(owner, name, original) if isinstance(owner, type) else ():
            setattr(*holder, wrapper)
            self._rewired.append((holder, original, wrapper))
        return True

    def restore(self, keep: str | None = None) -> None:
        """Put every original but those called KEEP back, where the wrapper still stands."""
        for patch in [p for p in reversed(self._originals) if p[1] != keep]:
            owner, name, original, wrapper = patch
            if vars(owner).get(name) is wrapper:
                setattr(owner, name, original)
            self._originals.remove(patch)
        for holder, original, wrapper in self._rewired:
            if getattr(*holder) is wrapper:
                setattr(*holder, original)
