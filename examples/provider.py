"""Where the examples' SDK clients call: the real providers where you have set a key, else a simulator on this machine.

Your own app needs nothing of this.
"""

import contextlib
import os
from collections.abc import Iterator

import anthropic
import openai

from llmtrace.simulator import Simulator


@contextlib.contextmanager
def clients() -> Iterator[tuple[openai.OpenAI, anthropic.Anthropic]]:
    """Clients of OpenAI and Anthropic."""
    if os.environ.get("OPENAI_API_KEY") and os.environ.get("ANTHROPIC_API_KEY"):
        with openai.OpenAI() as chat, anthropic.Anthropic() as claude:
            yield chat, claude
        return
    with (
        Simulator(seed=7) as simulator,
        openai.OpenAI(base_url=simulator.openai_base_url, api_key="simulated") as chat,
        anthropic.Anthropic(base_url=simulator.anthropic_base_url, api_key="simulated") as claude,
    ):
        yield chat, claude
        print("What the simulator answered:")
        for request in simulator.requests:
            print(f"  {request.model}: {dict(request.usage or {})}")
