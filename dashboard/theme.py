"""How the dashboard looks and serves: every setting is passed, so that no file of the user's changes it."""

from collections.abc import Sequence
from typing import Any, Final
from zlib import crc32

# Each is told from white and from the dark background at 3:1, so that one palette serves both themes.
PALETTE: Final = (
    "#2f7fe8", "#e0662f", "#12967f", "#a45be0", "#d6457f", "#7f8a12",
    "#0f93bd", "#c9504a", "#5a6fd8", "#3f9a3c", "#b3801a", "#8d6e63",
)  # fmt: skip
OTHER_COLOUR: Final = "#98a2b3"
UNTAGGED_COLOUR: Final = "#6b7688"
ACCENT: Final = "#2f7fe8"
SECOND: Final = "#e0662f"
ALARM: Final = ("#d1453b", "#e08a2f", "#b3801a", "#a45be0", "#d6457f", "#8d6e63")

CHART_CONFIG: Final[dict[str, Any]] = {
    "displaylogo": False,
    "showSendToCloud": False,  # the button of the mode bar that would post the figures to a server of Plotly's
    "displayModeBar": False,
    "scrollZoom": False,
    "doubleClick": "reset",
    "responsive": True,
}

# What no setting reaches: narrower margins, digits of equal width, the text of charts in the page's own colour, and no
# fading while a page is renewed, unless that takes more than a second.
STYLE: Final = """
[data-testid="stMainBlockContainer"] { padding-inline: clamp(0.75rem, 2.6vw, 3rem); }
[data-testid="stMetricValue"], [data-testid="stMetricDelta"], [data-testid="stMetricDeltaDescription"],
[data-testid="stMarkdownContainer"] { font-variant-numeric: tabular-nums; }
[data-testid="stMetricChart"] { margin-bottom: 0.6rem; }
[data-testid="stHeadingWithActionElements"] h3 { padding: 0 0 0.35rem; }
.js-plotly-plot text { font-variant-numeric: tabular-nums; }
.js-plotly-plot :is(.xtick, .ytick, .legend, .barlayer) text, .js-plotly-plot :is(.xtitle, .ytitle) {
  fill: currentColor !important; fill-opacity: 0.82; }
@keyframes llmtrace-stale { to { opacity: 0.45; } }
[data-stale="true"][data-stale="true"] { opacity: 1; transition: none; animation: llmtrace-stale 0.3s 1.2s forwards; }
@media (max-width: 640px) { [data-testid="stMetricDeltaDescription"] { display: none; } }
"""

_SHARED: Final[dict[str, Any]] = {
    "base": "light",
    "font": "sans-serif",
    "headingFont": "sans-serif",
    "codeFont": "monospace",
    "baseFontSize": 14,
    "baseFontWeight": 400,
    "codeFontSize": "0.8125rem",
    "codeFontWeight": 400,
    "headingFontSizes": ["1.5rem", "1.2rem", "1.05rem", "1rem", "0.95rem", "0.9rem"],
    "headingFontWeights": [650, 600, 600, 600, 600, 600],
    "metricValueFontSize": "1.6rem",
    "metricValueFontWeight": 600,
    "baseRadius": "8px",
    "buttonRadius": "8px",
    "linkUnderline": False,
    "showWidgetBorder": True,
    "showSidebarBorder": True,
    "paddingTop": "0.6rem",
    "paddingBottom": "2.5rem",
    "chartCategoricalColors": list(PALETTE),
}
_ROOT_ONLY: Final = frozenset(
    {
        "base",
        "baseFontSize",
        "baseFontWeight",
        "metricValueFontSize",
        "metricValueFontWeight",
        "showSidebarBorder",
    }
)
_LIGHT: Final[dict[str, Any]] = {
    "primaryColor": "#0a53be",
    "backgroundColor": "#ffffff",
    "secondaryBackgroundColor": "#f4f6fa",
    "textColor": "#101828",
    "linkColor": "#0a53be",
    "borderColor": "#d9dfe9",
    "codeTextColor": "#1d2939",
    "codeBackgroundColor": "#eef1f6",
    "dataframeBorderColor": "#e3e8f0",
    "dataframeHeaderBackgroundColor": "#f4f6fa",
    "dataframeHeaderTextColor": "#344054",
    "redColor": "#c8372d",
    "redTextColor": "#b42318",
    "redBackgroundColor": "#fdecea",
    "greenColor": "#0b7a4b",
    "greenTextColor": "#067647",
    "greenBackgroundColor": "#e6f6ee",
    "orangeColor": "#b54708",
    "orangeTextColor": "#93370d",
    "orangeBackgroundColor": "#fef3e2",
    "yellowColor": "#a15c07",
    "yellowTextColor": "#854a0e",
    "yellowBackgroundColor": "#fef7d6",
    "blueColor": "#0a53be",
    "blueTextColor": "#0a53be",
    "blueBackgroundColor": "#e8f0fd",
    "violetColor": "#6938ef",
    "violetTextColor": "#5925dc",
    "violetBackgroundColor": "#f1edfe",
    "grayColor": "#5b6678",
    "grayTextColor": "#475467",
    "grayBackgroundColor": "#eef1f6",
}
_DARK: Final[dict[str, Any]] = {
    "primaryColor": "#6ea8fe",
    "backgroundColor": "#0e131d",
    "secondaryBackgroundColor": "#18202e",
    "textColor": "#e6eaf2",
    "linkColor": "#8ab8ff",
    "borderColor": "#2c3648",
    "codeTextColor": "#dbe3f0",
    "codeBackgroundColor": "#212b3c",
    "dataframeBorderColor": "#27303f",
    "dataframeHeaderBackgroundColor": "#18202e",
    "dataframeHeaderTextColor": "#c3ccda",
    "redColor": "#ff8a80",
    "redTextColor": "#ff9c94",
    "redBackgroundColor": "#3a1d20",
    "greenColor": "#5fd39a",
    "greenTextColor": "#6fdca6",
    "greenBackgroundColor": "#12332a",
    "orangeColor": "#fdb022",
    "orangeTextColor": "#fec84b",
    "orangeBackgroundColor": "#3a2a12",
    "yellowColor": "#fde272",
    "yellowTextColor": "#fde272",
    "yellowBackgroundColor": "#38310f",
    "blueColor": "#8ab8ff",
    "blueTextColor": "#9cc3ff",
    "blueBackgroundColor": "#152b4d",
    "violetColor": "#bdb4fe",
    "violetTextColor": "#c9c2fe",
    "violetBackgroundColor": "#2a2350",
    "grayColor": "#a3adbd",
    "grayTextColor": "#b6c0cf",
    "grayBackgroundColor": "#232c3b",
}


