"""Finds where another instrumentation took a method of an SDK's base class before we patched it.

`wrapt` and Logfire wrap a method on the class that they are told, which may be a subclass (`OpenAI`) that only inherits
the method: the wrapper then holds on to the function that the base class had at that time, and would pass ours by for
good.
"""

from collections.abc import Iterator
from types import FunctionType
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
