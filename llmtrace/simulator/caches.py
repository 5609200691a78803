"""The providers' prompt caches, which live as long as the simulator."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from llmtrace.simulator.text import CHARACTERS_PER_TOKEN

LEAST_TOKENS = 1_024
STEP_TOKENS = 128
LOOKBACK_BLOCKS = 20
LIFETIMES_S = {"5m": 300.0, "1h": 3_600.0}


class PrefixCache:
    """OpenAI's automatic cache: prefixes of 1,024 tokens and more, in steps of 128, apart for each model."""

    def __init__(self) -> None:
        """Start cold."""
        self._seen: set[tuple[str, bytes]] = set()
        self._lock = threading.Lock()

    def look_up(self, model: str, prompt: str) -> tuple[int, int]:
        """How many tokens of PROMPT were cached, and how many are written now; PROMPT consists of whole tokens."""
        prefixes = self._prefixes(model, prompt)
        with self._lock:
            hits = [index for index, key in enumerate(prefixes) if key in self._seen]
            self._seen.update(prefixes)
        read = LEAST_TOKENS + hits[-1] * STEP_TOKENS if hits else 0
        total = LEAST_TOKENS + (len(prefixes) - 1) * STEP_TOKENS if prefixes else 0
        return read, total - read

    def _prefixes(self, model: str, prompt: str) -> list[tuple[str, bytes]]:
        step, start = STEP_TOKENS * CHARACTERS_PER_TOKEN, LEAST_TOKENS * CHARACTERS_PER_TOKEN
        digest = blake2b(prompt[: start - step].encode(), digest_size=16)
        keys: list[tuple[str, bytes]] = []
        for end in range(start, len(prompt) + 1, step):
            digest.update(prompt[end - step : end].encode())
            keys.append((model, digest.digest()))
        return keys


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of an Anthropic prompt: its text in whole tokens, and the lifetime of a breakpoint after it ("5m")."""

    text: str
    ttl: str | None = None

    @property
    def tokens(self) -> int:
        """Tokens of the text."""
        return len(self.text) // CHARACTERS_PER_TOKEN


@dataclass(frozen=True, slots=True)
class CacheUse:
    """Tokens read from the cache, and written to it for five minutes and for an hour."""

    read: int = 0
    written_5m: int = 0
    written_1h: int = 0

    @property
    def total(self) -> int:
        """Tokens that are not plain input."""
        return self.read + self.written_5m + self.written_1h


class BlockCache:
    """Anthropic's cache: whole blocks up to a breakpoint, of at least 1,024 tokens.

    The longest cached prefix that ends at a breakpoint, or up to twenty blocks before one, is read; what lies between
    it and the last breakpoint is written, for an hour up to the last breakpoint of an hour.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start cold; CLOCK gives seconds."""
        self._clock = clock
        self._expiry: dict[tuple[str, bytes], tuple[float, float]] = {}
        self._lock = threading.Lock()

    def look_up(self, model: str, blocks: Sequence[Block]) -> CacheUse:
        """What the prompt of BLOCKS reads and writes."""
        keys, ends = self._prefixes(model, blocks)
        marks = [i for i, block in enumerate(blocks) if block.ttl and ends[i] >= LEAST_TOKENS]
        if not marks:
            return CacheUse()
        with self._lock:
            hit = self._find(keys, marks)
            read = ends[hit] if hit is not None else 0
            self._keep(keys, [hit, *marks] if hit is not None else marks, blocks)
        last_hour = max((ends[i] for i in marks if blocks[i].ttl == "1h"), default=0)
        hour = max(last_hour - read, 0)
        return CacheUse(read, ends[marks[-1]] - read - hour, hour)

    def _prefixes(self, model: str, blocks: Sequence[Block]) -> tuple[list[tuple[str, bytes]], list[int]]:
        digest, total = blake2b(digest_size=16), 0
        keys: list[tuple[str, bytes]] = []
        ends: list[int] = []
        for block in blocks:
            digest.update(block.text.encode())
            total += block.tokens
            keys.append((model, digest.digest()))
            ends.append(total)
        return keys, ends

    def _find(self, keys: Sequence[tuple[str, bytes]], marks: Sequence[int]) -> int | None:
        now = self._clock()
        for mark in reversed(marks):
            for index in range(mark, max(mark - LOOKBACK_BLOCKS, -1), -1):
                if self._expiry.get(keys[index], (0.0, -1.0))[1] > now:
                    return index
        return None

    def _keep(self, keys: Sequence[tuple[str, bytes]], marks: Sequence[int], blocks: Sequence[Block]) -> None:
        # Reading an entry renews it for as long as it was written for.
        for mark in marks:
            known, _ = self._expiry.get(keys[mark], (0.0, 0.0))
            lifetime = max(known, LIFETIMES_S.get(blocks[mark].ttl or "", 0.0))
            self._expiry[keys[mark]] = (lifetime, self._clock() + lifetime)
