"""Follows a response that the SDK hands out unread, without putting anything of ours in its place.

The caller keeps the SDK's own stream object. Its iterator is wrapped, which tells a stream that was read to the end
from one that failed; the HTTP response's `close` tells a stream that was given up, and a finalizer one that was
dropped. Where the caller asked for the raw response, its bytes are seen as they pass. The wrappers hold the response
weakly: a dropped stream is freed as early as it would be without us.
"""

import weakref
from collections.abc import AsyncGenerator, Callable, Generator
from types import ModuleType
from typing import Any

from llmtrace.instrument.invocation import WITHHELD, Invocation
from llmtrace.instrument.quiet import quietly

ITERATOR = "_iterator"  # both SDKs' name for the generator behind a stream
BYTES = "_raw_iterator"  # and for that behind a decoder of lines


def have_iterators(base_client: ModuleType) -> bool:
    """Whether the streams of an SDK, whose BASE_CLIENT this is, keep their iterators where they can be wrapped."""
    kinds = (getattr(base_client, "Stream", None), getattr(base_client, "AsyncStream", None))
    codes = [getattr(getattr(kind, "__init__", None), "__code__", None) for kind in kinds]
    return all(code is not None and ITERATOR in code.co_names for code in codes)


def follow(
    invocation: Invocation,
    result: Any,
    response: Any,
    registry: dict[int, Invocation],
    *,
    is_raw: bool,
    is_alone: bool = False,
) -> None:
    """Let INVOCATION end when RESPONSE, which RESULT reads from, is read, closed or dropped."""
    invocation.watch(response, registry, is_raw=is_raw, is_alone=is_alone)
    items = None if is_raw else follow_items(invocation, result)
    hooks = _Hooks(invocation, response)
    # Few hooks, and those it may be read by: many streams may be open at once.
    stream = getattr(response, "stream", None)
    if not isinstance(items, AsyncItems) and (hasattr(stream, "__iter__") or not hasattr(stream, "__aiter__")):
        response.close = hooks.close
        if invocation.reader is not None:
            response.iter_bytes = hooks.iter_bytes
    if not isinstance(items, SyncItems) and (hasattr(stream, "__aiter__") or not hasattr(stream, "__iter__")):
        response.aclose = hooks.aclose
        if invocation.reader is not None:
            response.aiter_bytes = hooks.aiter_bytes


def follow_items(invocation: Invocation, result: Any) -> "SyncItems | AsyncItems | None":
    """What RESULT now gives out its items by, INVOCATION ends with it; None where there is none."""
    is_lines = invocation.endpoint.step == "results"
    name, see = (BYTES, invocation.feed) if is_lines else (ITERATOR, None)
    inner = getattr(result, name, None)
    if isinstance(inner, Generator):
        setattr(result, name, SyncItems(invocation, inner, see))
    elif isinstance(inner, AsyncGenerator):
        setattr(result, name, AsyncItems(invocation, inner, see))
    items = getattr(result, name, None)
    return items if isinstance(items, SyncItems | AsyncItems) else None


class _Hooks:
    """What stands in a response's place of its own methods, as long as it is open."""

    __slots__ = ("_invocation", "_reference")

    def __init__(self, invocation: Invocation, response: Any) -> None:
        self._invocation, self._reference = invocation, weakref.ref(response)

    def close(self) -> None:
        response = self._reference()
        quietly(self._invocation.close)
        if response is not None:
            type(response).close(response)

    async def aclose(self) -> None:
        response = self._reference()
        quietly(self._invocation.close)
        if response is not None:
            await type(response).aclose(response)

    def iter_bytes(self, chunk_size: int | None = None) -> "SyncItems":
        response: Any = self._reference()
        return _Bytes(self._invocation, type(response).iter_bytes(response, chunk_size), self._invocation.feed)

    def aiter_bytes(self, chunk_size: int | None = None) -> "AsyncItems":
        response: Any = self._reference()
        return AsyncItems(self._invocation, type(response).aiter_bytes(response, chunk_size), self._invocation.feed)


class _Items:
    """INNER's items but the withheld ones, each SEEn where its parser shows none; a close while INNER runs is no end.

    It is no generator: Python and asyncio close those that are dropped, and would close INNER a second time.
    """

    __slots__ = ("_inner", "_invocation", "_is_over", "_see")

    def __init__(self, invocation: Invocation, inner: Any, see: Callable[[Any], None] | None = None) -> None:
        self._invocation, self._inner, self._see = invocation, inner, see
        self._is_over = False

    def _ended(self) -> None:
        """The first time it ends, the invocation does."""
        if not self._is_over:
            self._is_over = True
            quietly(self._invocation.finish_reading)

    def _failed(self, error: BaseException) -> None:
        if not self._is_over:
            self._is_over = True
            quietly(self._invocation.fail, error)


class SyncItems(_Items):
    """Items of a generator."""

    __slots__ = ()

    def __iter__(self) -> "SyncItems":
        """Itself."""
        return self

    def __next__(self) -> Any:
        """The next item that is not withheld."""
        invocation = self._invocation
        while True:
            invocation.iterating = True
            try:
                item = next(self._inner)
            except StopIteration:
                self._ended()
                raise
            except BaseException as err:
                self._failed(err)
                raise
            finally:
                invocation.iterating = False
            if item is not WITHHELD:
                if self._see is not None:
                    quietly(self._see, item)
                return item

    def close(self) -> None:
        """Close the generator."""
        self._inner.close()


class _Bytes(SyncItems):
    """Bytes of a response. Dropping them may close it, by their generator; the SDK, which knows why, does so after."""

    __slots__ = ()

    def __del__(self) -> None:
        if not self._is_over:
            invocation = self._invocation
            invocation.iterating = True
            try:
                self._inner.close()
            finally:
                invocation.iterating = False


class AsyncItems(_Items):
    """Items of an asynchronous generator: the same, awaiting."""

    __slots__ = ()

    def __aiter__(self) -> "AsyncItems":
        """Itself."""
        return self

    async def __anext__(self) -> Any:
        """The next item that is not withheld."""
        invocation = self._invocation
        while True:
            invocation.iterating = True
            try:
                item = await anext(self._inner)
            except StopAsyncIteration:
                self._ended()
                raise
            except BaseException as err:
                self._failed(err)
                raise
            finally:
                invocation.iterating = False
            if item is not WITHHELD:
                if self._see is not None:
                    quietly(self._see, item)
                return item

    async def aclose(self) -> None:
        """Close the generator."""
        await self._inner.aclose()
