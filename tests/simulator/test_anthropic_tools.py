"""The real Anthropic SDK's server tools, token counts and older completions against the simulator."""

import json
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic

from llmtrace.simulator import Fault, Simulator

HELLO: Any = [{"role": "user", "content": "Say something about the weather."}]
ASK: Any = {"model": "claude-sonnet-4-6", "max_tokens": 400, "messages": HELLO}
SEARCH: Any = {"type": "web_search_20250305", "name": "web_search"}
FETCH: Any = {"type": "web_fetch_20250910", "name": "web_fetch"}
PYTHON: Any = {"type": "code_execution_20250522", "name": "code_execution"}
SHELL: Any = {"type": "code_execution_20250825", "name": "code_execution"}
PROMPT = "\n\nHuman: Why?\n\nAssistant:"


def complete(claude: Anthropic, **body: Any) -> Any:
    """A text completion, for which the SDK has no method any more."""
    asked = {"model": "claude-2.1", "prompt": PROMPT, "max_tokens_to_sample": 50, **body}
    return claude.post("/v1/complete", cast_to=object, body=asked)


def test_a_search_is_in_the_content_and_counted(claude: Anthropic, sim: Simulator) -> None:
    plain = claude.messages.create(**ASK)
    message = claude.messages.create(**ASK, tools=[SEARCH, FETCH])
    assert [block.type for block in message.content] == [
        "server_tool_use",
        "web_search_tool_result",
        "server_tool_use",
        "web_fetch_tool_result",
        "text",
    ]
    used = message.usage.server_tool_use
    assert used is not None
    assert (used.web_search_requests, used.web_fetch_requests) == (1, 1)
    assert message.usage.input_tokens > plain.usage.input_tokens
    text: Any = message.content[-1]
    assert text.citations[0].url == "https://example.com/"
    assert sim.requests[-1].usage == message.usage.to_dict()
    assert plain.usage.server_tool_use is None


@pytest.mark.parametrize(("tool", "name"), [(PYTHON, "code_execution"), (SHELL, "bash_code_execution")], ids=str)
def test_code_runs_in_a_container_and_is_not_counted_as_a_search(tool: Any, name: str, claude: Anthropic) -> None:
    message = claude.messages.create(**ASK, tools=[tool])
    assert [block.type for block in message.content] == ["server_tool_use", f"{name}_tool_result", "text"]
    assert message.container is not None
    assert message.container.id.startswith("container_")
    used = message.usage.server_tool_use
    assert used is not None
    assert (used.web_search_requests, used.web_fetch_requests) == (0, 0)


def test_a_stream_gives_the_same_message_and_counts_what_it_found_at_the_end(claude: Anthropic) -> None:
    tools = [SEARCH, SHELL]
    whole = claude.messages.create(**ASK, tools=tools, thinking={"type": "adaptive"})
    with claude.messages.stream(**ASK, tools=tools, thinking={"type": "adaptive"}) as stream:
        events = list(stream)
        final = stream.get_final_message()
    assert [block.type for block in final.content] == [block.type for block in whole.content]
    said, streamed = whole.content[-1], final.content[-1]
    assert said.type == streamed.type == "text"
    assert (streamed.text, streamed.citations) == (said.text, said.citations)
    assert final.usage == whole.usage
    start: Any = next(event for event in events if event.type == "message_start")
    assert start.message.usage.input_tokens < whole.usage.input_tokens
    deltas = {event.delta.type for event in events if event.type == "content_block_delta"}
    assert {"signature_delta", "citations_delta", "input_json_delta", "text_delta", "thinking_delta"} <= deltas


def test_a_turn_can_pause_and_be_continued(claude: Anthropic, sim: Simulator) -> None:
    sim.answer("So far", finish_reason="pause_turn")
    paused = claude.messages.create(**ASK, tools=[SEARCH])
    assert paused.stop_reason == "pause_turn"
    history: Any = [*HELLO, {"role": "assistant", "content": paused.content}]
    done = claude.messages.create(**{**ASK, "messages": history}, tools=[SEARCH])
    assert (done.stop_reason, done.usage.server_tool_use) == ("end_turn", None)


