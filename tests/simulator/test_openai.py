"""The real OpenAI SDK, sync and async, against the simulator."""

import json
from typing import Any

import openai
import pytest
from openai import OpenAI
from simulator.openai_words import HELLO, WITH_USAGE, Node

from llmtrace.simulator import Simulator

LITERAL_USAGE = {"prompt_tokens": 1000, "completion_tokens": 7, "total_tokens": 1007}


def stream_lines(gpt: OpenAI, **body: Any) -> list[str]:
    create = gpt.chat.completions.with_streaming_response.create
    with create(messages=HELLO, stream=True, **body) as response:
        return [line for line in response.iter_lines() if line]


def stream_chunks(gpt: OpenAI, **body: Any) -> list[dict[str, Any]]:
    lines = stream_lines(gpt, **body)
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def test_the_log_holds_what_the_client_got(sim: Simulator, gpt: OpenAI) -> None:
    completion = gpt.chat.completions.create(model="gpt-4o", messages=HELLO, user="someone")
    (record,) = sim.requests
    assert completion.model == "gpt-4o-2024-08-06"
    assert completion.usage is not None
    assert record.usage == completion.usage.to_dict()
    assert (record.response_id, record.request_id) == (completion.id, completion._request_id)
    assert (record.provider, record.model, record.path) == ("openai", "gpt-4o", "/v1/chat/completions")
    assert (record.status, record.stream, record.usage_delivered) == (200, False, True)
    assert record.body == {"model": "gpt-4o", "messages": HELLO, "user": "someone"}
    assert record.headers["authorization"] == "***"
    assert record.finished_at is not None and record.finished_at >= record.received_at


def test_a_whole_answer_has_the_fields_of_the_real_one(gpt: OpenAI) -> None:
    body: Any = gpt.chat.completions.create(model="gpt-4o", messages=HELLO).to_dict()
    assert list(body) == ["id", "choices", "created", "model", "object", "service_tier", "system_fingerprint", "usage"]
    (choice,) = body["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["logprobs"] is None
    assert choice["message"] | {"content": ""} == {
        "role": "assistant",
        "content": "",
        "refusal": None,
        "annotations": [],
    }


def test_the_same_seed_gives_the_same_answer_streamed_or_not(gpt: OpenAI) -> None:
    whole = gpt.chat.completions.create(model="gpt-4o", messages=HELLO)
    again = gpt.chat.completions.create(model="gpt-4o", messages=HELLO)
    chunks = stream_chunks(gpt, model="gpt-4o", stream_options=WITH_USAGE)
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks[:-1])
    assert whole.choices[0].message.content == again.choices[0].message.content == text
    assert whole.usage is not None
    assert whole.usage.to_dict() == chunks[-1]["usage"]
    assert whole.id != again.id


def test_another_seed_or_question_gives_another_answer(sim: Simulator, gpt: OpenAI) -> None:
    first = gpt.chat.completions.create(model="gpt-4o", messages=HELLO)
    other = gpt.chat.completions.create(model="gpt-4o", messages=[*HELLO, *HELLO])
    with Simulator(seed=8) as third_sim, OpenAI(base_url=third_sim.openai_base_url, api_key="any") as third_client:
        third = third_client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert len({answer.choices[0].message.content for answer in (first, other, third)}) == 3


def test_a_stream_that_asks_for_usage_has_it_in_the_last_chunk_only(sim: Simulator, gpt: OpenAI) -> None:
    chunks = stream_chunks(gpt, model="gpt-4o", stream_options=WITH_USAGE)
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == sim.requests[0].usage
    assert sim.requests[0].usage_delivered
    assert sim.requests[0].chunks_sent == len(chunks) + 1


def test_a_stream_that_does_not_ask_for_usage_has_no_such_key(sim: Simulator, gpt: OpenAI) -> None:
    chunks = stream_chunks(gpt, model="gpt-4o")
    assert all("usage" not in chunk for chunk in chunks)
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert sim.requests[0].usage is not None
    assert not sim.requests[0].usage_delivered


