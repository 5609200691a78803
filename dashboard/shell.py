"""The frame around every page: navigation, the row of filters, the line of coverage, and what stands there instead."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from . import answers, filters, links, pulse, theme, views, widgets
from .scope import Scope

FAVICON = Path(__file__).with_name("favicon.svg")
LOGO = Path(__file__).with_name("logo.svg")


def run() -> None:
    """Draw the page that the address names."""
    # The icon comes first: without one of ours, Streamlit has the browser fetch one from the internet.
    st.set_page_config(page_title="llmtrace", page_icon=str(FAVICON), layout="wide", initial_sidebar_state="collapsed")
    scopes: list[Scope] = []
    pages = {
        view.path: st.Page(_page(view, scopes), title=view.title, url_path=view.path, icon=view.icon, help=view.help)
        for view in views.VIEWS
    }
    page = st.navigation([*pages.values()], position="top")
    st.logo(str(LOGO))
    st.set_page_config(page_title=f"{page.title} · llmtrace")
    st.html(f"<style>{theme.STYLE}</style>")
    try:
        _draw(next(view for view in views.VIEWS if pages[view.path] is page), page.run, pages, scopes)
    except answers.FAILURES as err:
        widgets.failed(err)
        pulse.wait(str(err))


def _draw(view: views.View, show_page: Callable[[], None], pages: Mapping[str, Any], scopes: list[Scope]) -> None:
    stamp = answers.look()
    if not stamp.calls:
        widgets.start_screen()
        if view.show_empty is not None:
            view.show_empty(stamp)
        pulse.wait(stamp.key)
        return
    scope = replace(filters.choose(stamp), pages=pages)
    pulse.follow(scope)
    scopes.append(scope)
    show_page()


def _page(view: views.View, scopes: list[Scope]) -> Callable[[], None]:
    """What Streamlit calls for VIEW, once the scope is known."""

    def draw() -> None:
        scope = scopes[0]
        links.leave(scope)
        if view.needs_calls and not scope.totals()["calls"]:
            widgets.no_match(scope)
        else:
            view.show(scope)

    return draw
