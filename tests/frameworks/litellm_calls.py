"""LiteLLM: a provider's SDK below it, and its own HTTP handlers; whole, streamed, awaited, failed and cached."""

import os
import sys
from collections.abc import Callable
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION_NAME": "us-east-1"}

import llmtrace

llmtrace.instrument()

import litellm  # noqa: E402
from calls import QUESTION, fail_next, make  # noqa: E402

litellm.suppress_debug_info = True
url = sys.argv[1]
ask: dict[str, Any] = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 30}
MODELS: dict[str, dict[str, Any]] = {
    "gpt-4o": {"api_base": f"{url}/v1", "api_key": "k"},
    "openrouter/openai/gpt-4o": {"api_base": f"{url}/v1", "api_key": "k"},
    "anthropic/claude-sonnet-4-6": {"api_base": url, "api_key": "k"},
    "bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0": {"aws_bedrock_runtime_endpoint": url},
}


def ways(model: str, options: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    def failed() -> Any:
        fail_next(url)
        return litellm.completion(model=model, **ask, **options, num_retries=0, max_retries=0)

    async def streamed_async() -> None:
        async for _ in await litellm.acompletion(model=model, **ask, **options, stream=True):
            pass

    return {
        f"{model} whole": lambda: litellm.completion(model=model, **ask, **options),
        f"{model} stream": lambda: list(litellm.completion(model=model, **ask, **options, stream=True)),
        f"{model} async": lambda: litellm.acompletion(model=model, **ask, **options),
        f"{model} async stream": streamed_async,
        f"{model} error": failed,
    }


calls: dict[str, Callable[[], Any]] = {}
for name, options in MODELS.items():
    calls |= ways(name, options)
embedding = {"input": ["harbour"]}
calls["embedding"] = lambda: litellm.embedding(model="text-embedding-3-small", **embedding, **MODELS["gpt-4o"])
calls["bedrock embedding"] = lambda: litellm.embedding(
    model="bedrock/amazon.titan-embed-text-v2:0", **embedding, aws_bedrock_runtime_endpoint=url
)
calls["mocked"] = lambda: litellm.completion(model="gpt-4o", **ask, mock_response="Boats.")
make(calls)
