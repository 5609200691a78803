"""The real OpenAI SDK's embeddings and older completions against the simulator."""

import base64
import json
import math
import struct
from typing import Any

import openai
import pytest
from openai import OpenAI

from llmtrace.simulator import Fault, Simulator

SMALL = "text-embedding-3-small"
INSTRUCT = "gpt-3.5-turbo-instruct"


def test_embeddings_are_vectors_of_length_one_and_the_same_for_the_same_text(gpt: OpenAI, sim: Simulator) -> None:
    first, second, again = gpt.embeddings.create(model=SMALL, input=["harbour", "night", "harbour"]).data
    assert (len(first.embedding), second.index) == (1536, 1)
    assert math.hypot(*first.embedding) == pytest.approx(1.0, abs=1e-5)
    assert first.embedding == again.embedding != second.embedding
    assert sim.requests[-1].usage == {"prompt_tokens": 6, "total_tokens": 6}
    assert sim.requests[-1].usage_delivered


def test_both_encodings_say_the_same(gpt: OpenAI) -> None:
    body: Any = {"model": SMALL, "input": "night", "dimensions": 8}
    packed: Any = gpt.post("/embeddings", cast_to=object, body={**body, "encoding_format": "base64"})
    listed = gpt.embeddings.create(**body, encoding_format="float").data[0].embedding
    assert list(struct.unpack("<8f", base64.b64decode(packed["data"][0]["embedding"]))) == listed
    assert gpt.embeddings.create(**body).data[0].embedding == listed


def test_lists_of_tokens_are_counted_as_such(gpt: OpenAI) -> None:
    assert gpt.embeddings.create(model=SMALL, input=[1, 2, 3]).usage.prompt_tokens == 3
    assert len(gpt.embeddings.create(model=SMALL, input=[[1, 2], [3]]).data) == 2
    assert len(gpt.embeddings.create(model="text-embedding-3-large", input="x").data[0].embedding) == 3072


@pytest.mark.parametrize("body", [{"input": []}, {"input": ""}, {"input": "x", "dimensions": 0}], ids=str)
def test_embeddings_of_nothing_are_refused(body: Any, gpt: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        gpt.embeddings.create(model=SMALL, **body)


def test_a_request_for_a_stream_of_embeddings_gets_a_whole_answer(gpt: OpenAI) -> None:
    body = {"model": SMALL, "input": "x", "stream": True}
    answer: Any = gpt.post("/embeddings", cast_to=object, body=body)
    assert answer["object"] == "list"


def test_every_drawn_completion_is_counted_and_the_best_are_told(gpt: OpenAI, sim: Simulator) -> None:
    completion = gpt.completions.create(model=INSTRUCT, prompt=["Once", "Twice"], n=2, best_of=3, echo=True)
    assert [choice.index for choice in completion.choices] == [0, 1, 2, 3]
    assert [
        choice.text.startswith(p) for choice, p in zip(completion.choices, ["Once"] * 2 + ["Twice"] * 2, strict=True)
    ]
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 2 * 3 * 16
    assert sim.requests[-1].usage == completion.usage.to_dict()
    assert (sim.requests[-1].response_id, completion.object) == (completion.id, "text_completion")


def test_a_streamed_completion_says_what_the_whole_says(gpt: OpenAI) -> None:
    body: Any = {"model": INSTRUCT, "prompt": "Once", "n": 2, "max_tokens": 40}
    whole = gpt.completions.create(**body)
    chunks = list(gpt.completions.create(**body, stream=True, stream_options={"include_usage": True}))
    texts = ["", ""]
    for chunk in chunks[:-1]:
        assert chunk.usage is None
        texts[chunk.choices[0].index] += chunk.choices[0].text
    assert texts == [choice.text for choice in whole.choices]
    assert (chunks[-1].choices, chunks[-1].usage) == ([], whole.usage)


def test_a_stream_has_no_usage_unless_it_was_asked_for(gpt: OpenAI, sim: Simulator) -> None:
    create = gpt.completions.with_streaming_response.create
    with create(model=INSTRUCT, prompt="Once", stream=True) as response:
        lines = [line for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert all("usage" not in json.loads(line.removeprefix("data: ")) for line in lines[:-1])
    assert not sim.requests[-1].usage_delivered


def test_a_stop_sequence_and_a_dictated_text_end_with_stop(gpt: OpenAI, sim: Simulator) -> None:
    sim.answer("one two three")
    choice = gpt.completions.create(model=INSTRUCT, prompt="Count", stop=" three").choices[0]
    assert (choice.text, choice.finish_reason) == ("one two", "stop")


@pytest.mark.parametrize("body", [{"n": 3, "best_of": 2}, {"best_of": 2, "stream": True}, {"max_tokens": 0}], ids=str)
def test_choices_that_contradict_each_other_are_refused(body: Any, gpt: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        gpt.completions.create(model=INSTRUCT, prompt="x", **body)


@pytest.mark.parametrize("path", ["/embeddings", "/completions"])
def test_faults_happen_here_too(path: str, gpt: OpenAI, sim: Simulator) -> None:
    body = {"model": SMALL, "input": "x", "prompt": "x"}
    for fault, error in (
        (Fault.status(429), openai.RateLimitError),
        (Fault.status(500), openai.InternalServerError),
        (Fault.reset(), openai.APIConnectionError),
        (Fault.drop(), openai.APIConnectionError),
    ):
        sim.fault(fault)
        with pytest.raises(error):
            gpt.post(path, cast_to=object, body=body)
    sim.fault(Fault.hang())
    with pytest.raises(openai.APITimeoutError):
        gpt.post(path, cast_to=object, body=body, options={"timeout": 0.2})
    assert gpt.post(path, cast_to=object, body=body)
