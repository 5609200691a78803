"""Usage objects of those who fill in OpenAI's shape and add nothing of their own."""

from llmtrace.providers import compatible_usage, openai_usage
from llmtrace.providers.base import UsageFamily
from llmtrace.providers.openai_hosts import HOSTS, SERVERS, UNKNOWN

# Those with a module of their own.
READ_ELSEWHERE = frozenset({
    "openai", "azure.ai.openai", "anthropic", "gcp.gemini", "gcp.vertex_ai", "mistral_ai", "cohere", "deepseek", "x_ai",
    "groq", "openrouter", "vercel", "perplexity", "voyage_ai", "azure.ai.inference", "ollama",
})  # fmt: skip

FAMILY = UsageFamily(
    providers=frozenset({*(provider for _, provider in HOSTS), *SERVERS, UNKNOWN} - READ_ELSEWHERE),
    normalise=compatible_usage.normalise,
    denormalise=openai_usage.denormalise,
    bill=compatible_usage.bill,
)
