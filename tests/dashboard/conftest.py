"""Stores that pages are drawn from: real owners of databases in folders of their own."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import llmtrace.dashboard
import pytest
from llmtrace.dashboard import answers, source, views
from streamlit.testing.v1 import AppTest

from llmtrace import codec
from llmtrace.demo.seed import write_spans
from llmtrace.demo.traffic import make_calls
from llmtrace.errors import StoreError
from llmtrace.model import Call, Span
from llmtrace.owner import Owner
from llmtrace.store.base import Rows

NO_PRICE = "acme-9"
SCRIPT = Path(llmtrace.dashboard.__file__).with_name("app.py")
Calls = list[tuple[Call, Mapping[str, str]]]


class OwnerSource:
    """Answers from an open owner."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner

    def rows(self, question: str, options: Mapping[str, Any]) -> Rows:
        return self.owner.ask(question, options)

    def health(self) -> dict[str, Any]:
        return self.owner.health()


class BrokenSource:
    """A store that does not answer."""

    def rows(self, question: str, options: Mapping[str, Any]) -> Rows:
        raise StoreError("/data/llmtrace.duckdb is not open any more")

    def health(self) -> dict[str, Any]:
        raise StoreError("/data/llmtrace.duckdb is not open any more")


def demo_calls(days: int = 3, seed: int = 7) -> Calls:
    return list(make_calls(datetime.now(UTC).replace(tzinfo=None), seed=seed, days=days))


@pytest.fixture
def made_calls() -> Calls:
    """A day of the demo's traffic, not stored yet."""
    return demo_calls(days=1)


@pytest.fixture
def broken() -> BrokenSource:
    """A store that does not answer."""
    return BrokenSource()


@pytest.fixture(scope="session")
def open_spans(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[list[Span]], OwnerSource]]:
    """Makes a store of spans."""
    owners: list[Owner] = []

    def make(spans: list[Span]) -> OwnerSource:
        home = tmp_path_factory.mktemp("home")
        write_spans(home, spans)
        owner = Owner(home, None, "test").open()
        owners.append(owner)
        while not owner.ingest().is_done:
            pass
        return OwnerSource(owner)

    yield make
    for owner in owners:
        owner.close()


@pytest.fixture(scope="session")
def open_store(open_spans: Callable[[list[Span]], OwnerSource]) -> Callable[[Calls], OwnerSource]:
    """Makes a store of calls."""
    return lambda calls: open_spans([codec.to_span(call, resource) for call, resource in calls])


@pytest.fixture(scope="session")
def demo(open_store: Callable[[Calls], OwnerSource]) -> OwnerSource:
    """Three days of the demo's traffic."""
    return open_store(demo_calls())


@pytest.fixture(scope="session")
def empty(open_store: Callable[[Calls], OwnerSource]) -> OwnerSource:
    """A store in which there is nothing."""
    return open_store([])


@pytest.fixture(scope="session")
def single(open_store: Callable[[Calls], OwnerSource]) -> OwnerSource:
    """A store of one call, with which nothing went wrong."""
    flawless = [pair for pair in demo_calls(days=1) if pair[0].status == "ok" and len(pair[0].attempts) < 2]
    return open_store(flawless[-1:])


@pytest.fixture(scope="session")
def unpriced(open_store: Callable[[Calls], OwnerSource]) -> OwnerSource:
    """A store in which no call has a price."""
    calls = [(call, resource) for call, resource in demo_calls() if call.status == "ok"][:200]
    return open_store(
        [
            (replace(c, request=replace(c.request, model=NO_PRICE), response=replace(c.response, model=NO_PRICE)), r)
            for c, r in calls
        ]
    )


@pytest.fixture(autouse=True)
def no_source_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test says where its pages get their answers."""
    monkeypatch.setattr(source, "_source", None)
    answers._health.clear()  # kept for some seconds by what may be the same for another test's source


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Draws the page at PATH from SOURCE with the given address."""

    def draw(shown: Any, path: str = "overview", **address: Any) -> AppTest:
        ordered = sorted(views.VIEWS, key=lambda view: view.path != path)
        monkeypatch.setattr(views, "VIEWS", tuple(ordered))
        source.use(shown)
        test = AppTest.from_file(str(SCRIPT), default_timeout=30)
        for name, value in address.items():
            test.query_params[name] = value
        test.run()
        assert not test.exception, test.exception
        return test

    return draw
