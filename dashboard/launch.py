"""Starts the dashboard: one process on one loopback port that owns the database, reads the journal and serves pages.

Where another process owns it already, the pages ask that one.
"""

import contextlib
import socket
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import streamlit as st
from starlette.middleware import Middleware

from llmtrace.client import Client
from llmtrace.errors import ConfigError, LlmtraceError, StoreError
from llmtrace.owner import DB_NAME, Owner
from llmtrace.sidecar.api import routes
from llmtrace.sidecar.guard import Guard
from llmtrace.sidecar.intake import Intake
from llmtrace.sidecar.loop import OwnerLoop
from llmtrace.sidecar.receiver import Receiver
from llmtrace.store.base import Rows
from llmtrace.store.lock import read_owner

from . import source, theme

_T = TypeVar("_T")
HOST = "127.0.0.1"
SCRIPT = Path(__file__).with_name("app.py")
READY_TIMEOUT_S = 60.0


class OwnSource:
    """Answers from the owner in this process, or, once it has let the database go, from whoever has it."""

    def __init__(self, loop: OwnerLoop, client: Client) -> None:
        """Answer from LOOP's owner, then from CLIENT."""
        self._loop, self._client = loop, client

    def rows(self, question: str, options: Mapping[str, Any]) -> Rows:
        """The answer to QUESTION."""
        return self._either(
            lambda: self._loop.owner.ask(question, options), lambda: self._client.rows(question, options)
        )

    def health(self) -> dict[str, Any]:
        """The figures of `doctor`."""
        return self._either(self._loop.owner.health, self._client.health)

    def _either(self, here: Callable[[], _T], there: Callable[[], _T]) -> _T:
        if not self._loop.has_yielded:
            try:
                return here()
            except StoreError:
                if not self._loop.has_yielded:
                    raise
        return there()


def run(home: Path, db: Path | None, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve the dashboard of the database at DB (default: in HOME) until it is stopped.

    ON_READY is called with the address once pages are served.

    Raises:
        ConfigError: PORT is taken.
        StoreError: the database cannot be opened.
    """
    place = db if db is not None else home / DB_NAME
    port = _free_port(port)
    url = f"http://{HOST}:{port}"
    held = read_owner(place)
    if held is not None and held.url is not None:
        if held.kind == "dashboard":
            on_ready(held.url)
            return
        source.use(Client(home, place, None, None, "dashboard"))
        _serve(url, port, [], contextlib.nullcontext(), on_ready)
        return
    loop = OwnerLoop(Owner(home, place, "dashboard").open(), yields_to="serve")
    source.use(OwnSource(loop, Client(home, place, None, None, "dashboard")))
    loop.owner.lock.publish(url)
    intake = Intake(home)
    loop.also_check(intake.problems)
    _serve(url, port, [Receiver(intake).route(), *routes(loop)], _running(loop, intake), on_ready)


@contextlib.contextmanager
def _running(loop: OwnerLoop, intake: Intake) -> Any:
    loop.start()
    intake.start()
    try:
        yield
    finally:
        intake.close()
        loop.stop()


def _serve(url: str, port: int, api: list[Any], running: Any, on_ready: Callable[[str], None]) -> None:
    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        with running:
            threading.Thread(target=_announce, args=(url, on_ready), daemon=True).start()
            threading.Thread(target=_warm_up, daemon=True).start()
            yield

    app = st.App(SCRIPT, routes=api, middleware=[Middleware(Guard)], lifespan=lifespan)
    app.run(config=theme.server_config(HOST, port))


def _warm_up() -> None:
    """Load what the first page needs while the browser loads its own."""
    from . import shell  # noqa: F401

    with contextlib.suppress(LlmtraceError):
        for question in ("freshness", "facets", "totals", "pairs", "latency_series"):
            source.current().rows(question, {"since": "24h"})


def _announce(url: str, on_ready: Callable[[str], None]) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url + "/_stcore/health", timeout=2).close()
            on_ready(url)
            return
        time.sleep(0.05)


def _free_port(port: int) -> int:
    """PORT, or any free one for 0.

    Raises:
        ConfigError: PORT is taken.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as err:
            raise ConfigError(f"port {port} of {HOST} is taken ({err.strerror}); name another with --port") from err
        return int(probe.getsockname()[1])
