"""LangChain's models and an agent of LangGraph's, on OpenAI, Anthropic and Bedrock."""

import os
import sys
from typing import Any

os.environ |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "LANGSMITH_TRACING": "false"}

import llmtrace

llmtrace.instrument()

from calls import QUESTION, make  # noqa: E402
from langchain.agents import create_agent  # noqa: E402
from langchain_anthropic import ChatAnthropic  # noqa: E402
from langchain_aws import ChatBedrockConverse  # noqa: E402
from langchain_core.tools import tool  # noqa: E402
from langchain_openai import ChatOpenAI, OpenAIEmbeddings  # noqa: E402

url = sys.argv[1]
options: dict[str, Any] = {"max_tokens": 40, "max_retries": 0}
gpt = ChatOpenAI(model="gpt-4o", base_url=f"{url}/v1", api_key="k", **options)
responses = ChatOpenAI(
    model="gpt-5-mini", base_url=f"{url}/v1", api_key="k", use_responses_api=True, max_retries=0, max_tokens=600
)
claude = ChatAnthropic(model="claude-sonnet-4-6", base_url=url, api_key="k", **options)
bedrock = ChatBedrockConverse(
    model="us.anthropic.claude-haiku-4-5-20251001-v1:0", endpoint_url=url, region_name="us-east-1", max_tokens=40
)
embeddings = OpenAIEmbeddings(
    model="text-embedding-3-small", base_url=f"{url}/v1", api_key="k", check_embedding_ctx_length=False
)


@tool
def boats(harbour: str) -> str:
    """The boats in HARBOUR."""
    return f"two boats in {harbour}"


def read(stream: Any) -> None:
    for _ in stream:
        pass


async def read_async(stream: Any) -> None:
    async for _ in stream:
        pass


make({
    "openai invoke": lambda: gpt.invoke(QUESTION),
    "openai stream": lambda: read(gpt.stream(QUESTION)),
    "openai ainvoke": lambda: gpt.ainvoke(QUESTION),
    "openai astream": lambda: read_async(gpt.astream(QUESTION)),
    "openai batch": lambda: gpt.batch([QUESTION, "And by day?"]),
    "responses invoke": lambda: responses.invoke(QUESTION),
    "responses stream": lambda: read(responses.stream(QUESTION)),
    "anthropic invoke": lambda: claude.invoke(QUESTION),
    "anthropic stream": lambda: read(claude.stream(QUESTION)),
    "anthropic ainvoke": lambda: claude.ainvoke(QUESTION),
    "bedrock invoke": lambda: bedrock.invoke(QUESTION),
    "bedrock stream": lambda: read(bedrock.stream(QUESTION)),
    "embeddings": lambda: embeddings.embed_documents(["harbour", "night"]),
    "agent": lambda: create_agent(gpt, [boats]).invoke({"messages": [("user", QUESTION)]}),
    "agent on bedrock": lambda: create_agent(bedrock, [boats]).invoke({"messages": [("user", QUESTION)]}),
})  # fmt: skip
