"""A WebSocket server on loopback that answers each message with the events that it is given."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Thread
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

Event = Mapping[str, Any]


@contextmanager
def talk(greeting: Sequence[Event], answers: Sequence[Sequence[Event]]) -> Iterator[str]:
    """The address of a server that says GREETING, then one of ANSWERS to each message; after the last it hangs up."""

    def handle(socket: ServerConnection) -> None:
        try:
            for event in greeting:
                socket.send(json.dumps(event))
            for events in answers:
                socket.recv()
                for event in events:
                    socket.send(json.dumps(event))
        except ConnectionClosed:
            pass  # a client that leaves early is what some tests are about

    with serve(handle, "127.0.0.1", 0) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()
