"""An interaction that runs in the background has no usage until it is fetched; the bill is its own."""

import json
from pathlib import Path

from native import Natives
from replaying import Row, serve, stored

import llmtrace

USAGE = {"total_tokens": 40, "total_input_tokens": 10, "total_output_tokens": 25, "total_thought_tokens": 5}
STARTED = {"id": "v1_a", "status": "in_progress", "model": "gemini-2.5-flash", "object": "interaction"}
ENDED = {**STARTED, "status": "completed", "usage": USAGE, "steps": []}
JSON = {"content-type": "application/json"}
ASKED = {"model": "gemini-2.5-flash", "input": "Where do pelicans sleep?", "background": True}
ROWS = {
    row.id: row
    for row in (
        Row("made", "interact", "gemini", 200, False, ASKED, JSON, json.dumps(STARTED).encode()),
        Row("asked", "interact_fetch", "gemini", 200, False, {"id": "v1_a"}, JSON, json.dumps(STARTED).encode()),
        Row("fetched", "interact_fetch", "gemini", 200, False, {"id": "v1_a"}, JSON, json.dumps(ENDED).encode()),
    )
}


def test_a_background_interaction_is_billed_once_with_what_the_fetch_tells(home: Path) -> None:
    llmtrace.instrument(home=home)
    with serve(ROWS) as address, Natives(address) as natives:
        for row in ROWS.values():
            method, arguments = natives.method(row)
            with llmtrace.feature(row.id):
                method(**arguments)
    calls = stored(home)
    (made,), (asked,), (fetched,) = (calls[name] for name in ROWS)
    assert (made["input_tokens"], made["output_tokens"], made["reasoning_tokens"]) == (10, 30, 5)
    # (10 × 0.30 + 30 × 2.50) / 1,000,000
    assert (str(made["cost_usd"]), made["cost_status"]) == ("0.000078000000", "exact")
    assert {asked["cost_status"], fetched["cost_status"]} == {"not_billed"}
    assert fetched["duplicate_of"] == made["span_id"]
