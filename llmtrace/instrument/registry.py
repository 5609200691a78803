"""Which module is patched for which SDK, and by what."""

from collections.abc import Callable
from types import ModuleType
from typing import Protocol

from llmtrace.instrument import boto, stainless
from llmtrace.instrument.contracts import Capture
from llmtrace.providers import Family


class Patches(Protocol):
    """The patched attributes of one SDK."""

    def undo(self) -> None:
        """Give the SDK its own functions back."""

    def forget_unread(self) -> None:
        """In a forked child: the parent's open streams are the parent's."""


# The SDK, the module that is patched once it is imported, and what patches it.
SEAMS: tuple[tuple[str, str, Callable[[ModuleType, Family, Capture], Patches]], ...] = (
    ("openai", "openai._base_client", stainless.Patches),
    ("anthropic", "anthropic._base_client", stainless.Patches),
    ("boto3", boto.MODULE, boto.BotoPatches),
)
