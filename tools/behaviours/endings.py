"""How calls to OpenAI end when they do not end well."""

import asyncio
import contextlib
import gc
from typing import Any

from behaviours.lab import Lab
from behaviours.openai_calls import CHAT, WITH_USAGE, create, create_async, stream
from behaviours.openai_more import embed, respond


class Stop(Exception):
    """An exception of the application's."""


def leave(lab: Lab) -> Any:
    """A loop that is left after three chunks, inside `with`."""
    seen = []
    with lab.openai().chat.completions.create(**CHAT, **WITH_USAGE) as opened:
        for chunk in opened:
            seen.append(chunk)
            if len(seen) == 3:
                break
    return seen


def close(lab: Lab) -> Any:
    """A stream that is closed after three chunks."""
    opened = lab.openai().chat.completions.create(**CHAT, **WITH_USAGE)
    seen = [next(opened) for _ in range(3)]
    opened.close()
    return seen


def raise_in_loop(lab: Lab) -> Any:
    """An exception of the application's in the loop."""
    with lab.openai().chat.completions.create(**CHAT, **WITH_USAGE) as opened:
        for number, _ in enumerate(opened, 1):
            if number == 3:
                raise Stop


def cancel(lab: Lab) -> Any:
    """A task that is cancelled while it reads."""
    lab.answer(text="word " * 500)
    lab.fault(chunk_delay_s=0.02, stream=True)

    async def use() -> Any:
        reading = asyncio.Event()

        async def read() -> None:
            async with lab.openai_async() as client:
                async for _ in await client.chat.completions.create(**CHAT, **WITH_USAGE):
                    reading.set()

        task = asyncio.create_task(read())
        await asyncio.wait_for(reading.wait(), 20)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return task.cancelled()

    return lab.run(use())


def forget(lab: Lab) -> Any:
    """A stream that is dropped, and taken by the garbage collector."""
    opened = lab.openai().chat.completions.create(**CHAT, **WITH_USAGE)
    seen = [next(opened) for _ in range(3)]
    del opened
    gc.collect()
    return seen


def error_in_stream(lab: Lab) -> Any:
    """The server tells of an error after three chunks."""
    lab.fault(error_after=3, status_code=500, stream=True)
    return list(lab.openai().chat.completions.create(**CHAT, **WITH_USAGE))


def cut_off(lab: Lab) -> Any:
    """The connection breaks after three chunks."""
    lab.fault(cut_after=3)
    return list(lab.openai().chat.completions.create(**CHAT, **WITH_USAGE))


def bad_request(lab: Lab) -> Any:
    """An answer of 400."""
    lab.fault(status_code=400)
    return create(lab)


def bad_stream_request(lab: Lab) -> Any:
    """An answer of 429 to a request for a stream."""
    lab.fault(status_code=429)
    return stream(lab)


def unauthorized(lab: Lab) -> Any:
    """An answer of 401, awaited."""
    lab.fault(status_code=401)
    return create_async(lab)


def retried(lab: Lab) -> Any:
    """An answer of 429, then one of 200."""
    lab.fault(status_code=429, retry_after_ms=5)
    return lab.openai(max_retries=2).chat.completions.create(**CHAT)


def exhausted(lab: Lab) -> Any:
    """Answers of 500 until the SDK gives up."""
    lab.fault(status_code=500, retry_after_ms=5, times=2)
    return lab.openai(max_retries=1).chat.completions.create(**CHAT)


def time_out(lab: Lab) -> Any:
    """No answer in time."""
    lab.fault(hangs=True)
    return lab.openai(timeout=0.3).chat.completions.create(**CHAT)


def refused(lab: Lab) -> Any:
    """Nobody listens."""
    return lab.openai(base_url=f"http://127.0.0.1:{lab.free_port()}/v1").chat.completions.create(**CHAT)


def responses_error(lab: Lab) -> Any:
    """An answer of 400 to a request for a response."""
    lab.fault(status_code=400)
    return respond(lab)


def embeddings_error(lab: Lab) -> Any:
    """An answer of 400 to a request for an embedding."""
    lab.fault(status_code=400)
    return embed(lab)
