"""What the scripts of this folder share: features around calls, and the words that they print.

Each script is run with a framework's own interpreter: script.py SIMULATOR_URL; LLMTRACE_HOME names the journal.
"""

import asyncio
import contextvars
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import llmtrace

QUESTION = "Tell me about the harbour at night, please."


def make(calls: Mapping[str, Callable[[], Any]]) -> None:
    """Make CALLS, each under a feature of its name, and print what came of each: nothing, or the exception."""
    outcomes: dict[str, str] = {}
    with asyncio.Runner() as runner:
        for name, call in calls.items():
            with llmtrace.feature(name):
                try:
                    result = call()
                    if isinstance(result, Awaitable):
                        runner.run(_settle(result), context=contextvars.copy_context())
                    outcomes[name] = ""
                except Exception as err:
                    outcomes[name] = f"{type(err).__module__}.{type(err).__qualname__}: {str(err)[:300]}"
    assert llmtrace.flush(10.0)
    print(json.dumps(outcomes))
    sys.stdout.flush()


async def _settle(result: Awaitable[Any]) -> Any:
    return await result


def fail_next(simulator: str) -> None:
    """Let the simulator refuse the next request."""
    import urllib.request

    body = json.dumps({"status_code": 429}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{simulator}/_simulator/faults", body, method="POST")).read()
