"""Who answers an OpenAI client: the host's name tells, and where that is nobody's, the answer and the model's name.

Many servers speak OpenAI's protocol at addresses of the user's own: a proxy in front of OpenAI, or a server that runs
open models. The proxy's calls are billed by OpenAI, the server's by nobody; only a name that no other model has makes
a call OpenAI's.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from llmtrace.model import Request, Response

# Hosts by the end of their name, in OpenTelemetry's words where it has some.
HOSTS: tuple[tuple[str, str], ...] = (
    ("api.openai.com", "openai"),
    ("openai.azure.com", "azure.ai.openai"),
    ("cognitiveservices.azure.com", "azure.ai.openai"),
    ("services.ai.azure.com", "azure.ai.openai"),
    ("models.ai.azure.com", "azure.ai.inference"),
    ("models.inference.ai.azure.com", "azure.ai.inference"),
    ("models.github.ai", "github"),
    ("api.anthropic.com", "anthropic"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("api.mistral.ai", "mistral_ai"),
    ("codestral.mistral.ai", "mistral_ai"),
    ("api.cohere.ai", "cohere"),
    ("api.cohere.com", "cohere"),
    ("api.deepseek.com", "deepseek"),
    ("api.x.ai", "x_ai"),
    ("api.groq.com", "groq"),
    ("openrouter.ai", "openrouter"),
    ("ai-gateway.vercel.sh", "vercel"),
    ("api.perplexity.ai", "perplexity"),
    ("api.moonshot.ai", "moonshot_ai"),
    ("api.moonshot.cn", "moonshot_ai"),
    ("api.together.xyz", "together_ai"),
    ("api.together.ai", "together_ai"),
    ("api.fireworks.ai", "fireworks_ai"),
    ("api.cerebras.ai", "cerebras"),
    ("api.sambanova.ai", "sambanova"),
    ("api.deepinfra.com", "deepinfra"),
    ("api.novita.ai", "novita"),
    ("api.hyperbolic.xyz", "hyperbolic"),
    ("api.studio.nebius.ai", "nebius"),
    ("api.studio.nebius.com", "nebius"),
    ("api.tokenfactory.nebius.com", "nebius"),
    ("api.inference.crusoecloud.com", "crusoe"),
    ("api.avian.io", "avian"),
    ("inference.baseten.co", "baseten"),
    ("integrate.api.nvidia.com", "nvidia"),
    ("router.huggingface.co", "hugging_face"),
    ("endpoints.huggingface.cloud", "hugging_face"),
    ("api.cloudflare.com", "cloudflare"),
    ("azuredatabricks.net", "databricks"),
    ("cloud.databricks.com", "databricks"),
    ("snowflakecomputing.com", "snowflake"),
    ("api.z.ai", "z_ai"),
    ("open.bigmodel.cn", "z_ai"),
    ("dashscope.aliyuncs.com", "alibaba_cloud"),
    ("dashscope-intl.aliyuncs.com", "alibaba_cloud"),
    ("dashscope-us.aliyuncs.com", "alibaba_cloud"),
    ("api.minimax.io", "minimax"),
    ("api.ai21.com", "ai21"),
    ("api.upstage.ai", "upstage"),
    ("api.voyageai.com", "voyage_ai"),
    ("ollama.com", "ollama"),
)
# Hosts whose names hold a region.
REGIONAL_HOSTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"^bedrock-(runtime|runtime-fips|mantle)\.[a-z0-9-]+\.(amazonaws|api\.aws|api\.amazonw)"),
        "aws.bedrock",
    ),
    (re.compile(r"^[a-z0-9-]+-aiplatform\.googleapis\.com$"), "gcp.vertex_ai"),
)
# The protocols of their own of those that answer in OpenAI's too.
OTHER_PROTOCOLS = frozenset({
    "anthropic", "aws.bedrock", "gcp.gemini", "gcp.vertex_ai", "azure.ai.inference", "cohere", "mistral_ai", "ollama",
})  # fmt: skip
AZURE_CLIENTS = frozenset({"AzureOpenAI", "AsyncAzureOpenAI", "_AzureModuleClient"})
BEDROCK_CLIENTS = frozenset({"BedrockOpenAI", "AsyncBedrockOpenAI"})
# Where nobody is known to answer, in OpenAI's protocol.
UNKNOWN = "openai_compatible"
SERVERS = frozenset({"ollama", "llama_cpp", "lm_studio"})
# The ports that the servers of open models listen on, where nothing else does as a rule.
PORTS = {11434: "ollama", 1234: "lm_studio"}
# The models of OpenAI's own API. What it published as open weights anybody serves.
OPENAI_MODEL = re.compile(
    r"^(?:ft:|openai/|azure/)?(?:gpt-(?!oss)|chatgpt-|o\d|text-embedding-(?:3|ada)|text-(?:davinci|curie|babbage|ada)"
    r"|davinci|curie|babbage|ada\b|omni-moderation|text-moderation|dall-e|tts-|whisper-|codex-|computer-use-|sora-)"
)


@lru_cache(maxsize=512)
def find_provider_name(host: str | None, client_class: str) -> str:
    """Who answers at HOST, in OpenTelemetry's words; `openai` where its name does not tell."""
    if host is not None:
        for ending, provider in HOSTS:
            if host == ending or host.endswith("." + ending):
                return provider
        for pattern, provider in REGIONAL_HOSTS:
            if pattern.search(host):
                return provider
    if client_class in AZURE_CLIENTS:
        return "azure.ai.openai"
    return "aws.bedrock" if client_class in BEDROCK_CLIENTS else "openai"


def name_server(request: Request, response: Response, headers: Mapping[str, str]) -> tuple[Request, Response]:
    """REQUEST with who really answered it, as RESPONSE and its HEADERS tell; RESPONSE as it is."""
    host = request.server_address or ""
    if request.provider != "openai" or host == "api.openai.com" or host.endswith(".api.openai.com"):
        return request, response
    return replace(request, provider=_server(request, response, headers)), response


def _server(request: Request, response: Response, headers: Mapping[str, str]) -> str:
    fingerprint = response.system_fingerprint
    if fingerprint == "fp_ollama":
        return "ollama"
    if headers.get("server", "").startswith("llama.cpp"):
        return "llama_cpp"
    if fingerprint is not None and fingerprint == response.model:
        return "lm_studio"
    if request.server_port in PORTS:
        return PORTS[request.server_port]
    models = [name for name in (response.model, request.model) if name]
    return UNKNOWN if models and not any(OPENAI_MODEL.match(name) for name in models) else "openai"
