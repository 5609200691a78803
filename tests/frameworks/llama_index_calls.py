"""LlamaIndex's models on OpenAI, whole, streamed and awaited, and its embeddings."""

import sys
from typing import Any

import llmtrace

llmtrace.instrument()

from calls import QUESTION, make  # noqa: E402
from llama_index.core.llms import ChatMessage  # noqa: E402
from llama_index.embeddings.openai import OpenAIEmbedding  # noqa: E402
from llama_index.llms.openai import OpenAI, OpenAIResponses  # noqa: E402

url = sys.argv[1]
gpt = OpenAI(model="gpt-4o", api_base=f"{url}/v1", api_key="k", max_tokens=40)
responses = OpenAIResponses(model="gpt-5-mini", api_base=f"{url}/v1", api_key="k", max_output_tokens=600)
embedding = OpenAIEmbedding(model="text-embedding-3-small", api_base=f"{url}/v1", api_key="k")
asked = [ChatMessage(role="user", content=QUESTION)]


def read(stream: Any) -> None:
    for _ in stream:
        pass


async def read_async(model: Any) -> None:
    async for _ in await model.astream_chat(asked):
        pass


make({
    "openai chat": lambda: gpt.chat(asked),
    "openai complete": lambda: gpt.complete(QUESTION),
    "openai stream": lambda: read(gpt.stream_chat(asked)),
    "openai async": lambda: gpt.achat(asked),
    "responses": lambda: responses.chat(asked),
    "openai async stream": lambda: read_async(gpt),
    "embedding": lambda: embedding.get_text_embedding("harbour"),
})  # fmt: skip
