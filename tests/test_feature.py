import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

import llmtrace
from llmtrace.feature import current_scope


def here() -> str | None:
    scope = current_scope()
    return None if scope is None else scope.feature


def test_a_scope_names_the_feature_inside_it_and_nothing_outside() -> None:
    assert here() is None
    with llmtrace.feature("summarize"):
        assert here() == "summarize"
    assert here() is None


def test_an_inner_scope_inherits_what_it_does_not_name() -> None:
    with (
        llmtrace.feature("chat", user="u1", session="s1", tenant="acme", prompt_version="v1", team="a", tier="gold"),
        llmtrace.feature("rerank", prompt_version="v2", team="b"),
    ):
        scope = current_scope()
    assert scope is not None
    assert (scope.feature, scope.user_id, scope.session_id, scope.tenant) == ("rerank", "u1", "s1", "acme")
    assert scope.prompt_version == "v2"
    assert scope.tags == {"team": "b", "tier": "gold"}


def test_a_scope_without_a_name_keeps_the_feature_around_it() -> None:
    with llmtrace.feature("chat"), llmtrace.feature(None, user="u2"):
        scope = current_scope()
    assert scope is not None
    assert (scope.feature, scope.user_id) == ("chat", "u2")


def test_scopes_inside_one_another_share_a_trace_and_separate_ones_do_not() -> None:
    def trace() -> str:
        scope = current_scope()
        assert scope is not None
        return scope.trace_id

    with llmtrace.feature("a"):
        outer = trace()
        with llmtrace.feature("b"):
            assert trace() == outer
    with llmtrace.feature("a"):
        assert trace() != outer


def test_values_become_text_and_missing_tags_stay_absent() -> None:
    with llmtrace.feature("x", user=17, attempt=3, note=None):  # type: ignore[arg-type]
        scope = current_scope()
    assert scope is not None
    assert scope.user_id == "17"
    assert scope.tags == {"attempt": "3"}


def test_one_object_may_be_entered_again_inside_itself() -> None:
    scope = llmtrace.feature("x")
    with scope:
        with scope:
            assert here() == "x"
        assert here() == "x"
    assert here() is None


def test_an_exception_leaves_the_scope_and_passes() -> None:
    with pytest.raises(KeyError), llmtrace.feature("x"):
        raise KeyError("theirs")
    assert here() is None


def test_a_decorated_function_runs_inside_and_keeps_its_name() -> None:
    @llmtrace.feature("f")
    def work(a: int, *, b: int) -> tuple[int, str | None]:
        """Works."""
        return a + b, here()

    assert work(1, b=2) == (3, "f")
    assert (work.__name__, work.__doc__) == ("work", "Works.")
    assert here() is None


def test_a_decorated_coroutine_runs_inside() -> None:
    @llmtrace.feature("f")
    async def work() -> str | None:
        await asyncio.sleep(0)
        return here()

    assert asyncio.iscoroutinefunction(work)
    assert asyncio.run(work()) == "f"


def test_a_decorated_generator_is_inside_while_it_runs_and_its_caller_is_not() -> None:
    @llmtrace.feature("gen")
    def numbers() -> Iterator[str | None]:
        sent = yield here()
        yield f"{sent} {here()}"
        return here()

    with llmtrace.feature("caller"):
        generator = numbers()
        assert next(generator) == "gen"
        assert here() == "caller"
        assert generator.send("sent") == "sent gen"  # type: ignore[attr-defined]
        assert here() == "caller"
        with pytest.raises(StopIteration) as stop:
            next(generator)
        assert stop.value.value == "gen"


def test_what_is_thrown_into_a_decorated_generator_reaches_its_body() -> None:
    @llmtrace.feature("gen")
    def work() -> Iterator[str]:
        try:
            yield "first"
        except ValueError as err:
            yield f"caught {err} in {here()}"

    generator = work()
    next(generator)
    assert generator.throw(ValueError("it")) == "caught it in gen"  # type: ignore[attr-defined]


def test_closing_a_decorated_generator_closes_its_body_inside_the_scope() -> None:
    seen = []

    @llmtrace.feature("gen")
    def work() -> Iterator[int]:
        try:
            yield 1
        finally:
            seen.append(here())

    generator = work()
    next(generator)
    generator.close()  # type: ignore[attr-defined]
    assert seen == ["gen"]
    assert here() is None


def test_a_decorated_async_generator_is_inside_while_it_runs_and_its_caller_is_not() -> None:
    @llmtrace.feature("gen")
    async def numbers() -> AsyncIterator[str | None]:
        yield here()
        await asyncio.sleep(0)
        yield here()

    async def read() -> list[str | None]:
        with llmtrace.feature("caller"):
            return [x async for item in numbers() for x in (item, here())]

    assert asyncio.run(read()) == ["gen", "caller", "gen", "caller"]


def test_an_async_generator_may_be_closed_by_another_task(caplog: pytest.LogCaptureFixture) -> None:
    closed_in = []

    @llmtrace.feature("gen")
    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed_in.append(here())

    async def main() -> None:
        generator = numbers()
        await anext(generator)
        with llmtrace.feature("closer"):
            await asyncio.create_task(generator.aclose())  # type: ignore[attr-defined]
            assert here() == "closer"

    asyncio.run(main())
    assert closed_in == ["gen"]
    assert caplog.records == []


def test_tasks_keep_the_feature_they_were_started_in() -> None:
    async def work() -> str | None:
        await asyncio.sleep(0.001)
        return here()

    async def main() -> list[str | None]:
        tasks = []
        for name in ("a", "b", "c"):
            with llmtrace.feature(name):
                tasks.append(asyncio.create_task(work()))
        return [here(), *await asyncio.gather(*tasks)]

    assert asyncio.run(main()) == [None, "a", "b", "c"]


def test_to_thread_and_copied_contexts_carry_the_feature_and_bare_threads_do_not() -> None:
    async def main() -> str | None:
        with llmtrace.feature("x"):
            return await asyncio.to_thread(here)

    assert asyncio.run(main()) == "x"
    seen = []
    with llmtrace.feature("x"):
        copied = contextvars.copy_context()
        threads = [
            threading.Thread(target=lambda: seen.append(copied.run(here))),
            threading.Thread(target=lambda: seen.append(here())),
        ]
        for thread in threads:
            thread.start()
            thread.join()
    assert seen == ["x", None]


def test_work_in_another_thread_runs_in_the_context_that_it_was_handed_over_in() -> None:
    from concurrent.futures import ThreadPoolExecutor

    mine: contextvars.ContextVar[str] = contextvars.ContextVar("mine", default="")
    gate = threading.Barrier(4, timeout=10)

    def work(argument: str, more: str = "") -> tuple[str, str | None, str]:
        gate.wait()
        with llmtrace.feature("inner " + argument):
            gate.wait()
        return argument + more, here(), mine.get()

    with ThreadPoolExecutor(4) as pool:
        with llmtrace.feature("summarize"):
            mine.set("of the app")
            carried = llmtrace.in_context(work)
            found = list(pool.map(carried, "abcd"))
        assert here() is None
        assert [f[0] for f in found] == list("abcd")
        assert {f[1:] for f in found} == {("summarize", "of the app")}
        later = [pool.submit(carried, "x", more="y") for _ in range(4)]
        assert {f.result() for f in later} == {("xy", "summarize", "of the app")}, "as it was when it was handed over"
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(here).result() is None
