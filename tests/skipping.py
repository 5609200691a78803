"""A test that does not run proves nothing: the only reason to skip one is data that is not part of this repository.

Such a reason begins with `external data:`; a skip for any other fails the run.
"""

from collections.abc import Generator
from typing import Any

import pytest

ALLOWED = "external data:"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """The report of a test, failed where it was skipped without leave."""
    report = yield
    _forbid(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The report of a module's collection, failed where the module was skipped without leave."""
    report = yield
    _forbid(report)
    return report


def _forbid(report: Any) -> None:
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not reason.startswith(ALLOWED):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped: {reason}. Only {ALLOWED!r} may be missing from a run."
