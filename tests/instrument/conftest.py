"""Fixtures of the tests of capture."""

from collections.abc import Iterator
from typing import Any

import calling
import pytest


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
