"""What OpenAI's endpoints know of models: the names they answer by, and how much they think."""

import re

from llmtrace.simulator.protocol import Request

# The dated model that answers for an alias; what is not listed answers by the name it was asked by.
SNAPSHOTS = {
    "gpt-3.5-turbo": "gpt-3.5-turbo-0125",
    "gpt-4": "gpt-4-0613",
    "gpt-4-turbo": "gpt-4-turbo-2024-04-09",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14",
    "gpt-3.5-turbo-instruct": "gpt-3.5-turbo-instruct:20230824-v2",
    "o1": "o1-2024-12-17",
    "o3": "o3-2025-04-16",
    "o3-mini": "o3-mini-2025-01-31",
    "o4-mini": "o4-mini-2025-04-16",
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "gpt-5-nano": "gpt-5-nano-2025-08-07",
    "gpt-5.1": "gpt-5.1-2025-11-13",
    "gpt-5.2": "gpt-5.2-2025-12-11",
    "gpt-5.4": "gpt-5.4-2026-03-05",
    "gpt-5.4-mini": "gpt-5.4-mini-2026-03-17",
    "gpt-5.4-nano": "gpt-5.4-nano-2026-03-17",
    "gpt-5.5": "gpt-5.5-2026-04-23",
}
REASONING = re.compile(r"(o\d|gpt-[5-9])(?!.*-chat)")
# From GPT-5.6 on, the usage also tells what was written to the cache.
TELLS_WRITES = re.compile(r"gpt-(5\.[6-9]|[6-9])")
TIERS = {"flex": "flex", "priority": "priority", "fast": "priority", "scale": "scale"}
REASONING_STEP = 64
EFFORT_STEPS = {"none": 0, "minimal": 0, "low": 2, "medium": 4, "high": 8, "xhigh": 16, "max": 32}


def find_snapshot(request: Request) -> str:
    """The name of the model that answers REQUEST."""
    answered = request.answer.response_model if request.answer is not None else None
    return answered or SNAPSHOTS.get(request.model, request.model)


def find_tier(wanted: object) -> str:
    """The tier that serves a request that WANTED one."""
    return TIERS.get(wanted, "default") if isinstance(wanted, str) else "default"


def think_tokens(request: Request, effort: object) -> int:
    """Tokens that the model thinks with EFFORT before it answers."""
    if not REASONING.match(request.model):
        return 0
    steps = EFFORT_STEPS.get(effort, 4) if isinstance(effort, str) else 4
    return REASONING_STEP * request.rng.randint(1, steps) if steps else 0
