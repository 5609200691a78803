"""The waterfall of a trace: a tree to walk with the keyboard, drawn by the browser from data that is only text."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from .format import seconds
from .tree import Node, drawn, length_s

# Every text reaches the page through textContent or setAttribute, never as HTML.
_HTML = '<div class="fall"><div class="ruler" aria-hidden="true"></div><div class="rows" role="tree"></div></div>'

_CSS = """
.fall { container-type: inline-size; font: 13px/1.35 var(--st-font); color: var(--st-text-color);
  font-variant-numeric: tabular-nums; }
.ruler { position: relative; height: 20px; margin-left: 46%; margin-right: 66px; color: var(--st-gray-text-color);
  font-size: 12px; border-bottom: 1px solid var(--st-border-color); }
.ruler span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.ruler span:first-child { transform: none; }
.rows { max-height: 640px; overflow-y: auto; overflow-x: hidden; }
.row { display: grid; grid-template-columns: 46% 1fr 66px; align-items: center; min-height: 28px; cursor: pointer;
  border-bottom: 1px solid color-mix(in srgb, var(--st-border-color) 45%, transparent); }
.row[hidden] { display: none; }
.row:hover { background: var(--st-secondary-background-color); }
.row[aria-selected=true] { background: color-mix(in srgb, var(--st-primary-color) 14%, transparent); }
.row:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: -2px; border-radius: 4px; }
.label { display: flex; align-items: center; gap: 5px; min-width: 0; padding-right: 10px; }
.twist { flex: none; width: 14px; height: 20px; padding: 0; border: 0; background: none; color: inherit; font: inherit;
  opacity: 0.7; cursor: pointer; }
.name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; flex: 0 1 auto; min-width: 64px; }
.facts { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; color: var(--st-gray-text-color);
  flex: 1 1 0; font-size: 12px; min-width: 0; text-align: right; }
.call .name { font-weight: 600; }
.call .facts { color: var(--st-text-color); }
.missing .name, .missing .facts { font-style: italic; color: var(--st-gray-text-color); }
.mark { flex: none; font-size: 12px; font-weight: 600; border-radius: 4px; padding: 0 5px; }
.mark.bad { color: var(--st-red-text-color); background: var(--st-red-background-color); }
.mark.odd { color: var(--st-orange-text-color); background: var(--st-orange-background-color); }
.track { position: relative; height: 14px; }
.bar { position: absolute; top: 0; height: 14px; min-width: 3px; border-radius: 3px; background: var(--st-gray-color);
  opacity: 0.55; box-sizing: border-box; overflow: hidden; }
.call .bar { background: var(--st-primary-color); opacity: 1; }
.own .bar { background: var(--st-violet-color); opacity: 0.75; }
.missing .bar { background: none; border: 1.5px dashed var(--st-gray-color); opacity: 0.8; }
.failed .bar { background: var(--st-red-color); opacity: 1; }
.cancelled .bar { background: repeating-linear-gradient(135deg, var(--st-orange-color) 0 4px, transparent 4px 7px);
  border: 1px solid var(--st-orange-color); opacity: 1; }
.wait { position: absolute; inset: 0 auto 0 0;
  background: color-mix(in srgb, var(--st-background-color) 55%, transparent);
  border-right: 1px solid var(--st-background-color); }
