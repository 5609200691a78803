"""Instructor: models of Pydantic as answers, on OpenAI and Anthropic, whole, partial and awaited."""

import sys
from typing import Any

import llmtrace

llmtrace.instrument()

import anthropic  # noqa: E402
import instructor  # noqa: E402
import openai  # noqa: E402
from calls import QUESTION, make  # noqa: E402
from pydantic import BaseModel  # noqa: E402

url = sys.argv[1]


class Harbour(BaseModel):
    name: str
    boats: int


ask: dict[str, Any] = {"response_model": Harbour, "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 90}
gpt = instructor.from_openai(openai.OpenAI(base_url=f"{url}/v1", api_key="k"))
gpt_async = instructor.from_openai(openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k"))
claude = instructor.from_anthropic(anthropic.Anthropic(base_url=url, api_key="k"))
make({
    "openai": lambda: gpt.chat.completions.create(model="gpt-4o", **ask),
    "openai async": lambda: gpt_async.chat.completions.create(model="gpt-4o", **ask),
    "openai partial": lambda: list(gpt.chat.completions.create_partial(model="gpt-4o", **ask)),
    "anthropic": lambda: claude.messages.create(model="claude-sonnet-4-6", **ask),
})  # fmt: skip
