"""Methods of other packages' classes that are replaced, and how they are put back."""

import functools
from collections.abc import Callable
from typing import Any


class Replaced:
    """Methods that are replaced, and what stood there before."""

    def __init__(self) -> None:
        """Nothing is replaced yet."""
        self._originals: list[tuple[type, str, Any, Any]] = []

    def replace(self, base: type | None, method: str, around: Callable[[Any], Any]) -> None:
        """Put AROUND(original) in the place of METHOD, on BASE or the class that it inherits it from, if it has it."""
        owner = next((c for c in base.__mro__ if method in vars(c)), None) if base is not None else None
        if owner is not None:
            original = vars(owner)[method]
            wrapper = functools.wraps(original)(around(original))
            setattr(owner, method, wrapper)
            self._originals.append((owner, method, original, wrapper))

    def undo(self) -> None:
        """Put the originals back where the wrappers still stand."""
        for owner, method, original, wrapper in self._originals:
            if vars(owner).get(method) is wrapper:
                setattr(owner, method, original)
        self._originals.clear()
