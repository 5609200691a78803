"""Follows a response that the SDK hands out unread, without putting anything of ours in its place.

The caller keeps the SDK's own stream object. Its iterator is wrapped, which tells a stream that was read to the end
from one that failed; the HTTP response's `close` tells a stream that was given up, and a finalizer one that was
dropped. Where the caller asked for the raw response, its bytes are seen as they pass. The wrappers hold the response
weakly: a dropped stream is freed as early as it would be without us.
"""

import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from typing import Any

from llmtrace.instrument.invocation import WITHHELD, Invocation
from llmtrace.instrument.quiet import quietly

ITERATOR = "_iterator"  # both SDKs' name for the generator behind a stream


def follow(
    invocation: Invocation, result: Any, response: Any, registry: dict[int, Invocation], *, is_raw: bool
) -> None:
    """Let INVOCATION end when RESPONSE, which RESULT reads from, is read, closed or dropped."""
    invocation.watch(response, registry, is_raw=is_raw)
    reference = weakref.ref(response)
    response.close = _closing(invocation, reference)
    response.aclose = _closing_async(invocation, reference)
    if invocation.reader is not None:
        response.iter_bytes = _bytes_of(invocation, reference)
        response.aiter_bytes = _bytes_of_async(invocation, reference)
    if is_raw:
        return
    inner = getattr(result, ITERATOR, None)
    if isinstance(inner, Generator):
        setattr(result, ITERATOR, _iterate(invocation, inner, _pass_on))
    elif isinstance(inner, AsyncGenerator):
        setattr(result, ITERATOR, _iterate_async(invocation, inner, _pass_on))


def _closing(invocation: Invocation, reference: "weakref.ref[Any]") -> Callable[[], None]:
    def close() -> None:
        response = reference()
        quietly(invocation.close)
        if response is not None:
            type(response).close(response)

    return close


def _closing_async(invocation: Invocation, reference: "weakref.ref[Any]") -> Callable[[], Any]:
    async def aclose() -> None:
        response = reference()
        quietly(invocation.close)
        if response is not None:
            await type(response).aclose(response)

    return aclose


def _bytes_of(invocation: Invocation, reference: "weakref.ref[Any]") -> Callable[..., Iterator[bytes]]:
    def iter_bytes(chunk_size: int | None = None) -> Iterator[bytes]:
        response = reference()
        return _iterate(invocation, type(response).iter_bytes(response, chunk_size), invocation.feed)  # type: ignore[union-attr]

    return iter_bytes


def _bytes_of_async(invocation: Invocation, reference: "weakref.ref[Any]") -> Callable[..., AsyncIterator[bytes]]:
    def aiter_bytes(chunk_size: int | None = None) -> AsyncIterator[bytes]:
        response = reference()
        return _iterate_async(invocation, type(response).aiter_bytes(response, chunk_size), invocation.feed)  # type: ignore[union-attr]

    return aiter_bytes


def _pass_on(item: Any) -> None:
    """Nothing to see: the SDK's parser has shown the item already."""


def _iterate(invocation: Invocation, inner: Any, see: Callable[[Any], None]) -> Generator[Any, None, None]:
    """INNER's items but the withheld ones, each SEEn; while INNER runs, a close is its own and no end."""
    try:
        while True:
            invocation.iterating = True
            try:
                item = next(inner)
            except StopIteration:
                quietly(invocation.finish_reading)
                return
            except BaseException as err:
                quietly(invocation.fail, err)
                raise
            finally:
                invocation.iterating = False
            if item is not WITHHELD:
                quietly(see, item)
                yield item
    finally:
        inner.close()


async def _iterate_async(invocation: Invocation, inner: Any, see: Callable[[Any], None]) -> AsyncGenerator[Any, None]:
    """The same, awaiting."""
    try:
        while True:
            invocation.iterating = True
            try:
                item = await anext(inner)
            except StopAsyncIteration:
                quietly(invocation.finish_reading)
                return
            except BaseException as err:
                quietly(invocation.fail, err)
                raise
            finally:
                invocation.iterating = False
            if item is not WITHHELD:
                quietly(see, item)
                yield item
    finally:
        await inner.aclose()
