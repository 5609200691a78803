"""`instrument`, `uninstrument`, `flush` and `shutdown`: the one line in an application, and how to take it back."""

import functools
import inspect
import logging
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from llmtrace import config
from llmtrace.errors import ConfigError
from llmtrace.instrument.capture import Capture, Shipper
from llmtrace.instrument.exporter import Exporter
from llmtrace.instrument.quiet import quietly
from llmtrace.model import AttributeValue, Call

if TYPE_CHECKING:
    from llmtrace.budgets.budget import Budget, BudgetState
    from llmtrace.errors import BudgetExceeded

log = logging.getLogger("llmtrace")
SUPPORTED_PLATFORMS = ("linux", "darwin")

_F = TypeVar("_F", bound=Callable[..., Any])
_lock = threading.Lock()
_capture: Capture | None = None
_budgets: "list[Budget]" = []


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
            describe_cost = quietly(_make_cost_description, settings) if settings.share_spans else None
            _capture = Capture(
                settings,
                lambda: _make_exporter(settings),
                lambda: _make_shipper(settings),
                describe_cost or (lambda call: {}),
            )
            quietly(_open_gate, _capture)
            quietly(_capture.begin)
        else:
            quietly(_capture.repatch)


def budget(
    feature: str | None = None,
    usd: "Decimal | float | str | None" = None,
    per: str = "day",
    on_exceed: "Literal['raise', 'warn'] | Callable[[BudgetExceeded], Any]" = "warn",
    *,
    name: str | None = None,
    model: str | None = None,
    provider: str | None = None,
    calls_per_minute: int | None = None,
    usd_per_minute: "Decimal | float | str | None" = None,
    timezone: str = "UTC",
    warn_at: Sequence[float] = (0.5, 0.8, 1.0),
    on_warn: "Callable[[BudgetState], Any] | None" = None,
    unknown: str = "allow",
    on_error: str = "allow",
) -> None:
    """Let the calls of FEATURE cost at most USD dollars PER hour, day, week or month of the calendar in TIMEZONE.

    All processes that record to this home share it. FEATURE None covers all calls; a pattern (`*`, `search-*`) gives
    each feature that it matches a budget of its own; MODEL and PROVIDER restrict it further. A call is checked before
    it is sent, by what it may cost. ON_EXCEED: `raise` raises `BudgetExceeded` in its place, `warn` logs, and a
    function is given the exception, which it may raise. CALLS_PER_MINUTE and USD_PER_MINUTE stop a loop that runs away.
    At each share of WARN_AT one warning is logged for each window, and ON_WARN is given the `BudgetState`. UNKNOWN says
    what becomes of calls whose price is not known, ON_ERROR of calls when the shared state cannot be read: `allow` or
    `block`. NAME is what the state is kept under. Nothing is checked before `instrument`, nor after `shutdown`.

    Raises:
        ConfigError: an argument cannot be used.
    """
    from llmtrace.budgets.budget import make_budget  # prices: only where they are asked for

    made = make_budget(
        name=name,
        feature=feature,
        model=model,
        provider=provider,
        usd=usd,
        per=per,
        timezone=timezone,
        on_exceed=on_exceed,
        warn_at=warn_at,
        on_warn=on_warn,
        unknown=unknown,
        on_error=on_error,
        calls_per_minute=calls_per_minute,
        usd_per_minute=usd_per_minute,
    )
    with _lock:
        _budgets[:] = [b for b in _budgets if b.name != made.name] + [made]
        if _capture is not None:
            quietly(_open_gate, _capture)


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
        _budgets.clear()
    if capture is None:
        return True
    quietly(capture.unpatch)
    return capture.close(timeout)


def flush_after(function: _F | None = None, *, timeout: float = 2.0) -> Any:
    """FUNCTION, a function or coroutine function, with a flush within TIMEOUT seconds after each run of it.

    For a runtime that freezes or ends its process between two requests, such as AWS Lambda: `@llmtrace.flush_after` on
    the handler, or `@llmtrace.flush_after(timeout=1.0)`.
    """
    if function is None:
        return functools.partial(flush_after, timeout=timeout)
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            import asyncio

            try:
                return await function(*args, **kwargs)
            finally:
                await asyncio.to_thread(flush, timeout)

        return run_async

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        finally:
            flush(timeout)

    return run


@functools.cache
def _warn_once(message: str) -> None:
    log.warning(message)


def _open_gate(capture: Capture) -> None:
    """Have the budgets of the code and of the configuration file checked; load nothing where there are none."""
    home = capture.settings.home
    if not _budgets and not config.names_budgets(home):
        return
    from llmtrace.budgets.gate import open_gate  # prices: only where they are asked for

    capture.gate = open_gate(home, tuple(_budgets), capture.gate)


def _make_cost_description(settings: config.Settings) -> Callable[[Call], Mapping[str, AttributeValue]]:
    """What gives the cost of a call, and the feature that a rule names, as attributes.

    Prices and rules are read now, not at the first call's end.
    """
    from llmtrace.otlp_export import cost_attributes
    from llmtrace.pricing import current_book, price_call
    from llmtrace.rules import CurrentRules

    book, rules = current_book(settings.home), CurrentRules(settings.home).rules()
    whose = settings.service_name, settings.environment
    return lambda call: {**cost_attributes(price_call(book, call)), **rules.attributes(call, *whose)}


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
