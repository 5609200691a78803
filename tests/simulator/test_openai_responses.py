"""The real OpenAI SDK's responses, sync and async, against the simulator."""

import asyncio
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from llmtrace.simulator import Fault, Simulator

WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "strict": False,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class City(BaseModel):
    name: str
    population: int


def kinds(events: list[Any]) -> list[str]:
    """The types of EVENTS, each run of the same one as one."""
    types = [event.type.removeprefix("response.") for event in events]
    return [kind for index, kind in enumerate(types) if index == 0 or types[index - 1] != kind]


def test_the_log_holds_what_the_client_got(sim: Simulator, gpt: OpenAI) -> None:
    response = gpt.responses.create(model="gpt-4o", input="Say something.", instructions="Be short.")
    (record,) = sim.requests
    assert response.usage is not None
    assert record.usage == response.usage.to_dict()
    assert (record.response_id, record.request_id) == (response.id, response._request_id)
    assert (record.provider, record.model, record.path) == ("openai", "gpt-4o", "/v1/responses")
    assert (response.status, response.model, response.service_tier) == ("completed", "gpt-4o-2024-08-06", "default")
    assert response.output_text
    assert record.usage_delivered


def test_usage_adds_up_and_has_its_details(gpt: OpenAI) -> None:
    usage = gpt.responses.create(model="gpt-5", input="Think.", reasoning={"effort": "high"}).usage
    assert usage is not None
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert 0 < usage.output_tokens_details.reasoning_tokens < usage.output_tokens


def test_a_long_prompt_is_cached_the_second_time(gpt: OpenAI) -> None:
    first, second = (gpt.responses.create(model="gpt-5.6", input="word " * 1500).usage for _ in range(2))
    assert first is not None and second is not None
    assert (first.input_tokens_details.cached_tokens, second.input_tokens_details.cache_write_tokens) == (0, 0)
    assert first.input_tokens_details.cache_write_tokens == second.input_tokens_details.cached_tokens > 1024


def test_parse_gives_an_instance_of_the_model(gpt: OpenAI) -> None:
    assert isinstance(gpt.responses.parse(model="gpt-4o", input="x", text_format=City).output_parsed, City)


def test_a_stream_has_its_events_in_order_and_says_what_the_whole_says(gpt: OpenAI) -> None:
    events = list(gpt.responses.create(model="gpt-4o", input="Hello", stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert kinds(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    last: Any = events[-1]
    whole = gpt.responses.create(model="gpt-4o", input="Hello")
    deltas = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert deltas == last.response.output_text == whole.output_text
    assert last.response.usage == whole.usage
    assert all(event.response.usage is None for event in events[:2] if hasattr(event, "response"))


def test_reasoning_tools_and_functions_are_streamed_as_items(gpt: OpenAI) -> None:
    body: Any = {"model": "gpt-5", "input": "Go", "reasoning": {"summary": "auto"}}
    with gpt.responses.stream(**body, tools=[{"type": "web_search"}, WEATHER]) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [item.type for item in final.output] == ["reasoning", "web_search_call", "function_call"]
    assert {
        "reasoning_summary_text.delta",
        "web_search_call.searching",
        "function_call_arguments.delta",
        "function_call_arguments.done",
    } <= set(kinds(events))
    call: Any = final.output[-1]
    assert call.name == "get_weather"
    deltas = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    assert "".join(deltas) == call.arguments
    answer = gpt.responses.create(
        model="gpt-5",
        previous_response_id=final.id,
        tools=[WEATHER],
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "rain"}],
    )
    assert answer.output[-1].type == "message"
    assert answer.usage is not None and final.usage is not None
    assert answer.usage.input_tokens > final.usage.input_tokens


def test_a_background_response_is_queued_then_in_progress_then_completed(gpt: OpenAI, sim: Simulator) -> None:
    queued = gpt.responses.create(model="gpt-4o", input="Later", background=True)
    fetched = [gpt.responses.retrieve(queued.id) for _ in range(3)]
    assert (queued.status, queued.usage, queued.output) == ("queued", None, [])
    assert [response.status for response in fetched] == ["in_progress", "completed", "completed"]
    assert [response.usage is None for response in fetched] == [True, False, False]
    assert {record.response_id for record in sim.requests} == {queued.id}
    assert [record.usage is None for record in sim.requests] == [True, True, False, False]


def test_a_background_stream_can_be_taken_up_again(gpt: OpenAI) -> None:
    events = list(gpt.responses.create(model="gpt-4o", input="Later", background=True, stream=True))
    assert kinds(events)[:3] == ["created", "queued", "in_progress"]
    first: Any = events[0]
    again = list(gpt.responses.retrieve(first.response.id, stream=True, starting_after=5))
    assert again == events[6:]


def test_a_background_response_can_be_cancelled_and_another_cannot(gpt: OpenAI) -> None:
    queued = gpt.responses.create(model="gpt-4o", input="Later", background=True)
    assert gpt.responses.cancel(queued.id).status == "cancelled"
    assert gpt.responses.retrieve(queued.id).usage is None
    plain = gpt.responses.create(model="gpt-4o", input="Now")
    with pytest.raises(openai.BadRequestError, match="synchronous"):
        gpt.responses.cancel(plain.id)


def test_a_response_is_gone_once_it_is_deleted_or_was_never_stored(gpt: OpenAI) -> None:
    kept = gpt.responses.create(model="gpt-4o", input="Keep")
    assert gpt.responses.retrieve(kept.id) == kept
    gpt.responses.delete(kept.id)
    loose = gpt.responses.create(model="gpt-4o", input="Forget", store=False)
    for id_ in (kept.id, loose.id):
        with pytest.raises(openai.NotFoundError):
            gpt.responses.retrieve(id_)
    with pytest.raises(openai.BadRequestError) as raised:
        gpt.responses.create(model="gpt-4o", input="And?", previous_response_id=kept.id)
    assert raised.value.code == "previous_response_not_found"


def test_the_input_of_a_response_is_listed(gpt: OpenAI) -> None:
    response = gpt.responses.create(model="gpt-4o", input="What was it?")
    (item,) = gpt.responses.input_items.list(response.id).data
    assert item.to_dict()["content"] == [{"type": "input_text", "text": "What was it?"}]


def test_compaction_is_billed_and_counting_is_not(gpt: OpenAI, sim: Simulator) -> None:
    history: Any = [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "Two."}]
    counted = gpt.responses.input_tokens.count(model="gpt-4o", input=history)
    compacted = gpt.responses.compact(model="gpt-4o", input=history)
    assert counted.input_tokens == compacted.usage.input_tokens
    assert [item.type for item in compacted.output] == ["message", "compaction"]
    assert [record.usage is None for record in sim.requests] == [True, False]
    shortened: Any = [compacted.output[-1].to_dict(), *history[:1]]
    after = gpt.responses.create(model="gpt-4o", input=shortened)
    assert after.status == "completed"


