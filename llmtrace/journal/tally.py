"""How many spans have ended, to be read from outside at any moment: also after the process was killed.

A file of a process's own is mapped into its memory. The n-th span that ends marks byte n of a ring, so that threads
need no lock and no order, and no system call is made; the system keeps the mapped page when the process is gone.
Each round of the ring has a mark of its own. What was counted by other means at some time says which round it is.
"""

import mmap
import os
from pathlib import Path

RING_BYTES = 4096
ROUNDS = 255
# Where a mapped page is sure to stay readable: a server that is gone would end the application with a signal.
LOCAL = frozenset(
    {"apfs", "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "ramfs", "tmpfs", "xfs", "zfs"}
)


class Tally:
    """The ring at OFFSET of the file behind FD, which is mapped."""

    def __init__(self, fd: int, offset: int) -> None:
        """Map the file; it is filled already, so that no store can fail for want of room.

        Raises:
            OSError: it cannot be mapped.
        """
        self._offset = offset
        self._memory = mmap.mmap(fd, offset + RING_BYTES)

    def mark(self, n: int) -> None:
        """Span N, from 0, has ended."""
        self._memory[self._offset + n % RING_BYTES] = n // RING_BYTES % ROUNDS + 1

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.close()


def read_tally(ring: bytes, at_least: int) -> int:
    """How many spans RING says have ended, where AT_LEAST so many had when that was last written."""
    this_round, ended = at_least // RING_BYTES, at_least
    for place, mark in enumerate(ring):
        if mark:
            ahead = (mark - 1 - this_round) % ROUNDS
            if ahead < ROUNDS - 1:  # else it is of the round before
                ended = max(ended, (this_round + ahead) * RING_BYTES + place + 1)
    return ended


def is_local(folder: Path) -> bool:
    """Whether FOLDER is on a disk of this machine, as far as that is known."""
    try:
        device = os.stat(folder).st_dev
        wanted = f"{os.major(device)}:{os.minor(device)}"
        with open("/proc/self/mountinfo") as mounts:
            found = {line.partition(" - ")[2].split(" ", 1)[0] for line in mounts if line.split(" ", 3)[2] == wanted}
    except (OSError, ValueError, IndexError):
        return False
    return bool(found) and found <= LOCAL
