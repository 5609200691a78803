"""Finds where another instrumentation took a method of an SDK's base class before we patched it.

`wrapt` wraps a method on the class it is told, which may be a subclass (`OpenAI`) that only inherits the method: the
wrapper then holds on to the function that the base class had at that time, and would pass ours by for good.
"""

from collections.abc import Iterator
from typing import Any


def captured_by(owner: type, name: str, original: Any) -> Iterator[Any]:
    """The wrappers on subclasses of OWNER that hold ORIGINAL, its method NAME; `__wrapped__` may be set on them."""
    subclass: type
    for subclass in owner.__subclasses__():
        found: Any = subclass.__dict__.get(name)
        # Of what has a `__wrapped__`, only wrapt's proxies call it; elsewhere it is a note.
        while hasattr(found, "_self_wrapper"):
            if found.__wrapped__ is original:
                yield found
            found = found.__wrapped__
        yield from captured_by(subclass, name, original)