@pytest.mark.parametrize("is_stream", [False, True])
def test_an_answer_that_was_cut_is_incomplete(is_stream: bool, gpt: OpenAI) -> None:
    body: Any = {"model": "gpt-4o", "input": "x", "max_output_tokens": 16}
    if is_stream:
        last: Any = list(gpt.responses.create(**body, stream=True))[-1]
        response = last.response
        assert last.type == "response.incomplete"
    else:
        response = gpt.responses.create(**body)
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert response.usage.output_tokens == 16


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_response_can_fail_with_status_200(is_stream: bool, gpt: OpenAI, sim: Simulator) -> None:
    sim.answer(finish_reason="failed")
    if is_stream:
        last: Any = list(gpt.responses.create(model="gpt-4o", input="x", stream=True))[-1]
        response = last.response
        assert last.type == "response.failed"
    else:
        response = gpt.responses.create(model="gpt-4o", input="x")
    assert (response.status, response.error.code, response.usage) == ("failed", "server_error", None)
    assert sim.requests[-1].status == 200


def test_a_refusal_and_a_filter_are_told_as_such(gpt: OpenAI, sim: Simulator) -> None:
    sim.answer(refusal="I will not.")
    sim.answer(finish_reason="content_filter")
    refused: Any = gpt.responses.create(model="gpt-4o", input="x").output[0]
    assert refused.content[0].refusal == "I will not."
    filtered = gpt.responses.create(model="gpt-4o", input="x")
    assert filtered.incomplete_details is not None
    assert filtered.incomplete_details.reason == "content_filter"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"model": "gpt-4o"}, "'input'"),
        ({"input": "x"}, "model"),
        ({"model": "gpt-4o", "input": "x", "background": True, "store": False}, "store"),
        ({"model": "gpt-4o", "input": "x", "max_output_tokens": 0}, "max_output_tokens"),
    ],
    ids=str,
)
def test_what_is_not_valid_is_refused(body: Any, message: str, gpt: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=message):
        gpt.post("/responses", cast_to=object, body=body)


def test_faults_happen_to_stored_responses_too(gpt: OpenAI, sim: Simulator) -> None:
    response = gpt.responses.create(model="gpt-4o", input="x")
    sim.fault(Fault.status(500).on(model="gpt-4o-2024-08-06"))
    with pytest.raises(openai.InternalServerError):
        gpt.responses.retrieve(response.id)
    sim.fault(Fault.reset())
    with pytest.raises(openai.APIConnectionError):
        gpt.responses.delete(response.id)
    assert gpt.responses.retrieve(response.id).status == "completed"


def test_an_error_in_a_stream_is_an_event_in_its_place(gpt: OpenAI, sim: Simulator) -> None:
    sim.fault(Fault.stream_error(3, status=429))
    events = list(gpt.responses.create(model="gpt-4o", input="x", stream=True))
    last: Any = events[-1]
    assert (last.type, last.code, last.sequence_number) == ("error", "rate_limit_exceeded", 3)


def test_async_clients_are_answered_alike(sim: Simulator, gpt: OpenAI) -> None:
    async def main() -> tuple[str, str]:
        async with AsyncOpenAI(base_url=sim.openai_base_url, api_key="any") as other:
            whole = await other.responses.create(model="gpt-4o", input="Hello")
            async with other.responses.stream(model="gpt-4o", input="Hello") as stream:
                final = await stream.get_final_response()
            return whole.output_text, final.output_text

    expected = gpt.responses.create(model="gpt-4o", input="Hello").output_text
    assert asyncio.run(main()) == (expected, expected)
