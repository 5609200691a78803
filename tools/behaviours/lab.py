"""Where an application runs: clients of the SDKs for one simulator, which it scripts and reads over HTTP.

Only the standard library is imported here: this runs in the environments of all contestants.
"""

import asyncio
import json
import socket
import time
import urllib.request
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import Any

OPENAI_HOST = "http://api.openai.com/v1"
SETTLE_S = 3.0


class Lab:
    """Clients for the simulator at URL, closed when the behaviour is over; `early` are methods bound beforehand."""

    def __init__(self, url: str, early: dict[str, Callable[..., Any]]) -> None:
        """Open no client yet."""
        self.url, self.early = url, early
        self._opened = ExitStack()

    def openai(self, **options: Any) -> Any:
        """A client of OpenAI's SDK."""
        import openai

        return self._opened.enter_context(
            openai.OpenAI(**{"base_url": f"{self.url}/v1", "api_key": "k", "max_retries": 0, **options})
        )

    def openai_host(self) -> Any:
        """A client that believes to speak to OpenAI's own host."""
        import openai

        http = openai.DefaultHttpxClient(proxy=self.url)
        return self.openai(base_url=OPENAI_HOST, http_client=http)

    def openai_async(self, **options: Any) -> Any:
        """An asynchronous client of OpenAI's SDK; who opens it closes it."""
        import openai

        return openai.AsyncOpenAI(**{"base_url": f"{self.url}/v1", "api_key": "k", "max_retries": 0, **options})

    def anthropic(self, **options: Any) -> Any:
        """A client of Anthropic's SDK."""
        import anthropic

        return self._opened.enter_context(
            anthropic.Anthropic(**{"base_url": self.url, "api_key": "k", "max_retries": 0, **options})
        )

    def anthropic_async(self, **options: Any) -> Any:
        """An asynchronous client of Anthropic's SDK; who opens it closes it."""
        import anthropic

        return anthropic.AsyncAnthropic(**{"base_url": self.url, "api_key": "k", "max_retries": 0, **options})

    def fault(self, **fields: Any) -> None:
        """Script what goes wrong with the next request: the fields of `llmtrace.simulator.Fault`."""
        self._ask("POST", "faults", fields)

    def answer(self, **fields: Any) -> None:
        """Dictate the next answer: the fields of `llmtrace.simulator.Answer`."""
        self._ask("POST", "answers", fields)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """What COROUTINE returns."""
        return asyncio.run(coroutine)

    def free_port(self) -> int:
        """A port at which nobody listens."""
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            return int(found.getsockname()[1])

    def close(self) -> None:
        """Close the clients."""
        self._opened.close()

    def clear(self) -> None:
        """Let the simulator forget its script and its log."""
        for name in ("faults", "answers", "requests"):
            self._ask("DELETE", name)

    def requests(self) -> list[dict[str, Any]]:
        """The simulator's log, once no request is in flight."""
        deadline = time.monotonic() + SETTLE_S
        while True:
            log: list[dict[str, Any]] = self._ask("GET", "requests")
            if all(record["finished_at"] for record in log) or time.monotonic() > deadline:
                return log
            time.sleep(0.02)

    def _ask(self, method: str, name: str, value: Any = None) -> Any:
        body = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(f"{self.url}/_simulator/{name}", body, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read() or b"null")
