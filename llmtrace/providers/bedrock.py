"""Amazon Bedrock's runtime: Converse, and InvokeModel in each model's own words.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llmtrace.model import Request, Response
from llmtrace.providers import bedrock_converse, bedrock_invoke, bedrock_usage
from llmtrace.providers.base import Endpoint, Family, as_mapping, as_text
from llmtrace.providers.bedrock_content import read_converse_content, read_invoke_content

PROVIDER = "aws.bedrock"
COUNT_HEADERS = tuple(
    f"x-amzn-bedrock-{kind}-token-count" for kind in ("input", "output", "cache-read-input", "cache-write-input")
)
_INVOKE = re.compile(r"/invoke(-with-response-stream)?$")

CONVERSE = Endpoint(
    name="converse",
    operation="chat",
    method="POST",
    matches=re.compile(r"/converse(-stream)?$"),
    read_request=bedrock_converse.read_request,
    read_response=bedrock_converse.read_response,
    new_fold=bedrock_converse.ConverseFold,
    prompt_texts=bedrock_converse.prompt_texts,
    read_content=read_converse_content,
)
INVOKE = Endpoint(
    name="invoke_model",
    operation="chat",
    method="POST",
    matches=_INVOKE,
    read_request=bedrock_invoke.read_request,
    read_response=bedrock_invoke.read_response,
    new_fold=bedrock_invoke.InvokeFold,
    prompt_texts=bedrock_invoke.prompt_texts,
    read_content=read_invoke_content,
)
EMBED = Endpoint(
    name="invoke_model",
    operation="embeddings",
    method="POST",
    matches=_INVOKE,
    read_request=bedrock_invoke.read_request,
    read_response=bedrock_invoke.read_response,
)


def find_operation(name: str, model: str) -> Endpoint | None:
    """What the operation NAME of the runtime does with MODEL; None where no model is run."""
    if name in ("Converse", "ConverseStream"):
        return CONVERSE
    if name in ("InvokeModel", "InvokeModelWithResponseStream"):
        return EMBED if "embed" in model else INVOKE
    return None


def complete(request: Request, response: Response, headers: Mapping[str, str]) -> tuple[Request, Response]:
    """REQUEST as what its model is for, and RESPONSE with the counts of its HEADERS where its body has none."""
    if request.endpoint == INVOKE.name and "embed" in (request.model or ""):
        request = replace(request, operation=EMBED.operation)
    if response.usage is None:
        counts = {name: headers[name] for name in COUNT_HEADERS if name in headers}
        response = replace(response, usage=counts or None)
    return request, response


def read_error(body: Mapping[str, Any]) -> str | None:
    """The code of the service, such as `ThrottlingException`, which streams begin with a small letter."""
    code = as_text(as_mapping(body.get("Error")).get("Code"))
    return None if code is None else code[0].upper() + code[1:]


FAMILY = Family(
    sdk="boto3",
    providers=frozenset({PROVIDER}),
    endpoints=(CONVERSE, INVOKE, EMBED),
    find_provider_name=lambda host, client_class: PROVIDER,
    read_error=read_error,
    read_rate_limits=lambda headers: {},
    normalise=bedrock_usage.normalise,
    denormalise=bedrock_usage.denormalise,
    bill=bedrock_usage.bill,
    read_model=bedrock_usage.read_model,
    request_id_header="x-amzn-requestid",
    complete=complete,
)
