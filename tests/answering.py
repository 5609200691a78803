"""An owner behind its API, as `llmtrace dashboard` and `llmtrace serve` publish it, in a thread of the test."""

import threading
import time
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware

from llmtrace.owner import Owner
from llmtrace.sidecar.api import routes
from llmtrace.sidecar.guard import Guard
from llmtrace.sidecar.loop import OwnerLoop


class Served:
    """An owner behind its API on a port of loopback; `stop` it."""

    def __init__(self, home: Path, token: str | None = None) -> None:
        """Serve the database of HOME, which has read its journal by the time this returns."""
        owner = Owner(home, None, "serve").open()
        owner.ingest()
        self.loop = OwnerLoop(owner)
        app = Starlette(routes=routes(self.loop), middleware=[Middleware(Guard, token=token)])
        self.server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.loop.start()
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        self.url = f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"

    def publish(self) -> None:
        """Let commands for this home find it."""
        self.loop.owner.lock.publish(self.url)

    def stop(self) -> None:
        """End server and owner."""
        self.server.should_exit = True
        self.thread.join(5)
        self.loop.stop()
