"""Where the application makes its calls: in threads, tasks and children, by methods old and new."""

import asyncio
import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from behaviours.lab import Lab
from behaviours.openai_calls import CHAT, WITH_USAGE, create


def threads(lab: Lab) -> Any:
    """Four calls from a pool of threads."""
    client = lab.openai()
    with ThreadPoolExecutor(4) as pool:
        asked = [{**CHAT, "max_tokens": 20 + i} for i in range(4)]
        return list(pool.map(lambda kwargs: client.chat.completions.create(**kwargs), asked))


def tasks(lab: Lab) -> Any:
    """Four streams in as many tasks at once."""

    async def use() -> Any:
        async with lab.openai_async() as client:

            async def read(limit: int) -> Any:
                asked = {**CHAT, "max_tokens": limit, **WITH_USAGE}
                return [chunk async for chunk in await client.chat.completions.create(**asked)]

            return await asyncio.gather(*(read(20 + i) for i in range(4)))

    return lab.run(use())


def fork(lab: Lab) -> Any:
    """A call in a forked child, which lives on for a second and ends as a worker does."""
    child = os.fork()
    if not child:
        status = 1
        with contextlib.suppress(BaseException):
            create(lab)
            lab.early["flush"]()
            time.sleep(0.2)
            status = 0
        os._exit(status)
    return os.waitpid(child, 0)[1]


def bound_early(lab: Lab) -> Any:
    """A method that was bound before the instrumentation was switched on."""
    return lab.early["openai"](**CHAT)
