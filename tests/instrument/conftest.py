"""Fixtures of the tests of capture."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import calling
import pytest
from batching import ANTHROPIC_USAGE, OPENAI_USAGE

import llmtrace
from llmtrace.simulator import Simulator


@pytest.fixture
def close_clients(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close what `make_clients` made: left to the collector, a socket may go before the client that would close it."""
    made: list[calling.Clients] = []

    def make(*arguments: Any, **options: Any) -> calling.Clients:
        made.append(calling.make_clients(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(request.module, "make_clients", make)
    yield
    for clients in made:
        clients.openai.close()
        clients.anthropic.close()


@pytest.fixture
def sim(simulator: Simulator, home: Path) -> Iterator[Simulator]:
    """Providers whose batches cost what `batching` says, and llmtrace switched on."""
    simulator.fix_usage("gpt-4o", OPENAI_USAGE)
    simulator.fix_usage("claude-haiku-4-5", ANTHROPIC_USAGE)
    llmtrace.instrument(home=home, service_name="jobs")
    yield simulator


@pytest.fixture
def make_boto(simulator: Simulator) -> Iterator[Callable[..., Any]]:
    """Makes clients of Bedrock's runtime at the simulator, closed with the test."""
    from boto_calls import make_client  # boto3: only for those who ask

    made = []

    def make(url: str = simulator.bedrock_endpoint_url, **options: Any) -> Any:
        made.append(make_client(url, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()
