"""Groq's usage objects: OpenAI's, with times beside the counts. Reasoning is inside the output.

Source: https://console.groq.com/docs/api-reference
"""

from llmtrace.providers import compatible_usage, openai_usage
from llmtrace.providers.base import UsageFamily

FAMILY = UsageFamily(
    providers=frozenset({"groq"}),
    normalise=compatible_usage.normalise,
    denormalise=openai_usage.denormalise,
    bill=compatible_usage.bill,
)
