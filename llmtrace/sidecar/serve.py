"""`llmtrace serve`: owns the database for life, receives OTLP, and answers questions.

It stops from the outside in: no new requests, those in flight, what they left in the journal, the database, its lock.
"""

import contextlib
import logging
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware

from llmtrace.errors import ConfigError, StoreLocked
from llmtrace.owner import DB_NAME, Owner
from llmtrace.sidecar import metrics
from llmtrace.sidecar.api import routes
from llmtrace.sidecar.forward import Forwarder
from llmtrace.sidecar.guard import LOOPBACK_HOSTS, Guard
from llmtrace.sidecar.intake import Intake
from llmtrace.sidecar.loop import OwnerLoop
from llmtrace.sidecar.receiver import Receiver
from llmtrace.sidecar.server import Server, address_of, is_loopback, listen
from llmtrace.store.lock import WAIT_S, read_owner

KIND = "serve"
FORWARD_STOP_S = 2.0
TOKEN_FILE = "serve.token"
log = logging.getLogger("llmtrace.sidecar")


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """What `llmtrace serve` was told; `grpc_port` None is without gRPC."""

    home: Path
    db: Path | None = None
    host: str = "127.0.0.1"
    port: int = 4318
    grpc_port: int | None = 4317
    token: str | None = None
    forward: tuple[str, ...] = ()
    forward_headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a sidecar answers; `grpc` is None without gRPC, `grpc_missing` says why that is."""

    url: str
    grpc: str | None = None
    grpc_missing: str | None = None


def run(settings: ServeSettings, on_ready: Callable[[Addresses], None]) -> None:
    """Serve until SIGTERM or SIGINT. ON_READY is called with the addresses once requests are answered.

    Raises:
        ConfigError: the host is not loopback and there is no token, or spans must not be forwarded there.
        PortTaken: another process listens on a port.
        StoreLocked: another process owns the database and does not let go.
        StoreUnreadable: the database is damaged, or of a newer llmtrace.
    """
    if not is_loopback(settings.host) and not settings.token:
        raise ConfigError(f"on {settings.host} others reach this server: name a token with --token or LLMTRACE_TOKEN")
    forwarders = [Forwarder(settings.home, url, settings.forward_headers) for url in settings.forward]
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(listen(settings.host, settings.port))
        url = address_of(listening)
        loop = OwnerLoop(_own(settings))
        stack.callback(loop.stop)
        intake = Intake(settings.home)
        stack.callback(intake.close)
        loop.also_check(intake.problems)
        for forwarder in forwarders:
            forwarder.wake()
            stack.callback(_close_forwarder, forwarder)
        loop.start()
        intake.start()
        token_file = stack.enter_context(_token_file(settings))
        addresses = stack.enter_context(_grpc(settings, intake, url))
        server = Server(_app(settings, loop, intake), on_ready=lambda: on_ready(addresses))
        stack.enter_context(_stopping(server))
        loop.owner.lock.publish(url, token_file)
        stack.callback(loop.owner.lock.publish)
        server.run([listening])


def _close_forwarder(forwarder: Forwarder) -> None:
    forwarder.close(time.monotonic() + FORWARD_STOP_S)


def _own(settings: ServeSettings) -> Owner:
    """The database, owned; a sidecar that answers keeps it, and everyone else is waited for."""
    place = settings.db if settings.db is not None else settings.home / DB_NAME
    held = read_owner(place)
    if held is not None and held.kind == KIND and held.url is not None:
        raise StoreLocked(str(place), held.pid)
    return Owner(settings.home, settings.db, KIND).open(WAIT_S)


def _app(settings: ServeSettings, loop: OwnerLoop, intake: Intake) -> Starlette:
    hosts = LOOPBACK_HOSTS if is_loopback(settings.host) else None
    return Starlette(
        routes=[Receiver(intake).route(), metrics.route(loop, intake), *routes(loop)],
        middleware=[Middleware(Guard, hosts=hosts, token=settings.token)],
    )


@contextlib.contextmanager
def _grpc(settings: ServeSettings, intake: Intake, url: str) -> Iterator[Addresses]:
    """OTLP over gRPC, where its library is installed."""
    if settings.grpc_port is None:
        yield Addresses(url)
        return
    try:
        from llmtrace.sidecar.grpc_receiver import GrpcReceiver
    except ImportError as err:
        yield Addresses(url, grpc_missing=str(err))
        return
    receiver = GrpcReceiver(intake, settings.host, settings.grpc_port, settings.token)
    receiver.start()
    try:
        yield Addresses(url, f"{settings.host}:{receiver.port}")
    finally:
        receiver.stop()


@contextlib.contextmanager
def _token_file(settings: ServeSettings) -> Iterator[str | None]:
    """The token where commands of this user find it, and no one else."""
    if settings.token is None:
        yield None
        return
    path = settings.home / TOKEN_FILE
    written = path.with_name(f"{TOKEN_FILE}.{secrets.token_hex(4)}")
    fd = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "w") as file:
        file.write(settings.token)
    os.replace(written, path)
    yield str(path)
    path.unlink(missing_ok=True)


@contextlib.contextmanager
def _stopping(server: Server) -> Iterator[None]:
    """Stop at SIGTERM or SIGINT; a second one hurries."""

    def stop(number: int, frame: Any) -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
