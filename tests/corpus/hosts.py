"""Those who speak OpenAI's protocol, and its client for each at their own hosts."""

from typing import Any

import openai
from replaying import Caller

# What the recordings call a provider -> its base URL (over http, so that a proxy sees it), and what llmtrace calls it.
# None: a server of the user's own, whose name the answers decide.
BASES: dict[str, tuple[str, str | None]] = {
    "groq": ("http://api.groq.com/openai/v1", "groq"),
    "gemini": ("http://generativelanguage.googleapis.com/v1beta/openai", "gcp.gemini"),
    "deepseek": ("http://api.deepseek.com", "deepseek"),
    "xai": ("http://api.x.ai/v1", "x_ai"),
    "openrouter": ("http://openrouter.ai/api/v1", "openrouter"),
    "mistral": ("http://api.mistral.ai/v1", "mistral_ai"),
    "perplexity": ("http://api.perplexity.ai", "perplexity"),
    "together": ("http://api.together.ai/v1", "together_ai"),
    "cerebras": ("http://api.cerebras.ai/v1", "cerebras"),
    "vercel_gateway": ("http://ai-gateway.vercel.sh/v1", "vercel"),
    "huggingface": ("http://router.huggingface.co/v1", "hugging_face"),
    "databricks": ("http://adb-1.1.azuredatabricks.net/serving-endpoints", "databricks"),
    "snowflake": ("http://a-b.snowflakecomputing.com/api/v2/cortex/v1", "snowflake"),
    "zai": ("http://api.z.ai/api/paas/v4", "z_ai"),
    "api.cloudflare.com": ("http://api.cloudflare.com/client/v4/accounts/a/ai/v1", "cloudflare"),
    "api.avian.io": ("http://api.avian.io/v1", "avian"),
    "api.inference.crusoecloud.com": ("http://api.inference.crusoecloud.com/v1", "crusoe"),
    "azure_ai": ("http://acme.services.ai.azure.com/models", "azure.ai.openai"),
    "bedrock": ("http://bedrock-runtime.us-east-1.amazonaws.com/openai/v1", "aws.bedrock"),
    "ollama": ("http://localhost:11434/v1", "ollama"),
    "vllm": ("http://gpu.internal:8000/v1", None),
    "gateway_local": ("http://gateway.internal/v1", None),
    "gpustack": ("http://gpustack.internal/v1", "openai_compatible"),
    "voyage": ("http://api.voyageai.com/v1", "voyage_ai"),
}


class Hosts(Caller):
    """Calls each row at its provider's own host, through a proxy that answers in its place."""

    def __init__(self, proxy: str, *, is_async: bool = False) -> None:
        """Make one client per provider."""
        client: Any = openai.AsyncOpenAI if is_async else openai.OpenAI
        proxied: Any = openai.DefaultAsyncHttpxClient if is_async else openai.DefaultHttpxClient
        self.clients = {
            name: client(base_url=base, api_key="k", max_retries=0, http_client=proxied(proxy=proxy, trust_env=False))
            for name, (base, _) in BASES.items()
        }