def test_a_refusal_names_its_category(claude: Anthropic, sim: Simulator) -> None:
    sim.answer(refusal="No.", refusal_category="bio", times=2)
    refused = claude.messages.create(**ASK)
    with claude.messages.stream(**ASK) as stream:
        streamed = stream.get_final_message()
    for message in (refused, streamed):
        assert message.stop_details is not None
        assert (message.stop_reason, message.stop_details.category) == ("refusal", "bio")


def test_counting_is_free_and_agrees_with_the_bill(claude: Anthropic, sim: Simulator) -> None:
    counted = claude.messages.count_tokens(model="claude-sonnet-4-6", messages=HELLO, system="Be brief.")
    billed = claude.messages.create(**ASK, system="Be brief.").usage
    assert counted.input_tokens == billed.input_tokens
    assert claude.beta.messages.count_tokens(model="claude-sonnet-4-6", messages=HELLO).input_tokens > 0
    assert [record.usage is None for record in sim.requests] == [True, False, True]


def test_an_older_completion_tells_no_usage(claude: Anthropic, sim: Simulator) -> None:
    sim.answer("Because of the tide.\n\nHuman: really?")
    whole = complete(claude)
    assert (whole["completion"], whole["stop_reason"], whole["stop"]) == (
        "Because of the tide.",
        "stop_sequence",
        "\n\nHuman:",
    )
    (record,) = sim.requests
    assert (record.response_id, record.usage, record.usage_delivered) == (whole["id"], None, False)
    assert complete(claude, max_tokens_to_sample=2)["stop_reason"] == "max_tokens"


def test_an_older_completion_is_streamed_in_pieces_with_a_ping(claude: Anthropic, sim: Simulator) -> None:
    body = {"model": "claude-2.1", "prompt": PROMPT, "max_tokens_to_sample": 50, "stream": True}
    whole = complete(claude)
    raw = claude._client.post(f"{sim.url}/v1/complete", json=body, headers={"x-api-key": "k"})
    events = [json.loads(line.removeprefix("data: ")) for line in raw.text.splitlines() if line.startswith("data: ")]
    assert {event["type"] for event in events} == {"completion", "ping"}
    pieces = [event for event in events if event["type"] == "completion"]
    assert "".join(piece["completion"] for piece in pieces) == whole["completion"]
    assert [piece["stop_reason"] for piece in pieces[:-1]] == [None] * (len(pieces) - 1)
    assert pieces[-1]["stop_reason"] == whole["stop_reason"]


@pytest.mark.parametrize("name", ["model", "prompt", "max_tokens_to_sample"])
def test_an_older_completion_needs_its_fields(name: str, claude: Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match=name):
        complete(claude, **{name: None})


@pytest.mark.parametrize("path", ["/v1/messages/count_tokens", "/v1/complete"])
def test_faults_happen_here_too(path: str, claude: Anthropic, sim: Simulator) -> None:
    body = {"model": "claude-2.1", "messages": HELLO, "prompt": PROMPT, "max_tokens_to_sample": 9}
    for fault, error in (
        (Fault.status(429), anthropic.RateLimitError),
        (Fault.status(529), anthropic.InternalServerError),
        (Fault.reset(), anthropic.APIConnectionError),
        (Fault.drop(), anthropic.APIConnectionError),
    ):
        sim.fault(fault)
        with pytest.raises(error):
            claude.post(path, cast_to=object, body=body)
    sim.fault(Fault.hang())
    with pytest.raises(anthropic.APITimeoutError):
        claude.post(path, cast_to=object, body=body, options={"timeout": 0.2})
    assert claude.post(path, cast_to=object, body=body)


def test_answers_are_gzipped_for_clients_that_accept_it() -> None:
    with Simulator(seed=7, compress=True) as sim, Anthropic(base_url=sim.anthropic_base_url, api_key="k") as claude:
        raw = claude.messages.with_raw_response.create(**ASK)
        assert raw.headers["content-encoding"] == "gzip"
        assert raw.parse().content
        with claude.messages.stream(**ASK) as stream:
            assert stream.get_final_message().usage == raw.parse().usage
            assert stream.response.headers["content-encoding"] == "gzip"
        plain = claude.messages.with_raw_response.create(**ASK, extra_headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers
