"""What tests ask of Bedrock through boto3, and how."""

import json
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from conftest import recorded_calls

from llmtrace.model import Call

HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
MESSAGES = [{"role": "user", "content": [{"text": "Tell me about the harbour at night, please."}]}]
TALK: dict[str, Any] = {
    "modelId": HAIKU,
    "messages": MESSAGES,
    "system": [{"text": "Be brief."}],
    "inferenceConfig": {"maxTokens": 60, "temperature": 0.2, "topP": 0.9},
}
CLAUDE = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 60,
    "temperature": 0.5,
    "messages": [{"role": "user", "content": "Tell me about the harbour at night, please."}],
}


def make_client(url: str, **options: Any) -> Any:
    """A client of Bedrock's runtime at URL that tries once, but for what OPTIONS of botocore's say."""
    retries = {"total_max_attempts": 1, "mode": "standard"}
    return boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(**{"retries": retries, "read_timeout": 20, **options}),
    )


def one(home: Path) -> Call:
    (call,) = recorded_calls(home)
    return call


def invoke(client: Any, model: str, body: dict[str, Any], *, stream: bool = False) -> Any:
    method = client.invoke_model_with_response_stream if stream else client.invoke_model
    return method(modelId=model, body=json.dumps(body))
