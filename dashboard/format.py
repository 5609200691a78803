"""The one place that writes a figure or a name for people: money, shares, times, and text that came from outside.

Names come from applications. They are shown as they are, so every place that would interpret them (Markdown, the HTML
of a chart, a formula in a spreadsheet) gets them through here.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from html import escape
from typing import Any

UNKNOWN = "–"
MINUS = "−"
UNTAGGED = "(untagged)"
OTHER = "(other)"
FLAT = 0.005  # a change of less than this share is called none

_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def money(value: Decimal | str | None) -> str:
    """VALUE in dollars: cents from a dollar on, less below, but never rounded to nothing; unknown is a dash."""
    if value is None:
        return UNKNOWN
    amount = Decimal(value)
    if abs(amount) >= 1 or not amount:
        return f"${amount:,.2f}"
    if abs(amount) < Decimal("0.000001"):
        return "<$0.000001"
    return f"${amount:.4f}" if abs(amount) >= Decimal("0.01") else f"${amount:.2g}"


def exact_money(value: Decimal | None) -> str:
    """VALUE in dollars with all its digits, two decimals at least; unknown is a dash."""
    if value is None:
        return UNKNOWN
    whole, _, decimals = f"{abs(value):,f}".partition(".")
    return f"{MINUS if value < 0 else ''}${whole}.{decimals.rstrip('0').ljust(2, '0')}"


def money_change(value: Decimal) -> str:
    """VALUE in dollars with its sign."""
    sign = "+" if value > 0 else MINUS if value < 0 else "±"
    return sign + money(abs(value))


def known_cost(row: Mapping[str, Any]) -> str:
    """The cost of ROW, and that it is at least that where calls have no price."""
    return ("≥ " if row["unpriced_calls"] and row["cost_usd"] is not None else "") + money(row["cost_usd"])


def per_thousand(row: Mapping[str, Any]) -> Decimal | None:
    """Dollars per thousand calls of ROW."""
    return None if row["cost_usd"] is None or not row["calls"] else Decimal(row["cost_usd"]) * 1000 / row["calls"]


def known_per_thousand(row: Mapping[str, Any]) -> str:
    """Dollars per thousand calls of ROW, and that it is at least that where calls have no price."""
    value = per_thousand(row)
    return ("≥ " if row["unpriced_calls"] and value is not None else "") + money(value)


def share(part: float | Decimal | None, whole: float | Decimal | None) -> float | None:
    """PART of WHOLE as a fraction; None where there is no whole."""
    return None if part is None or not whole else float(part) / float(whole)


def percent(value: float | None) -> str:
    """VALUE, a fraction, as a percentage with one decimal, never rounded to nothing or to all."""
    if value is None:
        return UNKNOWN
    if 0 < abs(value) < 0.0005:
        return "<0.1%"
    return ">99.9%" if 0.9995 <= value < 1 else f"{value:.1%}"


def count(value: int | None) -> str:
    """VALUE with separators of thousands."""
    return UNKNOWN if value is None else f"{value:,}"


def calls(value: int) -> str:
    """VALUE calls, as a count with its noun."""
    return f"{value:,} call{'s' * (value != 1)}"


def tokens(value: int | float | None) -> str:
    """VALUE tokens, shortened."""
    if value is None:
        return UNKNOWN
    for limit, unit in ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")):
        if value >= limit:
            return f"{value / limit:.1f}{unit}"
    return f"{value:.0f}"


def seconds(value: float | None) -> str:
    """VALUE seconds: milliseconds below one second."""
    if value is None:
        return UNKNOWN
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def duration(value_s: float | None) -> str:
    """VALUE_S seconds in the two largest units that it takes."""
    if value_s is None or value_s < 120:
        return seconds(value_s)
    minutes = round(value_s / 60)
    if value_s < 3600:
        return f"{int(value_s // 60)} min {int(value_s % 60)} s"
    return (
        f"{minutes // 60:,} h {minutes % 60} min"
        if minutes < 2880
        else f"{minutes // 1440:,} d {minutes % 1440 // 60} h"
    )


def change(now: float | Decimal | None, before: float | Decimal | None) -> float | None:
    """By what share NOW differs from BEFORE; None where either is unknown or there was nothing before."""
    return None if now is None or not before else float(now) / float(before) - 1


def signed_percent(value: float | None) -> str:
    """VALUE, a change as a fraction, with its sign; from tenfold on as a multiple."""
    if value is None:
        return UNKNOWN
    if value >= 9:
        return f"×{value + 1:,.0f}"
    sign = "+" if value > 0 else MINUS if value < 0 else "±"
    return f"{sign}{abs(value):.1%}" if abs(value) < 0.1 else f"{sign}{abs(value):.0%}"


def arrow(value: float | Decimal | None) -> str:
    """An arrow in the direction of VALUE, a change."""
    if value is None:
        return ""
    return "▲" if value > 0 else "▼" if value < 0 else "•"


def moment(at: datetime) -> str:
    """AT as a day and a time, as in `14 Nov 13:05`."""
    return f"{at.day} {at:%b %H:%M}"


def date_time(at: datetime) -> str:
    """AT to the millisecond, as in `2026-11-14 13:05:07.250`."""
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}"


def plain(text: str) -> str:
    """TEXT without what moves the rest of a line about: control characters and changes of direction."""
    return _INVISIBLE.sub(" ", text).strip() or "(blank)"


def shorten(text: str, most: int) -> str:
    """TEXT in at most MOST characters: its beginning and its end."""
    clean = plain(text)
    if len(clean) <= most:
        return clean
    tail = min(6, most // 4)
    return clean[: most - tail - 1].rstrip() + "…" + clean[-tail:]


def group_name(key: str | None, *, is_other: bool = False) -> str:
    """What a group is called whose name is KEY; none that has one looks like those that have none."""
    if is_other or key is None:
        return OTHER if is_other else UNTAGGED
    return f"“{key}”" if key in (OTHER, UNTAGGED) else plain(key)


def code(text: str, most: int = 60) -> str:
    """TEXT as Markdown that shows just its characters.

    Escaping does not do: links and emoji codes are found in what the escapes leave. Inside code nothing is.
    """
    # The one thing that is found in code, too: the name of an icon. An invisible joint in it hides it.
    clean = shorten(text, most).replace(":material/", ":material\u2060/")
    fence = "`" * (max((len(run) for run in re.findall("`+", clean)), default=0) + 1)
    pad = " " if clean.startswith("`") or clean.endswith("`") else ""
    return f"{fence}{pad}{clean}{pad}{fence}"


def marked(text: str) -> str:
    """TEXT of ours, with dollar signs that Markdown does not take for mathematics."""
    return text.replace("$", "\\$")


def chart_text(text: str, most: int = 40) -> str:
    """TEXT as a chart shows it: a few HTML tags and entities mean something there."""
    return escape(shorten(text, most), quote=False)


def cell(value: Any) -> Any:
    """VALUE as a cell of a CSV file: text that a spreadsheet would take for a formula is made text."""
    return "'" + value if isinstance(value, str) and value.startswith(_FORMULA) else value
