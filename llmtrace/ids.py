"""Ids of traces and spans: random, unique across processes, and cheap on the calling thread.

A generator of our own, seeded by the operating system: an application's `random.seed()` does not reach it, and a
forked child seeds its own. Asking the system for every id would give the interpreter's lock away in the middle of a
call.
"""

import os
import random

_random = random.Random(os.urandom(32))


def new_trace_id() -> str:
    """A trace id: 32 hex digits."""
    return f"{_random.getrandbits(128) or 1:032x}"


def new_span_id() -> str:
    """A span id: 16 hex digits."""
    return f"{_random.getrandbits(64) or 1:016x}"


def _reseed() -> None:
    _random.seed(os.urandom(32))


os.register_at_fork(after_in_child=_reseed)
