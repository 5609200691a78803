"""What is switched on in this process: settings, the patched SDKs, and the pipeline their calls go to."""

import atexit
import logging
import os
import sys
import time
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

from llmtrace import semconv
from llmtrace.config import Settings, baggage_hosts
from llmtrace.instrument import leaving, outgoing, routes
from llmtrace.instrument.exporter import Exporter
from llmtrace.instrument.imports import PatchOnImport
from llmtrace.instrument.leaving import Leaving
from llmtrace.instrument.outgoing import OutgoingBaggage
from llmtrace.instrument.pipeline import Pipeline
from llmtrace.instrument.quiet import quietly
from llmtrace.instrument.routes import Routes
from llmtrace.instrument.seams import SEAMS, Installed, find_seam
from llmtrace.instrument.shared_spans import SharedSpans, SilencedTracing
from llmtrace.instrument.sockets import SocketPatches
from llmtrace.journal import journal_folder
from llmtrace.model import Attributes, AttributeValue, Call, Span
from llmtrace.providers import FAMILIES, find_family

if TYPE_CHECKING:
    from llmtrace.instrument.contracts import Gate
    from llmtrace.instrument.http_spans import AttemptSpans

EXIT_TIMEOUT_S = 1.5
log = logging.getLogger("llmtrace")


class Shipper(Protocol):
    """Ships the journal to a sidecar on another host, on a thread of its own."""

    def wake(self) -> None:
        """Ship what is new; returns at once."""

    def flush(self, process: str, deadline: float) -> bool:
        """Whether the sidecar has what PROCESS wrote before DEADLINE (of the monotonic clock)."""

    def close(self, deadline: float) -> None:
        """Stop, at DEADLINE at the latest."""

    def disown(self) -> None:
        """In a forked child: leave the shipping to the parent."""


