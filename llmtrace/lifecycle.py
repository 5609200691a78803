"""`instrument`, `uninstrument`, `flush` and `shutdown`: the one line in an application, and how to take it back."""

import functools
import logging
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from llmtrace import config
from llmtrace.errors import ConfigError
from llmtrace.instrument.capture import Capture, Shipper
from llmtrace.instrument.pipeline import Exporter
from llmtrace.instrument.quiet import quietly
from llmtrace.model import AttributeValue, Call

log = logging.getLogger("llmtrace")
SUPPORTED_PLATFORMS = ("linux", "darwin")

_lock = threading.Lock()
_capture: Capture | None = None


def instrument(
    service_name: str | None = None,
    home: str | Path | None = None,
    endpoint: str | None = None,
    otlp: str | None = None,
    feature: str | None = None,
    capture_content: bool = False,
    http_spans: bool = False,
    share_spans: bool = False,
    providers: Sequence[str] | None = None,
) -> None:
    """Record every call that this process makes through the SDKs that llmtrace knows, imported already or not.

    A second call changes nothing. HOME is the directory of journal and database. ENDPOINT is the address of a sidecar
    elsewhere that the journal is shipped to (default: `LLMTRACE_ENDPOINT`). OTLP is the address of a backend
    that gets the spans too, with their cost. FEATURE names the calls that no `llmtrace.feature` does. CAPTURE_CONTENT
    keeps prompts and answers. HTTP_SPANS adds a span per HTTP attempt. SHARE_SPANS gives the calls to the app's own
    OpenTelemetry provider too. PROVIDERS limits capture to these SDKs (`"openai"`, `"boto3"` ...). Never raises: what
    cannot be done is logged as a warning to the logger `llmtrace`.
    """
    global _capture
    if config.is_disabled():
        return
    if not sys.platform.startswith(SUPPORTED_PLATFORMS):
        _warn_once(f"llmtrace records on Linux and macOS; on {sys.platform} it is switched off")
        return
    try:
        settings = config.read_settings(
            service_name=service_name,
            home=home,
            endpoint=endpoint,
            otlp=otlp,
            feature=feature,
            capture_content=capture_content,
            http_spans=http_spans,
            share_spans=share_spans,
            providers=None if providers is None else tuple(providers),
        )
    except (ConfigError, TypeError, ValueError, AttributeError) as err:
        log.warning("llmtrace is switched off: %s", err)
        return
    with _lock:
        if _capture is None:
            describe_cost = quietly(_make_cost_description, settings.home) if settings.share_spans else None
            _capture = Capture(
                settings,
                lambda: _make_exporter(settings),
                lambda: _make_shipper(settings),
                describe_cost or (lambda call: {}),
            )
            quietly(_capture.begin)
        else:
            quietly(_capture.repatch)


def uninstrument() -> None:
    """Give the SDKs their own functions back; what was recorded stays, and calls in flight are still recorded."""
    with _lock:
        if _capture is not None:
            quietly(_capture.unpatch)


def flush(timeout: float = 2.0) -> bool:
    """Whether every call that ended before is in the journal, shipped and exported, within TIMEOUT seconds."""
    capture = _capture
    return capture is None or bool(quietly(capture.flush, timeout))


def shutdown(timeout: float = 2.0) -> bool:
    """Flush within TIMEOUT seconds and stop recording; `instrument` may start anew. True when all was written."""
    global _capture
    with _lock:
        capture, _capture = _capture, None
    if capture is None:
        return True
    quietly(capture.unpatch)
    return capture.close(timeout)


@functools.cache
def _warn_once(message: str) -> None:
    log.warning(message)


def _make_cost_description(home: Path) -> Callable[[Call], Mapping[str, AttributeValue]]:
    """What gives the cost of a call as attributes; the book of prices is read now, not at the first call's end."""
    from llmtrace.otlp_export import cost_attributes
    from llmtrace.pricing import current_book, price_call

    book = current_book(home)
    return lambda call: cost_attributes(price_call(book, call))


def _make_exporter(settings: config.Settings) -> Exporter | None:
    if settings.otlp_endpoint is None and not settings.otlp_from_environment:
        return None
    from llmtrace.otlp_export import OtlpExporter  # prices, and OpenTelemetry's SDK: only where they are asked for

    return OtlpExporter(settings.otlp_endpoint, settings.home)


def _make_shipper(settings: config.Settings) -> Shipper | None:
    if settings.endpoint is None:
        return None
    from llmtrace.shipping import JournalShipper  # an HTTP client: only where one is asked for

    return JournalShipper(settings.home, settings.endpoint, settings.token)
