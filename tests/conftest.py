"""Fixtures that every test may use. No test touches the user's home, an internet host, or the app's environment."""

import functools
import gc
import logging
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from hypothesis import settings
from otlp_receiver import Receiver, receive
from skipping import pytest_make_collect_report, pytest_runtest_makereport

import llmtrace
from llmtrace import codec, wire
from llmtrace.instrument import quiet
from llmtrace.journal import Record, journal_folder, list_segments, read_segment
from llmtrace.model import Call
from llmtrace.simulator import Simulator

# How long an example takes says how busy the machine is.
settings.register_profile("llmtrace", deadline=None)
settings.load_profile("llmtrace")

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]
pytest_plugins = ["pytester"]
SETTINGS_PREFIXES = ("LLMTRACE_", "OTEL_", "OPENAI_", "ANTHROPIC_")


def pytest_collection_finish() -> None:
    """Many tests collect garbage: what is loaded by now is none, and looking at it again takes longer than they do."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """The interpreter's own end frees all, or extension modules complain."""
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def no_certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test speaks TLS: reading the system's certificates takes each client longer than most calls do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("certificates")))
        yield


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the developer's reaches a test, and nothing is written outside its own folder."""
    import os

    for name in list(os.environ):
        if name.startswith(SETTINGS_PREFIXES) and name != "LLMTRACE_TEST_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("LLMTRACE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(quiet, "_last_logged_at", -quiet.LOG_INTERVAL_S)
    monkeypatch.setattr(quiet, "_warned_of", set())


class _Swallowed(logging.Handler):
    """What llmtrace swallowed and logged, which no test may cause unless it says so."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture(autouse=True)
def nothing_swallowed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in which llmtrace swallowed an error; `@pytest.mark.expects_warning` allows it."""
    handler = _Swallowed()
    logger = logging.getLogger("llmtrace")
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)
    if handler.records and request.node.get_closest_marker("expects_warning") is None:
        message = "; ".join(logging.Formatter().format(r) for r in handler.records)
        pytest.fail(f"llmtrace logged a warning: {message}")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The directory of journal and database of this test."""
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def no_client_left_open(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clients are closed with the test that made them; those that the collector finds would fail another."""
    made: list[weakref.ref[httpx.Client | httpx2.Client]] = []
    for library in (httpx, httpx2):
        monkeypatch.setattr(library.Client, "__init__", _noting(library.Client.__init__, made))
    yield
    for reference in made:
        client = reference()
        if client is not None:
            client.close()


def _noting(begin: Any, made: list[Any]) -> Any:
    @functools.wraps(begin)
    def noted(client: Any, *args: Any, **kwargs: Any) -> None:
        begin(client, *args, **kwargs)
        made.append(weakref.ref(client))

    return noted


@pytest.fixture(autouse=True)
def stop_capture() -> Iterator[None]:
    """Whatever a test switched on is off after it."""
    yield
    llmtrace.shutdown(5.0)


def recorded_calls(home: Path) -> list[Call]:
    """The calls in the journal of HOME, as ingest would read them."""
    assert llmtrace.flush(5.0)
    found = []
    for segment in list_segments(journal_folder(home)):
        for record in read_segment(segment, 0):
            assert isinstance(record, Record)
            found += [codec.decode(span) for span in wire.decode(record.payload)]
    assert None not in found
    return [call for call in found if call is not None]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A provider on loopback, with its log of what was really asked and answered."""
    with Simulator(seed=7) as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """An OTLP backend on loopback."""
    with receive() as running:
        yield running