class Capture:
    """The capture of one process, and of its forked children, each with a pipeline of its own."""

    def __init__(
        self,
        settings: Settings,
        make_exporter: Callable[[], Exporter | None],
        make_shipper: Callable[[], Shipper | None] = lambda: None,
        describe_cost: Callable[[Call], Mapping[str, AttributeValue]] = lambda call: {},
    ) -> None:
        """Prepare to record as SETTINGS say; MAKE_EXPORTER and MAKE_SHIPPER give each process its ways out.

        DESCRIBE_COST gives the attributes that say what a call cost, for spans that are shared.
        """
        self.settings = settings
        self._make_exporter, self._make_shipper = make_exporter, make_shipper
        self._shipper: Shipper | None = None
        self._patches: list[Installed | SocketPatches] = []
        self._imports: PatchOnImport | None = None
        self._is_closed = False
        self._other_imports: list[PatchOnImport] = []
        self._beside: list[OutgoingBaggage | Routes | Leaving] = []
        self.pipeline = self._new_pipeline()
        self.shared_spans = SharedSpans(describe_cost) if settings.share_spans else None
        self.gate: Gate | None = None
        self._silenced: list[SilencedTracing] = []
        self.attempt_spans = self._new_attempt_spans() if settings.http_spans else None

    def begin(self) -> None:
        """Patch the SDKs, loaded or not, and start the thread."""
        self.repatch()
        self.pipeline.start()
        if self._shipper is not None:
            self._shipper.wake()
        self._close_with_multiprocessing()
        _of_this_process.add(self)
        atexit.register(self.close, EXIT_TIMEOUT_S)

    def repatch(self) -> None:
        """Patch the SDKs where they are not patched."""
        if self._imports is None:
            wanted = self.settings.providers
            modules = [module for module, sdk, _ in SEAMS if wanted is None or sdk in wanted]
            self._imports = PatchOnImport(modules, self._patch)
            self._imports.install()
            hosts = ((outgoing.MODULES, OutgoingBaggage),) if baggage_hosts() else ()
            for modules, patch in (*hosts, (routes.MODULES, Routes), (leaving.MODULES, self._leaving)):
                self._other_imports.append(PatchOnImport(modules, partial(self._patch_beside, patch)))
                self._other_imports[-1].install()

    def unpatch(self) -> None:
        """Give the SDKs their own functions back. Calls in flight are still recorded."""
        if self._imports is not None:
            self._imports.remove()
            self._imports = None
        for imports in self._other_imports:
            imports.remove()
        self._other_imports.clear()
        for patched in self._beside:
            patched.undo()
        self._beside.clear()
        for patches in self._patches:
            patches.undo()
        self._patches.clear()
        for tracing in self._silenced:
            tracing.undo()
        self._silenced.clear()
        if self.attempt_spans is not None:
            self.attempt_spans.undo()

    def flush(self, timeout_s: float) -> bool:
        """Whether all calls that ended before are on disk, exported and shipped, within TIMEOUT_S."""
        deadline = time.monotonic() + timeout_s
        flushed = self.pipeline.flush(timeout_s)
        return self._ship(deadline) and flushed

    def close(self, timeout_s: float) -> bool:
        """Write what is left within TIMEOUT_S, and stop."""
        self._is_closed = True
        atexit.unregister(self.close)
        deadline = time.monotonic() + timeout_s
        closed = bool(quietly(self.pipeline.close, timeout_s))
        if self.gate is not None:
            quietly(self.gate.close)
            self.gate = None  # who is told of a budget may hold on to much, and this to it for as long as it may fork
        shipped = bool(quietly(self._ship, deadline))
        if self._shipper is not None:
            quietly(self._shipper.close, deadline)
        return closed and shipped

    def _ship(self, deadline: float) -> bool:
        return self._shipper is None or self._shipper.flush(self.pipeline.process, deadline)

    def _patch(self, module: ModuleType) -> None:
        found = find_seam(module.__name__)
        if found is not None:
            sdk, install = found
            # What speaks every protocol is nobody's own.
            family = find_family(sdk) or FAMILIES[0]
            self._patches.append(install(module, family, self))
            if sdk == "openai":
                self._patches.append(SocketPatches(family, self))
            if self.shared_spans is not None:
                self._silenced.append(SilencedTracing(module))

    def _patch_beside(
        self, patch: Callable[[ModuleType], OutgoingBaggage | Routes | Leaving], module: ModuleType
    ) -> None:
        self._beside.append(patch(module))

    def _leaving(self, module: ModuleType) -> Leaving:
        return Leaving(module, lambda: self.flush(EXIT_TIMEOUT_S))

    def _new_pipeline(self) -> Pipeline:
        settings = self.settings
        exporter = quietly(self._make_exporter)
        self._shipper = quietly(self._make_shipper)
        wake = self._shipper.wake if self._shipper is not None else _do_nothing
        return Pipeline(journal_folder(settings.home), _resource(settings), settings.service_name, exporter, wake)

    def _new_attempt_spans(self) -> "AttemptSpans | None":
        try:
            from llmtrace.instrument.http_spans import AttemptSpans
        except ImportError:
            log.warning('llmtrace records no HTTP attempts: run `pip install "llmtrace-sidecar[http]"`')
            return None
        return AttemptSpans(self._put_span)

    def _put_span(self, span: Span) -> None:
        self.pipeline.put(span)

    def start_over(self) -> None:
        """In a forked child: a pipeline of its own, whose thread starts with the first call."""
        self.pipeline.disown()
        if self._shipper is not None:
            self._shipper.disown()
        if self.gate is not None:
            self.gate.start_over()
        if self._is_closed:
            return
        for patches in self._patches:
            patches.forget_unread()
        if self.attempt_spans is not None:
            self.attempt_spans.unlock()
        self.pipeline = self._new_pipeline()
        self._close_with_multiprocessing()

    def _close_with_multiprocessing(self) -> None:
        """Close where a child of multiprocessing leaves: it does so without running `atexit`.

        It forgets what was registered before its start, so that this is registered again when it starts.
        """
        util = sys.modules.get("multiprocessing.util")
        if util is not None:
            util.register_after_fork(self, _finalize_with_multiprocessing)
            if sys.modules["multiprocessing.process"].parent_process() is not None:
                _finalize_with_multiprocessing(self)  # one that is under way already


# What is registered for forks stays so for ever: what was switched off must be free to go.
_of_this_process: weakref.WeakSet[Capture] = weakref.WeakSet()


def _after_fork() -> None:
    for capture in list(_of_this_process):
        quietly(capture.start_over)


os.register_at_fork(after_in_child=_after_fork)


def _do_nothing() -> None:
    """For a process that ships nothing."""


def _finalize_with_multiprocessing(capture: Capture) -> None:
    util = sys.modules["multiprocessing.util"]
    util.Finalize(None, capture.close, args=(EXIT_TIMEOUT_S,), exitpriority=0)


def _resource(settings: Settings) -> Attributes:
    """Resource attributes of this process's spans: what the environment says, and the service's name."""
    resource = dict(settings.resource)
    if settings.service_name:
        resource[semconv.SERVICE_NAME] = settings.service_name
    if settings.environment:
        resource[semconv.DEPLOYMENT_ENVIRONMENT] = settings.environment
    return resource
