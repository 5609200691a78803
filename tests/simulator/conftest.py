"""The simulator and the SDKs that talk to it; nothing is tried twice unless a test says so."""

from collections.abc import Iterator

import pytest
from anthropic import Anthropic
from openai import OpenAI

from llmtrace.simulator import Simulator


@pytest.fixture
def sim(simulator: Simulator) -> Simulator:
    """The simulator."""
    return simulator


@pytest.fixture
def gpt(sim: Simulator) -> Iterator[OpenAI]:
    """OpenAI's SDK."""
    with OpenAI(base_url=sim.openai_base_url, api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(sim: Simulator) -> Iterator[Anthropic]:
    """Anthropic's SDK."""
    with Anthropic(base_url=sim.anthropic_base_url, api_key="any", max_retries=0) as client:
        yield client
