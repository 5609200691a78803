"""The feature on whose behalf a call is made: a context variable of our own, never OpenTelemetry's baggage.

Baggage would travel to the provider in a header of every instrumented HTTP request; this never leaves the process.
It follows what context variables follow: tasks, copied contexts, `asyncio.to_thread`.
"""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar, cast

from llmtrace.ids import new_trace_id

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Scope:
    """What is known about the calls made here: inherited from `outer` where a nested scope says nothing else.

    Calls of one outermost scope share `trace_id` where the app has no OpenTelemetry span of its own. `feature_source`
    says who named the feature: `code`, or `baggage` of an incoming request.
    """

    opened_by: "feature"
    outer: "Scope | None"
    trace_id: str
    feature: str | None
    feature_source: str | None
    user_id: str | None
    session_id: str | None
    tenant: str | None
    prompt_version: str | None
    tags: dict[str, str]


_current: ContextVar[Scope | None] = ContextVar("llmtrace_scope", default=None)


def current_scope() -> Scope | None:
    """The innermost scope around the caller, if any."""
    return _current.get()


class feature:
    """Attributes the calls made inside it to a feature, as a context manager or as a decorator.

    `with llmtrace.feature("summarize", user="u1", session="s9", tenant="acme", prompt_version="v3", team="search"):`
    and `@llmtrace.feature("summarize")` on functions, coroutines, generators and async generators. Scopes nest: an
    inner one inherits what it does not name. One object may be used many times, from many tasks and threads.
    """

    def __init__(
        self,
        name: str | None,
        *,
        user: str | None = None,
        session: str | None = None,
        tenant: str | None = None,
        prompt_version: str | None = None,
        **tags: object,
    ) -> None:
        """Name the feature; every other keyword is a tag."""
        self._name = _text(name)
        self._source = "code"
        self._user_id = _text(user)
        self._session_id = _text(session)
        self._tenant = _text(tenant)
        self._prompt_version = _text(prompt_version)
        self._tags = {key: str(value) for key, value in tags.items() if value is not None}

    def __enter__(self) -> "feature":
        """Open a scope in the current context."""
        _current.set(self.inside(_current.get()))
        return self

    def inside(self, outer: Scope | None) -> Scope:
        """The scope that this one is inside OUTER."""
        source = self._source if self._name is not None else None
        if outer is None:
            return Scope(
                opened_by=self,
                outer=outer,
                trace_id=new_trace_id(),
                feature=self._name,
                feature_source=source,
                user_id=self._user_id,
                session_id=self._session_id,
                tenant=self._tenant,
                prompt_version=self._prompt_version,
                tags=self._tags,
            )
        return Scope(
            opened_by=self,
            outer=outer,
            trace_id=outer.trace_id,
            feature=_first(self._name, outer.feature),
            feature_source=_first(source, outer.feature_source),
            user_id=_first(self._user_id, outer.user_id),
            session_id=_first(self._session_id, outer.session_id),
            tenant=_first(self._tenant, outer.tenant),
            prompt_version=_first(self._prompt_version, outer.prompt_version),
            tags={**outer.tags, **self._tags},
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the scope, if it is this one that is open here.

        It is not where a generator that entered it is closed from another task: that task's scope must stay.
        """
        scope = _current.get()
        if scope is not None and scope.opened_by is self:
            _current.set(scope.outer)

    def __call__(self, function: _F) -> _F:
        """FUNCTION with every run of its body inside this scope, and nothing else of its caller."""
        if inspect.isasyncgenfunction(function):
            return cast("_F", self._around_async_generator(function))
        if inspect.isgeneratorfunction(function):
            return cast("_F", self._around_generator(function))
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await function(*args, **kwargs)

            return cast("_F", run_async)

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return cast("_F", run)

    def _around_generator(self, function: Callable[..., Generator[Any, Any, Any]]) -> Callable[..., Any]:
        """A generator function that is in the scope while its body runs, and out of it at every `yield`."""

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            inner = function(*args, **kwargs)
            resume: Callable[[], Any] = functools.partial(next, inner)
            while True:
                try:
                    with self:
                        item = resume()
                except StopIteration as stop:
                    return stop.value
                try:
                    resume = functools.partial(inner.send, (yield item))
                except GeneratorExit:
                    with self:
                        inner.close()
                    raise
                except BaseException as err:
                    resume = functools.partial(inner.throw, err)

        return run

    def _around_async_generator(self, function: Callable[..., AsyncGenerator[Any, Any]]) -> Callable[..., Any]:
        """The same for an async generator; it may be resumed and closed by different tasks."""

        @functools.wraps(function)
        async def run(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            inner = function(*args, **kwargs)
            resume: Callable[[], Any] = inner.__anext__
            while True:
                try:
                    with self:
                        item = await resume()
                except StopAsyncIteration:
                    return
                try:
                    resume = functools.partial(inner.asend, (yield item))
                except GeneratorExit:
                    with self:
                        await inner.aclose()
                    raise
                except BaseException as err:
                    resume = functools.partial(inner.athrow, err)

        return run


def in_context(function: _F) -> _F:
    """FUNCTION, to be run by another thread as if it ran here: with the feature, and all else that the context holds.

    `pool.submit(llmtrace.in_context(work), argument)`, `pool.map(llmtrace.in_context(work), items)`,
    `threading.Thread(target=llmtrace.in_context(work))`. It may run many times, and in many threads at once.
    """
    context = copy_context()

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        return context.copy().run(function, *args, **kwargs)

    return cast("_F", run)


def feature_of(source: str, name: str | None, tags: Mapping[str, str], **known: str) -> feature:
    """A scope that SOURCE asked for: NAME and KNOWN as `feature` has them, and TAGS of any key."""
    made = feature(name, **known)
    made._source, made._tags = source, dict(tags)
    return made


def _text(value: object | None) -> str | None:
    return None if value is None else str(value)


def _first(value: str | None, inherited: str | None) -> str | None:
    return value if value is not None else inherited
