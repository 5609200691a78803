"""Where the examples' SDK clients call: the real providers where you have set a key, else a simulator on this machine.

Your own app needs nothing of this.
"""

import contextlib
import os
from collections.abc import Iterator

import anthropic
import openai

from llmtrace.simulator import Fault, Simulator

_running: list[Simulator] = []


def overload(model: str, times: int) -> None:
    """Let the simulator refuse the next TIMES requests for MODEL; a real provider does so when it likes."""
    for simulator in _running:
        simulator.fault(Fault.status(503).on(model=model), times=times)


@contextlib.contextmanager
def clients(show: bool = True) -> Iterator[tuple[openai.OpenAI, anthropic.Anthropic]]:
    """Clients of OpenAI and Anthropic. SHOW prints what the simulator answered."""
    if os.environ.get("OPENAI_API_KEY") and os.environ.get("ANTHROPIC_API_KEY"):
        with openai.OpenAI() as chat, anthropic.Anthropic() as claude:
            yield chat, claude
        return
    with (
        Simulator(seed=7) as simulator,
        openai.OpenAI(base_url=simulator.openai_base_url, api_key="simulated") as chat,
        anthropic.Anthropic(base_url=simulator.anthropic_base_url, api_key="simulated") as claude,
    ):
        _running.append(simulator)
        yield chat, claude
        _running.remove(simulator)
        if not show:
            return
        print("What the simulator answered:")
        for request in simulator.requests:
            print(f"  {request.model}: {dict(request.usage or {})}")
