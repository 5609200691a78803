"""Finds where another instrumentation took a method of an SDK's base class before we patched it.

`wrapt` and Logfire wrap a method on the class that they are told, which may be a subclass (`OpenAI`) that only inherits
the method: the wrapper then holds on to the function that the base class had at that time, and would pass ours by for
good. So does a wrapper on one client, made before we came, with the method of that client.
"""

import functools
import gc
import inspect
import sys
from collections.abc import Iterator
from types import FunctionType, MethodType
from typing import Any, TypeAlias

# An object and the attribute of it that holds the function: a proxy of wrapt's, or the variable of a closure.
Holder: TypeAlias = tuple[Any, str]

# Wrappers around wrappers are looked through so far.
DEPTH = 8


def captured_by(owner: type, name: str, original: Any) -> Iterator[Holder]:
    """What wrappers on subclasses of OWNER hold ORIGINAL, its method NAME, in; another function may be put there."""
    subclass: type
    for subclass in owner.__subclasses__():
        yield from _holders(subclass.__dict__.get(name), original, DEPTH)
        yield from captured_by(subclass, name, original)


def release_clients(owner: type, name: str) -> None:
    """Have the wrappers on clients of OWNER that hold its method NAME look it up at each call instead."""
    is_function = isinstance(vars(owner).get(name), FunctionType)
    if not is_function or _references(owner, name) == _references(_Unshared, "method"):
        return
    original = vars(owner)[name]
    late = _looked_up(owner, name, original)
    for method in gc.get_referrers(original):  # of all objects there are: not without the check above
        if type(method) is MethodType and method.__func__ is original:
            client = method.__self__
            attributes = getattr(client, "__dict__", {})
            # Kept on the client itself, it is what will be put back there.
            kept = [(client, attribute) for attribute, value in attributes.items() if value is method]
            for holder in [*_holders(attributes.get(name), method, DEPTH), *kept]:
                setattr(*holder, MethodType(late, client))


class _Unshared:
    def method(self) -> None:
        """Nobody but this class holds it."""


def _references(owner: type, name: str) -> int:
    return sys.getrefcount(vars(owner)[name])


def _looked_up(owner: type, name: str, original: Any) -> Any:
    """What calls the method NAME that OWNER has by then."""

    def late(client: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(owner, name)(client, *args, **kwargs)

    async def late_async(client: Any, *args: Any, **kwargs: Any) -> Any:
        return await getattr(owner, name)(client, *args, **kwargs)

    return functools.wraps(original)(late_async if inspect.iscoroutinefunction(original) else late)


def _holders(found: Any, original: Any, depth: int) -> Iterator[Holder]:
    if found is original or depth == 0:
        return
    # Of what has a `__wrapped__`, only wrapt's proxies call it; elsewhere it is a note.
    if _is_proxy(found):
        yield from _held(found, "__wrapped__", original, depth)
    elif isinstance(found, FunctionType):
        for cell in found.__closure__ or ():
            yield from _held(cell, "cell_contents", original, depth)


def _held(holder: Any, attribute: str, original: Any, depth: int) -> Iterator[Holder]:
    try:
        held = getattr(holder, attribute)
    except ValueError:  # a variable that is not bound yet
        return
    if held is original:
        yield holder, attribute
    else:
        yield from _holders(held, original, depth - 1)


def _is_proxy(value: Any) -> bool:
    # By the name of its class: asking a strange object for an attribute may run anything.
    return type(value).__name__ in ("FunctionWrapper", "BoundFunctionWrapper")
