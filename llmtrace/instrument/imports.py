"""Patches a module as soon as it is imported: the order of `import openai` and `instrument()` does not matter."""

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

from llmtrace.instrument.quiet import quietly


class PatchOnImport:
    """A finder that finds nothing itself: it has the real loader call `patch` after it ran one of MODULES."""

    def __init__(self, modules: Sequence[str], patch: Callable[[ModuleType], None]) -> None:
        """Call PATCH with each of MODULES once: now where it is loaded, else when it is."""
        self._waiting = set(modules)
        self._patch = patch

    def install(self) -> None:
        """Patch what is loaded, and wait for the rest."""
        sys.meta_path.insert(0, self)
        for name in sorted(self._waiting):
            if name in sys.modules:
                # Waits for a thread that is importing it right now.
                self._run(importlib.import_module(name))

    def remove(self) -> None:
        """Wait for nothing any more."""
        self._waiting.clear()
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the finders behind this one have for NAME, with a loader that patches at its end."""
        if name not in self._waiting:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                self._hook(spec)
                return spec
        return None

    def _hook(self, spec: ModuleSpec) -> None:
        loader = spec.loader
        if loader is None or not hasattr(loader, "exec_module"):
            return
        original = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            vars(loader).pop("exec_module", None)
            original(module)
            self._run(module)

        # On this one loader object, which serves this one module.
        loader.exec_module = exec_module  # type: ignore[method-assign]

    def _run(self, module: ModuleType) -> None:
        if module.__name__ in self._waiting:
            self._waiting.discard(module.__name__)
            quietly(self._patch, module)
