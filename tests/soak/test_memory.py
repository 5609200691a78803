"""Ten thousand streams of each kind leave nothing behind in memory, and open ones cost little."""

import asyncio
import gc
import resource
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import canned
import pytest
from calling import ANTHROPIC, OPENAI
from conftest import recorded_calls

import llmtrace
from llmtrace import lifecycle
from llmtrace.instrument.invocation import Invocation

WARM_UP, STREAMS = 1_000, 10_000
# What the interpreter itself keeps more or less of from one moment to the next.
SLACK_BLOCKS, SLACK_BYTES = 2_000, 16 * 2**20
OPEN, OPEN_BYTES = 10_000, 32 * 2**20

STREAM = {"stream": True, "stream_options": {"include_usage": True}}
CHAT = canned.streaming(canned.CHAT_CHUNKS)
MESSAGES = canned.streaming(canned.MESSAGE_EVENTS)


def stream_openai(client: Any) -> Any:
    return client.chat.completions.create(**OPENAI, **STREAM)


def stream_anthropic(client: Any) -> Any:
    return client.messages.create(**ANTHROPIC, stream=True)


SDKS: dict[str, tuple[Callable[..., Any], Any, Callable[[Any], Any]]] = {
    "openai": (canned.make_openai, CHAT, stream_openai),
    "anthropic": (canned.make_anthropic, MESSAGES, stream_anthropic),
}


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def figures() -> tuple[int, int, Counter[str]]:
    """Blocks that the interpreter has handed out, bytes of the process, and live objects by type."""
    assert llmtrace.flush(60)
    for _ in range(3):
        gc.collect()
    kinds = Counter(f"{type(o).__module__}.{type(o).__qualname__}" for o in gc.get_objects())
    return sys.getallocatedblocks(), resident_bytes(), kinds


def require_nothing_left(before: tuple[int, int, Counter[str]], after: tuple[int, int, Counter[str]]) -> None:
    grown = {kind: n - before[2][kind] for kind, n in after[2].items() if n - before[2][kind] > STREAMS // 100}
    print(f"blocks {after[0] - before[0]:+}, bytes {after[1] - before[1]:+}")
    assert grown == {}
    assert after[0] - before[0] < SLACK_BLOCKS
    assert after[1] - before[1] < SLACK_BYTES
    assert [o for o in gc.get_objects() if isinstance(o, Invocation)] == []


def ended() -> int:
    capture = lifecycle._capture
    assert capture is not None
    assert capture.pipeline.dropped == {}
    return capture.pipeline.ended


def breathe(number: int) -> None:
    """The journal's thread writes, or the queue is full."""
    if number % 1_000 == 0:
        assert llmtrace.flush(60)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", SDKS)
def test_ten_thousand_streams_leave_nothing_behind(name: str, home: Path) -> None:
    make, answer, stream = SDKS[name]
    llmtrace.instrument(home=home)
    with make(answer) as client:

        def run(count: int) -> None:
            for number in range(count):
                opened = stream(client)
                if number % 4 == 1:
                    next(iter(opened))
                    opened.close()
                elif number % 4 == 2:
                    next(iter(opened))  # and dropped
                else:
                    assert sum(1 for _ in opened) > 4
                breathe(number)

        run(WARM_UP)
        before = figures()
        run(STREAMS)
        require_nothing_left(before, figures())
        assert ended() == WARM_UP + STREAMS


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", SDKS)
def test_ten_thousand_async_streams_leave_nothing_behind(name: str, home: Path) -> None:
    make, answer, stream = SDKS[name]
    llmtrace.instrument(home=home)

    async def use() -> None:
        async with make(answer, is_async=True) as client:

            async def read(number: int) -> None:
                opened = await stream(client)
                if number % 4 == 1:
                    async for _ in opened:
                        break
                    await opened.close()
                else:
                    assert len([item async for item in opened]) > 4

            async def run(count: int) -> None:
                for number in range(0, count, 10):
                    await asyncio.gather(*(read(n) for n in range(number, number + 10)))
                    breathe(number)

            async def settled_figures() -> tuple[int, int, Counter[str]]:
                gc.collect()
                await asyncio.sleep(0.1)  # what was dropped is closed by the loop
                return figures()

            await run(WARM_UP)
            before = await settled_figures()
            await run(STREAMS)
            require_nothing_left(before, await settled_figures())
            assert ended() == WARM_UP + STREAMS

    asyncio.run(use())


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", SDKS)
def test_streams_that_are_open_at_once_cost_little_and_are_let_go(name: str, home: Path) -> None:
    make, answer, stream = SDKS[name]

    def hold(client: Any) -> tuple[list[Any], int]:
        held = [stream(client)]
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(OPEN):
            held.append(stream(client))
            next(held[-1])
        gc.collect()
        return held, tracemalloc.get_traced_memory()[0] - before

    tracemalloc.start(1)
    try:
        with make(answer) as client:
            held, bare = hold(client)
            held.clear()
            llmtrace.instrument(home=home)
            held, traced = hold(client)
            assert ended() == 0
            while held:
                del held[-1_000:]
                gc.collect()  # what is dropped ends now, rather than all of it when next the collector runs
                assert llmtrace.flush(60)
    finally:
        tracemalloc.stop()
    gc.collect()
    assert llmtrace.flush(60)
    assert ended() == OPEN + 1
    assert Counter(call.status for call in recorded_calls(home)) == {"cancelled": OPEN + 1}
    ours = traced - bare
    print(f"an open stream: {bare / OPEN:.0f} bytes of the SDK's, {ours / OPEN:.0f} of ours")
    assert ours < OPEN_BYTES
