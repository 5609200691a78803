"""Files of batches on the disk of the application: of requests that it uploads, of results that it has downloaded.

They are opened anew by their names, on the journal's thread.
"""

import json
import os
import stat
from collections.abc import Iterator
from typing import Any

from llmtrace.instrument.invocation import Invocation
from llmtrace.providers.base import as_mapping, as_text

SNIFFED_BYTES = 65_536
READ_BYTES = 1024 * 1024


def looks_like_results(invocation: Invocation, block: bytes) -> bool:
    """Whether BLOCK, the start of what INVOCATION reads, may be results of a batch: a file may hold anything."""
    batches = invocation.family.batches
    if batches is None or not batches.results_are_files:
        return True
    return any(block.find(mark, 0, SNIFFED_BYTES) >= 0 for mark in batches.marks)


def count_requests(files: Any, size: int | None) -> tuple[int | None, tuple[str, ...]]:
    """How many requests the batch file in FILES, of SIZE bytes, holds, and the model that the first asks for.

    FILES are what the SDK was given to upload. A file that was open is read anew by its name.
    """
    content = next((file for name, file in files.items() if name == "file"), None) if isinstance(files, dict) else None
    if content is None and isinstance(files, list | tuple):
        content = next((pair[1] for pair in files if pair[0] == "file"), None)
    if isinstance(content, tuple):
        content = content[1]
    found = 0, b""
    for piece in _pieces(content, size):
        found = _count(piece, *found)
    number, head = found
    if not head:
        return None, ()
    first = head.partition(b"\n")[0]
    try:
        model = as_text(as_mapping(as_mapping(json.loads(first)).get("body")).get("model"))
    except ValueError:
        model = None
    return number, (model,) if model else ()


def _count(piece: bytes, before: int, head: bytes) -> tuple[int, bytes]:
    """Lines up to and with PIECE, BEFORE before it, and the start of the file, HEAD so far."""
    return before + piece.count(b"\n"), head if b"\n" in head else head + piece[:SNIFFED_BYTES]


def _pieces(content: Any, size: int | None) -> Iterator[bytes]:
    """CONTENT of an upload, each piece of it, the last one ending a line."""
    if isinstance(content, str):
        content = content.encode()
    elif hasattr(content, "getvalue"):
        content = content.getvalue()
    if isinstance(content, bytes):
        yield content if content.endswith(b"\n") else content + b"\n"
        return
    name = getattr(content, "name", None)
    if not isinstance(name, str):
        return
    with open(name, "rb", opener=_open_without_waiting) as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_size != size:
            return  # another file by now
        last = b"\n"
        while piece := file.read(READ_BYTES):
            yield piece
            last = piece
        if not last.endswith(b"\n"):
            yield b"\n"


def read_file(invocation: Invocation) -> Iterator[bytes]:
    """The file that INVOCATION has written results to, in blocks of whole lines; nothing where it holds none by now."""
    try:
        file = open(invocation.asked, "rb", opener=_open_without_waiting)  # noqa: SIM115
    except OSError:
        return
    with file:
        is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        if not is_file or not looks_like_results(invocation, file.read(SNIFFED_BYTES)):
            return
        file.seek(0)
        while block := b"".join(file.readlines(READ_BYTES)):
            yield block


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
