"""Mistral's usage objects: OpenAI's; what came from a cache is also told as `num_cached_tokens`.

Source: https://docs.mistral.ai/api
"""

from llmtrace.providers import compatible_usage, openai_usage
from llmtrace.providers.base import UsageFamily

FAMILY = UsageFamily(
    providers=frozenset({"mistral_ai"}),
    normalise=compatible_usage.normalise,
    denormalise=openai_usage.denormalise,
    bill=compatible_usage.bill,
)
