"""Follows a response that the SDK hands out unread, without putting anything of ours in its place.

The caller keeps the SDK's own stream object. Its iterator is wrapped, which tells a stream that was read to the end
from one that failed; the HTTP response's `close` tells a stream that was given up, and a finalizer one that was
dropped. The wrappers hold the response weakly: a dropped stream is freed as early as it would be without us.
"""

import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from typing import Any

from llmtrace.instrument.invocation import WITHHELD, Invocation
from llmtrace.instrument.quiet import quietly

ITERATOR = "_iterator"  # both SDKs' name for the generator behind a stream


def follow(invocation: Invocation, result: Any, response: Any, registry: dict[int, Invocation]) -> None:
    """Let INVOCATION end when RESPONSE, which RESULT reads from, is read, closed or dropped."""
    invocation.watch(response, registry)
    reference = weakref.ref(response)
    response.close = _closing(invocation, reference)
    response.aclose = _closing_async(invocation, reference)
    inner = getattr(result, ITERATOR, None)
    if isinstance(inner, Generator):
        setattr(result, ITERATOR, _iterate(invocation, inner))
    elif isinstance(inner, AsyncGenerator):
        setattr(result, ITERATOR, _iterate_async(invocation, inner))


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


def _iterate(invocation: Invocation, inner: Iterator[Any]) -> Generator[Any, None, None]:
    """INNER's items but the withheld ones; while INNER runs, a close is its own and no end."""
    try:
        while True:
            invocation.iterating = True
            try:
                item = next(inner)
            except StopIteration:
                quietly(invocation.end, "ok")
                return
            except BaseException as err:
                quietly(invocation.fail, err)
                raise
            finally:
                invocation.iterating = False
            if item is not WITHHELD:
                yield item
    finally:
        inner.close()  # type: ignore[attr-defined]


async def _iterate_async(invocation: Invocation, inner: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    """The same, awaiting."""
    try:
        while True:
            invocation.iterating = True
            try:
                item = await anext(inner)
            except StopAsyncIteration:
                quietly(invocation.end, "ok")
                return
            except BaseException as err:
                quietly(invocation.fail, err)
                raise
            finally:
                invocation.iterating = False
            if item is not WITHHELD:
                yield item
    finally:
        await inner.aclose()  # type: ignore[attr-defined]
