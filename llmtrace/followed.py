"""A file of the user's that is read anew where it changes, while the program runs."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

_T = TypeVar("_T")
_Stamp = tuple[int, int, int]
log = logging.getLogger("llmtrace")


class FollowedFile(Generic[_T]):
    """What a file says. A bad one changes nothing: what it said before holds, and `problem` says what is wrong."""

    def __init__(
        self,
        path: Path,
        read: Callable[[Path], _T],
        otherwise: Callable[[], _T],
        refusal: type[Exception],
        what: str,
        *,
        before: Callable[[], _T] | None = None,
        is_needed: bool = False,
    ) -> None:
        """READ what is at PATH, which is WHAT, in words; OTHERWISE where nothing is.

        READ raises REFUSAL; BEFORE says what held until then, where the first file that is read is a bad one (default:
        OTHERWISE). IS_NEEDED: that there is no file is a problem.
        """
        self.path, self._what = path, what
        self._read_file, self._otherwise, self._refusal, self._is_needed = read, otherwise, refusal, is_needed
        self._before = before or otherwise
        self._lock = threading.Lock()
        self._stamp: _Stamp | None = None
        self._found: tuple[_T] | None = None
        self.problem: str | None = None

    def value(self) -> _T:
        """What the file says as of now."""
        with self._lock:
            stamp = self._look()
            if stamp != self._stamp or self._found is None:
                self._stamp = stamp
                self._found = (self._read(is_there=stamp is not None),)
            return self._found[0]

    def _look(self) -> _Stamp | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self, *, is_there: bool) -> _T:
        self.problem = None
        if not is_there and not self._is_needed:
            return self._otherwise()
        try:
            return self._read_file(self.path)
        except self._refusal as err:
            self.problem = f"{self._what} are not used as they stand: {err}"
            log.warning(self.problem)
            return self._before() if self._found is None else self._found[0]