.took { text-align: right; font-size: 12px; padding-right: 6px; white-space: nowrap; }
@container (max-width: 620px) {
  .ruler { margin-left: 0; margin-right: 58px; }
  .row { grid-template-columns: 1fr 58px; grid-template-areas: "label label" "track took"; padding: 4px 0 6px; }
  .label { grid-area: label; } .track { grid-area: track; } .took { grid-area: took; }
}
"""

_JS = """
const make = (tag, name, text) => {
  const e = document.createElement(tag)
  e.className = name
  if (text !== undefined) e.textContent = text
  return e
}
export default function ({ data, parentElement, setTriggerValue }) {
  const rows = parentElement.querySelector(".rows"), ruler = parentElement.querySelector(".ruler")
  // What the reader did stays when the page is renewed: folded spans, the line in focus, the place scrolled to.
  const kept = (parentElement.kept ??= { trace: null })
  if (kept.trace !== data.trace) Object.assign(kept, { trace: data.trace, folded: new Set(), focus: null })
  const had = parentElement.activeElement?.closest?.(".row") != null, top = rows.scrollTop
  rows.setAttribute("aria-label", data.label)
  ruler.replaceChildren(...data.ticks.map((tick) => {
    const e = make("span", "", tick.text)
    e.style.left = tick.at + "%"
    return e
  }))
  const elements = data.nodes.map((node, place) => {
    const ended = node.failed ? "failed" : node.cancelled ? "cancelled" : ""
    const row = make("div", `row ${node.kind} ${ended}`)
    row.setAttribute("role", "treeitem")
    row.setAttribute("aria-level", node.depth + 1)
    row.setAttribute("aria-label", node.said)
    row.setAttribute("aria-selected", node.id === data.chosen)
    row.title = [node.name, node.facts, node.took, ...node.notes].filter(Boolean).join("\\n")
    const label = make("div", "label"), twist = make(node.children ? "button" : "span", "twist")
    label.style.paddingLeft = Math.min(node.depth, 12) * 14 + "px"
    twist.tabIndex = -1
    twist.setAttribute("aria-hidden", "true")
    twist.onclick = (event) => { event.stopPropagation(); if (node.children) fold(place, !kept.folded.has(node.id)) }
    label.append(twist, make("span", "name", node.name))
    if (node.failed) label.append(make("span", "mark bad", "failed"))
    if (node.cancelled) label.append(make("span", "mark odd", "cancelled"))
    if (node.notes.length) label.append(make("span", "mark odd", "!"))
    label.append(make("span", "facts", node.facts))
    const track = make("div", "track"), bar = make("div", "bar")
    bar.style.left = Math.min(node.left, 99.6) + "%"
    bar.style.width = node.width + "%"
    if (node.first !== null) {
      const wait = make("div", "wait")
      wait.style.width = node.first + "%"
      bar.append(wait)
    }
    track.append(bar)
    row.append(label, track, make("div", "took", node.took))
    row.onclick = () => { focus(place); setTriggerValue("chosen", node.id) }
    return row
  })
  const fold = (place, shut) => {
    const id = data.nodes[place].id
    shut ? kept.folded.add(id) : kept.folded.delete(id)
    show()
  }
  const show = () => {
    let hiddenBelow = Infinity
    data.nodes.forEach((node, place) => {
      if (node.depth <= hiddenBelow) hiddenBelow = Infinity
      elements[place].hidden = hiddenBelow !== Infinity
      const shut = kept.folded.has(node.id)
      if (node.children) {
        elements[place].setAttribute("aria-expanded", !shut)
        elements[place].querySelector(".twist").textContent = shut ? "▸" : "▾"
        if (shut && hiddenBelow === Infinity) hiddenBelow = node.depth
      }
    })
  }
  const shown = () => elements.map((_, place) => place).filter((place) => !elements[place].hidden)
  const place = (id) => data.nodes.findIndex((node) => node.id === id)
  const focus = (to, quietly) => {
    kept.focus = data.nodes[to].id
    elements.forEach((e, at) => (e.tabIndex = at === to ? 0 : -1))
    if (!quietly) elements[to].focus()
  }
  rows.onkeydown = (event) => {
    const now = Math.max(place(kept.focus), 0), open = shown(), at = open.indexOf(now), node = data.nodes[now]
    const go = { ArrowDown: open[at + 1], ArrowUp: open[at - 1], Home: open[0], End: open.at(-1) }
    if (event.key in go) { if (go[event.key] !== undefined) focus(go[event.key]) }
    else if (event.key === "ArrowRight" && node.children) {
      if (kept.folded.has(node.id)) fold(now, false)
      else if (now + 1 < data.nodes.length) focus(now + 1)
    } else if (event.key === "ArrowLeft") {
      if (node.children && !kept.folded.has(node.id)) fold(now, true)
      else for (let up = now; up >= 0; up--) if (data.nodes[up].depth < node.depth) { focus(up); break }
    } else if (event.key === "Enter" || event.key === " ") setTriggerValue("chosen", node.id)
    else return
    event.preventDefault()
  }
  rows.replaceChildren(...elements)
  show()
  rows.scrollTop = top
  if (elements.length) focus(Math.max(place(kept.focus ?? data.chosen), 0), !had)
}
"""


@st.cache_resource
def _component() -> Any:
    return st.components.v2.component("llmtrace_waterfall", html=_HTML, css=_CSS, js=_JS)


def draw(nodes: Sequence[Node], trace_id: str, chosen: str | None, key: str, on_choose: Callable[[], None]) -> None:
    """Draw NODES; the line of the span CHOSEN stands out, and ON_CHOOSE is called when another is chosen."""
    whole_s = length_s(nodes)
    ticks = [{"at": share * 100, "text": seconds(whole_s * share)} for share in (0.0, 0.25, 0.5, 0.75)]
    data = {
        "trace": trace_id,
        "nodes": drawn(nodes),
        "ticks": ticks,
        "chosen": chosen,
        "label": f"Spans of the trace, {len(nodes)} in {seconds(whole_s)}",
    }
    _component()(key=key, data=data, on_chosen_change=on_choose)


def chosen_of(state: Any) -> str | None:
    """The span that was chosen, by the STATE of the component."""
    value = state.get("chosen") if state else None
    return str(value) if value else None
