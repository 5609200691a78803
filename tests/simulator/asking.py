"""Both SDKs' questions to a simulator that is made to fail."""

import time
from collections.abc import Callable
from typing import Any

from anthropic import Anthropic
from openai import OpenAI

HELLO: Any = [{"role": "user", "content": "Say something about the weather."}]
ASK_OPENAI: Any = {"model": "gpt-4o", "messages": HELLO}
ASK_ANTHROPIC: Any = {"model": "claude-haiku-4-5", "messages": HELLO, "max_tokens": 500}


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def ask_gpt(client: OpenAI, **body: Any) -> Any:
    return client.chat.completions.create(**ASK_OPENAI, **body)


def ask_claude(client: Anthropic, **body: Any) -> Any:
    return client.messages.create(**ASK_ANTHROPIC, **body)