def test_padding_is_sent_unless_it_is_declined(gpt: OpenAI) -> None:
    assert all(chunk["obfuscation"] for chunk in stream_chunks(gpt, model="gpt-4o"))
    declined = stream_chunks(gpt, model="gpt-4o", stream_options={"include_obfuscation": False})
    assert not any("obfuscation" in chunk for chunk in declined)


def test_a_stream_is_an_iterator_of_the_sdk(gpt: OpenAI) -> None:
    with gpt.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True) as stream:
        chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


def test_the_stream_helper_collects_what_create_returns(gpt: OpenAI) -> None:
    whole = gpt.chat.completions.create(model="gpt-4o", messages=HELLO)
    with gpt.chat.completions.stream(model="gpt-4o", messages=HELLO, stream_options=WITH_USAGE) as stream:
        events = [event.type for event in stream]
        final = stream.get_final_completion()
    assert final.choices[0].message.content == whole.choices[0].message.content
    assert final.usage == whole.usage
    assert events.count("content.done") == 1


def test_several_choices_differ_and_count_together(sim: Simulator, gpt: OpenAI) -> None:
    completion = gpt.chat.completions.create(model="gpt-4o", messages=HELLO, n=3)
    assert len({choice.message.content for choice in completion.choices}) == 3
    with gpt.chat.completions.stream(model="gpt-4o", messages=HELLO, n=3, stream_options=WITH_USAGE) as stream:
        streamed = stream.get_final_completion()
    assert [c.message.content for c in streamed.choices] == [c.message.content for c in completion.choices]
    assert streamed.usage == completion.usage
    assert completion.usage is not None
    texts = [choice.message.content or "" for choice in completion.choices]
    assert completion.usage.completion_tokens == sum(-(-len(text) // 4) for text in texts)


def test_max_tokens_cuts_the_answer(gpt: OpenAI) -> None:
    completion = gpt.chat.completions.create(model="gpt-4o", messages=HELLO, max_tokens=5)
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage is not None and completion.usage.completion_tokens == 5
    with pytest.raises(openai.LengthFinishReasonError):
        gpt.chat.completions.parse(model="gpt-4o", messages=HELLO, response_format=Node, max_tokens=5)


def test_a_stop_sequence_is_not_part_of_the_answer(sim: Simulator, gpt: OpenAI) -> None:
    sim.answer("one two three")
    completion = gpt.chat.completions.create(model="gpt-4o", messages=HELLO, stop=["three", "two"])
    assert completion.choices[0].message.content == "one "
    assert completion.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("model", ["o3-mini", "o4-mini", "gpt-5-mini", "gpt-6-sol"])
def test_reasoning_models_reason_within_their_completion_tokens(gpt: OpenAI, model: str) -> None:
    completion = gpt.chat.completions.create(model=model, messages=HELLO)
    usage = completion.usage
    assert usage is not None and usage.completion_tokens_details is not None
    reasoning = usage.completion_tokens_details.reasoning_tokens or 0
    text = completion.choices[0].message.content or ""
    assert reasoning >= 64 and usage.completion_tokens == reasoning + -(-len(text) // 4)
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert completion.system_fingerprint is None


def test_reasoning_that_uses_the_limit_up_leaves_nothing_to_say(gpt: OpenAI) -> None:
    completion = gpt.chat.completions.create(model="gpt-5", messages=HELLO, max_completion_tokens=50)
    assert completion.choices[0].message.content == ""
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage is not None and completion.usage.completion_tokens == 50


def test_a_chat_model_among_them_and_no_effort_do_not_reason(gpt: OpenAI) -> None:
    for completion in (
        gpt.chat.completions.create(model="gpt-5-chat-latest", messages=HELLO),
        gpt.chat.completions.create(model="gpt-5.1", messages=HELLO, reasoning_effort="none"),
    ):
        assert completion.usage is not None and completion.usage.completion_tokens_details is not None
        assert completion.usage.completion_tokens_details.reasoning_tokens == 0


@pytest.mark.parametrize(
    ("asked", "answered"),
    [(None, "default"), ("auto", "default"), ("flex", "flex"), ("priority", "priority"), ("fast", "priority")],
)
def test_service_tier_tells_how_the_call_was_served(gpt: OpenAI, asked: Any, answered: str) -> None:
    body = {} if asked is None else {"service_tier": asked}
    assert gpt.chat.completions.create(model="gpt-4o", messages=HELLO, **body).service_tier == answered
    assert {chunk["service_tier"] for chunk in stream_chunks(gpt, model="gpt-4o", **body)} == {answered}


def test_a_prefix_of_1024_tokens_is_cached_in_steps_of_128(gpt: OpenAI) -> None:
    def cached(text: str, model: str = "gpt-4o") -> tuple[int, int]:
        completion = gpt.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])
        assert completion.usage is not None and completion.usage.prompt_tokens_details is not None
        return completion.usage.prompt_tokens, completion.usage.prompt_tokens_details.cached_tokens or 0

    long = "abcd" * 1_400
    assert cached(long) == (1_404, 0)
    assert cached(long) == (1_404, 1_280)
    assert cached(long[: 4 * 1_200] + "efgh" * 500) == (1_704, 1_152)
    assert cached("efgh" + long) == (1_405, 0)
    assert cached(long, "gpt-4o-mini") == (1_404, 0)
    assert cached("short") == cached("short") == (6, 0)


def test_newer_models_tell_what_they_wrote_to_the_cache(gpt: OpenAI) -> None:
    def details(model: str) -> dict[str, Any]:
        message: Any = [{"role": "user", "content": "abcd" * 1_100}]
        usage = gpt.chat.completions.create(model=model, messages=message).usage
        assert usage is not None and usage.prompt_tokens_details is not None
        return usage.prompt_tokens_details.to_dict()

    assert details("gpt-5.6-sol") == {"cached_tokens": 0, "cache_write_tokens": 1_024, "audio_tokens": 0}
    assert details("gpt-5.6-sol") == {"cached_tokens": 1_024, "cache_write_tokens": 0, "audio_tokens": 0}
    assert details("gpt-5.4") == {"cached_tokens": 0, "audio_tokens": 0}


def test_a_test_dictates_answers_in_order(sim: Simulator, gpt: OpenAI) -> None:
    sim.answer("first", usage=LITERAL_USAGE, response_model="gpt-4o-2024-05-13", model="gpt-4o")
    sim.answer(tool_calls=[("a", {"x": 1}), ("b", {})], finish_reason="tool_calls")
    other = gpt.chat.completions.create(model="gpt-4.1", messages=HELLO)
    first = gpt.chat.completions.create(model="gpt-4o", messages=HELLO)
    third = gpt.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert [call.function.name for call in other.choices[0].message.tool_calls or ()] == ["a", "b"]  # type: ignore[union-attr]
    assert first.choices[0].message.content == "first"
    assert first.model == "gpt-4o-2024-05-13"
    assert first.usage is not None and first.usage.to_dict() == LITERAL_USAGE == sim.requests[1].usage
    assert third.choices[0].message.content not in (None, "first")


def test_a_models_usage_can_be_fixed(sim: Simulator, gpt: OpenAI) -> None:
    sim.fix_usage("gpt-4o", LITERAL_USAGE)
    assert stream_chunks(gpt, model="gpt-4o", stream_options=WITH_USAGE)[-1]["usage"] == LITERAL_USAGE
    sim.fix_usage("gpt-4o", None)
    assert stream_chunks(gpt, model="gpt-4o", stream_options=WITH_USAGE)[-1]["usage"] != LITERAL_USAGE


def test_a_refusal_is_not_content(sim: Simulator, gpt: OpenAI) -> None:
    sim.answer(refusal="I cannot help with that.", times=2)
    whole = gpt.chat.completions.parse(model="gpt-4o", messages=HELLO, response_format=Node).choices[0].message
    with gpt.chat.completions.stream(model="gpt-4o", messages=HELLO, response_format=Node) as stream:
        streamed = stream.get_final_completion().choices[0].message
    assert (whole.content, streamed.content, whole.parsed) == (None, None, None)
    assert whole.refusal == streamed.refusal == "I cannot help with that."
