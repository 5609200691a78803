"""Costs of the bills on stdin by LiteLLM, as JSON on stdout: runs where that package is installed."""

import json
import logging
import os
import re
import sys
from contextlib import redirect_stdout
from importlib.metadata import version
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # the prices of the wheel, not of the network

import litellm
from litellm.cost_calculator import (
    batch_cost_calculator,
    completion_cost,
    cost_per_token,
    default_image_cost_calculator,
)
from litellm.litellm_core_utils.llm_cost_calc.tool_call_cost_tracking import StandardBuiltInToolCostTracking
from litellm.llms.anthropic.chat.transformation import AnthropicConfig
from litellm.llms.bedrock.chat.converse_transformation import AmazonConverseConfig
from litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini import VertexGeminiConfig
from litellm.responses.utils import ResponseAPILoggingUtils
from litellm.types.utils import ModelResponse, StandardBuiltInToolsParams, Usage

PROVIDERS = {
    "gcp.gemini": "gemini",
    "aws.bedrock": "bedrock",
    "cohere": "cohere_chat",
    "azure.ai.openai": "azure",
    "mistral_ai": "mistral",
    "x_ai": "xai",
}
# How LiteLLM names the operation, by the beginning of the endpoint.
CALL_TYPES = {"embeddings": "embedding", "responses": "responses", "realtime": "realtime"}
COUNTED_APART = ("seconds", "input_characters", "n")


def read_usage(bill: dict[str, Any], provider: str) -> Usage:
    """The usage of BILL as LiteLLM itself reads this provider's."""
    usage = bill["usage"]
    if "session" in usage:
        usage = usage["session"]
    if provider == "anthropic":
        return AnthropicConfig().calculate_usage(usage, None, speed=usage.get("speed"))
    if provider == "gemini":
        return VertexGeminiConfig._calculate_usage({"usageMetadata": usage})
    if provider == "bedrock" and "inputTokens" in usage:
        return AmazonConverseConfig().transform_usage({"totalTokens": 0, **usage})
    if provider == "cohere_chat":
        billed = usage["billed_units"]
        into, out = billed.get("input_tokens", 0), billed.get("output_tokens", 0)
        return Usage(prompt_tokens=into, completion_tokens=out, total_tokens=into + out)
    if "input_tokens" in usage:
        details, made = usage.get("input_token_details"), usage.get("output_token_details")
        if bill["endpoint"] == "audio.speech":
            details, made = {"text_tokens": usage["input_tokens"]}, {"audio_tokens": usage["output_tokens"]}
        renamed = {"input_tokens_details": details, "output_tokens_details": made}
        told = {**usage, **(renamed if details else {})}
        told.setdefault("total_tokens", told["input_tokens"] + told.get("output_tokens", 0))
        told.setdefault("output_tokens", 0)
        return ResponseAPILoggingUtils.transform_response_api_usage_to_chat_usage(told)
    return Usage(**usage)


def cost(bill: dict[str, Any]) -> float:
    """What LiteLLM makes of BILL."""
    provider = PROVIDERS.get(bill["provider"], bill["provider"])
    usage, context, endpoint = bill["usage"], bill["context"], bill["endpoint"] or ""
    model = zoned(bill["model"].removeprefix("models/"), provider, context)
    if any(key in usage for key in COUNTED_APART):
        return counted_apart(usage, model, provider)
    read = read_usage(bill, provider)
    region = context.get("regional_processing") or usage.get("inference_geo")
    tier = context.get("service_tier") or usage.get("service_tier")
    if context.get("batch") or tier == "batch" or str(context.get("deployment_type")).endswith("Batch"):
        tools = StandardBuiltInToolCostTracking.get_cost_for_built_in_tools(
            model, ModelResponse(model=model, usage=read), read, provider, StandardBuiltInToolsParams()
        )
        return sum(batch_cost_calculator(read, model, provider)) + tools
    if context.get("grounded_prompts") or context.get("grounding_queries"):
        read.prompt_tokens_details.web_search_requests = context.get("grounded_prompts") or context.get(
            "grounding_queries"
        )
    call_type = next((name for start, name in CALL_TYPES.items() if endpoint.startswith(start)), "completion")
    if call_type != "completion":
        tokens = sum(
            cost_per_token(
                model, usage_object=read, custom_llm_provider=provider, service_tier=tier, data_residency=region,
                prompt_tokens=read.prompt_tokens, completion_tokens=read.completion_tokens,
                call_type="completion" if call_type != "embedding" else "embedding",
            )
        )  # fmt: skip
        return tokens + context.get("web_search_calls", 0) * search_fee(model, provider)
    return completion_cost(
        completion_response=ModelResponse(model=model, usage=read),
        model=model,
        custom_llm_provider=provider,
        service_tier=tier,
        data_residency=region,
        region_name=context.get("region") or ("us-east-1" if provider == "bedrock" else None),
        standard_built_in_tools_params=StandardBuiltInToolsParams(),
    ) + context.get("web_search_calls", 0) * search_fee(model, provider)


def zoned(model: str, provider: str, context: dict[str, Any]) -> str:
    """MODEL by the name that LiteLLM has for it in a data zone of Azure, where it has one."""
    if provider != "azure" or not str(context.get("deployment_type")).startswith("DataZone"):
        return model
    zone = "us" if "us" in str(context.get("region")) else "eu"
    undated = re.sub(r"-\d{4}-\d\d-\d\d$", "", model)
    names = (f"{zone}/{model}", f"{zone}/{undated}")
    return next((name for name in names if f"azure/{name}" in litellm.model_cost), model)


def search_fee(model: str, provider: str) -> float:
    """The fee of one web search with the default size of context."""
    info = litellm.get_model_info(model, provider)
    return (info.get("search_context_cost_per_query") or {}).get("search_context_size_medium") or 0.0


def counted_apart(usage: dict[str, Any], model: str, provider: str) -> float:
    """What LiteLLM makes of seconds, characters and images."""
    if "seconds" in usage:
        return sum(
            cost_per_token(
                model, custom_llm_provider=provider, call_type="transcription",
                audio_transcription_file_duration=usage["seconds"],
            )
        )  # fmt: skip
    if "input_characters" in usage:
        return sum(
            cost_per_token(
                model, custom_llm_provider=provider, call_type="speech", prompt_characters=usage["input_characters"]
            )
        )
    return default_image_cost_calculator(
        model=model, custom_llm_provider=provider, quality=usage.get("quality"), n=usage["n"], size=usage.get("size")
    )


def main() -> None:
    """Answer for each bill; one that raises is one that the package does not know."""
    logging.disable()
    costs: dict[str, str | None] = {}
    reasons: dict[str, str] = {}
    with redirect_stdout(sys.stderr):
        for bill in json.load(sys.stdin):
            try:
                costs[bill["id"]] = repr(cost(bill))
            except Exception as err:
                costs[bill["id"]], reasons[bill["id"]] = None, repr(err)[:200]
    json.dump({"version": version("litellm"), "costs": costs, "reasons": reasons}, sys.stdout)


if __name__ == "__main__":
    main()
