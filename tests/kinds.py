"""The kinds of clients that rows are replayed with."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import native
from corpus import bedrock_rows
from corpus.hosts import Hosts
from native import Natives
from replaying import READERS, Caller, Row, plain, plain_async, raw, raw_async, streamed_async, streamed_bytes_async


def read_in_turn(caller: Caller, row: Row) -> list[str]:
    """`with_streaming_response`, read in one of the ways that it offers."""
    return READERS[len(row.body) % len(READERS)](caller, row)


class Callers:
    """OpenAI's and Anthropic's clients."""

    ways = (plain, raw, *READERS)
    async_ways = (plain_async, raw_async, streamed_async, streamed_bytes_async)

    @contextmanager
    def open(self, address: str) -> Iterator[Caller]:
        """One, closed at the end."""
        caller = self.make(address, is_async=False)
        try:
            yield caller
        finally:
            for client in caller.clients.values():
                client.close()

    @asynccontextmanager
    async def open_async(self, address: str) -> AsyncIterator[Caller]:
        """The same, asynchronous."""
        caller = self.make(address, is_async=True)
        try:
            yield caller
        finally:
            for client in caller.clients.values():
                await client.close()

    def make(self, address: str, *, is_async: bool) -> Caller:
        """The clients for ADDRESS."""
        return Caller(address, is_async=is_async)


class HostCallers(Callers):
    """OpenAI's client at the hosts of others, through a proxy that answers in their place."""

    def make(self, address: str, *, is_async: bool) -> Caller:
        """The clients for the proxy at ADDRESS."""
        return Hosts(address, is_async=is_async)


class BotoClients:
    """Amazon's client."""

    ways = (bedrock_rows.plain, bedrock_rows.piecewise)
    async_ways = ()

    @contextmanager
    def open(self, address: str) -> Iterator[bedrock_rows.Runtime]:
        """One, closed at the end."""
        runtime = bedrock_rows.Runtime(address)
        try:
            yield runtime
        finally:
            runtime.client.close()


class NativeClients:
    """The clients of Google, Mistral, Cohere and Ollama."""

    ways = (native.plain,)
    async_ways = (native.plain_async,)

    def open(self, address: str) -> Natives:
        """One, closed at the end."""
        return Natives(address)

    def open_async(self, address: str) -> Natives:
        """The same, asynchronous."""
        return Natives(address, is_async=True)
