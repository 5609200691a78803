"""Fixtures of the tests of capture."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from batching import ANTHROPIC_USAGE, OPENAI_USAGE

import llmtrace
from llmtrace.simulator import Simulator


@pytest.fixture
def sim(simulator: Simulator, home: Path) -> Iterator[Simulator]:
    """Providers whose batches cost what `batching` says, and llmtrace switched on."""
    simulator.fix_usage("gpt-4o", OPENAI_USAGE)
    simulator.fix_usage("claude-haiku-4-5", ANTHROPIC_USAGE)
    llmtrace.instrument(home=home, service_name="jobs")
    yield simulator


@pytest.fixture
def make_boto(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Makes clients of Bedrock's runtime at the simulator, closed with the test, and so are streams that it left."""
    from boto_calls import make_client  # boto3: only for those who ask
    from urllib3.connection import HTTPConnection

    made: list[Any] = []
    connect = HTTPConnection.connect

    def noted(connection: HTTPConnection) -> None:
        made.append(connection)
        connect(connection)

    monkeypatch.setattr(HTTPConnection, "connect", noted)

    def make(url: str = simulator.bedrock_endpoint_url, **options: Any) -> Any:
        client = make_client(url, **options)
        made.append(client)
        return client

    yield make
    for client_or_connection in made:
        client_or_connection.close()
