"""The pages, in the order of the navigation; the first is the one at `/`."""

from collections.abc import Callable
from dataclasses import dataclass

from ..answers import Stamp
from ..scope import Scope
from . import calls, cost, data, errors, latency, overview, trace


@dataclass(frozen=True, slots=True)
class View:
    """A page: its title, path, icon, what it is for, and how it is drawn.

    `needs_calls`: it has nothing to show where no call matches the filters. `show_empty` draws what there is to say
    where there is no call at all.
    """

    title: str
    path: str
    icon: str
    help: str
    show: Callable[[Scope], None]
    needs_calls: bool = True
    show_empty: Callable[[Stamp], None] | None = None


VIEWS: tuple[View, ...] = (
    View(
        "Overview",
        "overview",
        ":material/monitoring:",
        "Spend, calls, latency and errors at a glance, and what changed most. Click a feature to look at it alone.",
        overview.show,
    ),
    View(
        "Cost",
        "cost",
        ":material/payments:",
        "Who spent what: by feature, model, team, user and more, over time and as a table to sort and download.",
        cost.show,
    ),
    View(
        "Latency",
        "latency",
        ":material/speed:",
        "Is it slow, and for whom: percentiles, time to first token and tokens per second, over time and by group.",
        latency.show,
    ),
    View(
        "Errors",
        "errors",
        ":material/report:",
        "What fails, how often and what it cost: by type, model and feature; retries, cancelled calls, the latest.",
        errors.show,
    ),
    View(
        "Calls",
        "calls",
        ":material/list_alt:",
        "Single calls: search, sort and page through them; choose one for its tokens, its bill and its attempts.",
        calls.show,
    ),
    View(
        "Trace",
        "trace",
        ":material/account_tree:",
        "What happened in one piece of work: its spans over time, and what its calls cost together.",
        trace.show,
        needs_calls=False,
    ),
    View(
        "Data",
        "data",
        ":material/database:",
        "Can the figures be trusted: what became of every span, what has no feature or price, prices and their dates.",
        data.show,
        needs_calls=False,
        show_empty=data.show_empty,
    ),
)

__all__ = ["VIEWS", "View"]