def server_config(host: str, port: int) -> dict[str, Any]:
    """Streamlit's settings for serving on HOST and PORT."""
    served = {
        "server.address": host,
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.showEmailPrompt": False,
        "server.allowedHosts": ["127.0.0.1", "localhost"],
        "server.baseUrlPath": "",
        "server.runOnSave": False,
        "server.enableAgentApi": False,
        "server.enableCORS": True,
        "server.enableXsrfProtection": True,
        "server.enableStaticServing": False,
        "server.maxCacheDataSize": "256mb",
        "browser.gatherUsageStats": False,
        "browser.serverAddress": host,
        "browser.serverPort": port,
        "global.developmentMode": False,
        "logger.hideWelcomeMessage": True,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": False,
        # The table's own download would write formulas as they are: ours does not.
        "client.disableDataExport": True,
        "runner.magicEnabled": False,
    }
    return {**served, **_themes()}


def _themes() -> dict[str, Any]:
    """The theme, said anew in each of its sections, because a file of the user's may name any of them."""
    everywhere = {name: value for name, value in _SHARED.items() if name not in _ROOT_ONLY}
    found = {f"theme.{name}": value for name, value in _SHARED.items()}
    found |= {f"theme.sidebar.{name}": value for name, value in everywhere.items()}
    for variant, colours in (("light", _LIGHT), ("dark", _DARK)):
        for section in (f"theme.{variant}", f"theme.{variant}.sidebar"):
            found |= {f"{section}.{name}": value for name, value in {**everywhere, **colours}.items()}
    return found


def colours_of(names: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """A colour for each of NAMES, no two alike while there are enough.

    It depends on the name and on KNOWN, all names that there are in an order that filters do not change; so a name
    keeps its colour on every page and under every filter. Where two want the same one, the earlier in KNOWN has it.
    """
    slots: dict[str, int] = {}
    taken: set[int] = set()
    for name in dict.fromkeys((*known, *names)):
        slot = crc32(name.encode("utf-8", "replace")) % len(PALETTE)
        while slot in taken and len(taken) < len(PALETTE):
            slot = (slot + 1) % len(PALETTE)
        slots[name] = slot
        taken.add(slot)
        if len(taken) == len(PALETTE):
            taken.clear()
    return _apart(names, slots)


def _apart(names: Sequence[str], slots: dict[str, int]) -> dict[str, str]:
    """The colours of NAMES; those beyond the first dozen known may have met, and are moved apart."""
    found: dict[str, str] = {}
    for name in names:
        slot = slots[name]
        while PALETTE[slot] in found.values() and len(found) < len(PALETTE):
            slot = (slot + 1) % len(PALETTE)
        found[name] = PALETTE[slot]
    return found
