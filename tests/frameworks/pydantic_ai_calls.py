"""Pydantic AI's agents on OpenAI, Anthropic and Bedrock, with a tool, whole and streamed."""

import sys
from typing import Any

import llmtrace

llmtrace.instrument()

import boto3  # noqa: E402
from calls import QUESTION, make  # noqa: E402
from pydantic_ai import Agent  # noqa: E402
from pydantic_ai.models.anthropic import AnthropicModel  # noqa: E402
from pydantic_ai.models.bedrock import BedrockConverseModel  # noqa: E402
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel  # noqa: E402
from pydantic_ai.providers.anthropic import AnthropicProvider  # noqa: E402
from pydantic_ai.providers.bedrock import BedrockProvider  # noqa: E402
from pydantic_ai.providers.openai import OpenAIProvider  # noqa: E402

url = sys.argv[1]
runtime = boto3.client(
    "bedrock-runtime", region_name="us-east-1", endpoint_url=url, aws_access_key_id="a", aws_secret_access_key="b"
)


def openai() -> Any:
    return OpenAIProvider(base_url=f"{url}/v1", api_key="k")


MODELS: dict[str, Any] = {
    "chat": lambda: OpenAIChatModel("gpt-4o", provider=openai()),
    "responses": lambda: OpenAIResponsesModel("gpt-5-mini", provider=openai()),
    "anthropic": lambda: AnthropicModel("claude-sonnet-4-6", provider=AnthropicProvider(base_url=url, api_key="k")),
    "bedrock": lambda: BedrockConverseModel(
        "us.anthropic.claude-haiku-4-5-20251001-v1:0", provider=BedrockProvider(bedrock_client=runtime)
    ),
}


def boats(harbour: str) -> str:
    """The boats in a harbour."""
    return f"two boats in {harbour}"


async def stream(model: Any) -> None:
    async with Agent(model()).run_stream(QUESTION) as result:
        async for _ in result.stream_text():
            pass


calls: dict[str, Any] = {}
for name, model in MODELS.items():
    calls[f"{name} run"] = lambda model=model: Agent(model()).run(QUESTION)
    calls[f"{name} sync"] = lambda model=model: Agent(model()).run_sync(QUESTION)
    calls[f"{name} stream"] = lambda model=model: stream(model)
    calls[f"{name} tool"] = lambda model=model: Agent(model(), tools=[boats]).run(QUESTION)
make(calls)
