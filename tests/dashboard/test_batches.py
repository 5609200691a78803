"""What the page on data says of batches, without a browser."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from batching import read, submit
from llmtrace.dashboard.source import Source
from pages import texts
from streamlit.testing.v1 import AppTest

from llmtrace.owner import Owner
from llmtrace.simulator import Simulator

Open = Callable[..., AppTest]


class Whole:
    """What an owner answers, who reads the journal before."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self.rows, self.health = owner.ask, owner.health


def said(open_page: Open, home: Path) -> str:
    """The page on data, of what HOME holds now."""
    with closing(Owner(home, None, "test").open()) as owner:
        while not owner.ingest().is_done:
            pass
        source: Source = Whole(owner)  # type: ignore[assignment]
        return texts(open_page(source, "data", range="all"))


def test_what_nobody_has_read_and_what_was_spent_at_batch_rates_is_told(
    open_page: Open, simulator: Simulator, home: Path
) -> None:
    id_ = submit(simulator, home)
    before = said(open_page, home)
    assert "**3 of 3**" in before
    assert "Spent at batch rates" not in before
    read(simulator, id_, 1)
    part = said(open_page, home)
    assert "**2 of 3**" in part
    assert "· 100.0%**" in part
    read(simulator, id_, 3)
    assert "**0 of 3**" in said(open_page, home)


def test_without_batches_nothing_is_said_of_them(open_page: Open, demo: Source) -> None:
    assert "Requests not read yet" not in texts(open_page(demo, "data", range="all"))
