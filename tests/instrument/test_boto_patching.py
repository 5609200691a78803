"""What is patched of boto3, when, and what is left alone."""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import pytest
from boto_calls import HAIKU, MESSAGES, TALK, one
from botocore.stub import Stubber
from conftest import recorded_calls

import llmtrace
from llmtrace.simulator import Simulator


def test_clients_made_before_are_recorded_and_uninstrument_gives_everything_back(
    make_boto: Callable[..., Any], home: Path
) -> None:
    import botocore.client
    import botocore.endpoint

    def attributes() -> list[Any]:
        owners: list[Any] = [botocore.client.BaseClient, botocore.endpoint.Endpoint]
        return [owner.__dict__.get(n) for owner in owners for n in ("_make_api_call", "_get_response", "_needs_retry")]

    before, client = attributes(), make_boto()
    llmtrace.instrument(home=home)
    llmtrace.instrument(home=home)
    client.converse(**TALK)
    open_stream = client.converse_stream(**TALK)["stream"]
    llmtrace.uninstrument()
    assert attributes() == before
    client.converse(**TALK)
    assert list(open_stream)
    calls = recorded_calls(home)
    assert [(c.request.stream, c.status, c.usage_source) for c in calls] == [
        (False, "ok", "provider"),
        (True, "ok", "provider"),
    ]


def test_other_services_and_other_operations_are_no_calls(
    make_boto: Callable[..., Any], simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    s3 = boto3.client(
        "s3", region_name="us-east-1", endpoint_url=simulator.url, aws_access_key_id="a", aws_secret_access_key="b"
    )
    with pytest.raises(botocore.exceptions.ClientError):
        s3.get_object(Bucket="b", Key="k")
    s3.close()
    with pytest.raises(botocore.exceptions.ClientError):
        make_boto().count_tokens(modelId=HAIKU, input={"converse": {"messages": MESSAGES}})
    assert recorded_calls(home) == []


@pytest.mark.parametrize("order", ["before", "after"])
def test_boto3_is_not_imported_and_may_come_in_any_order(order: str, simulator: Simulator, home: Path) -> None:
    script = """
        import sys, llmtrace
        if sys.argv[2] == "before":
            import boto3
        llmtrace.instrument()
        assert ("botocore" in sys.modules) == (sys.argv[2] == "before")
        import boto3
        client = boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=sys.argv[1],
                              aws_access_key_id="a", aws_secret_access_key="b")
        client.converse(modelId="amazon.nova-lite-v1:0", messages=[{"role": "user", "content": [{"text": "hi"}]}])
        print("answered")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), simulator.bedrock_endpoint_url, order],
        capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home.parent), "LLMTRACE_HOME": str(home)},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "answered\n", "")
    assert one(home).request.model == "amazon.nova-lite-v1:0"


@pytest.mark.expects_warning
def test_a_botocore_without_the_choke_point_is_told_of_once_and_left_alone(
    make_boto: Callable[..., Any], home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import botocore.client

    original = botocore.client.BaseClient._make_api_call
    monkeypatch.delattr(botocore.client.BaseClient, "_make_api_call")
    llmtrace.instrument(home=home)
    assert [r.getMessage() for r in caplog.records if r.name == "llmtrace"] == [
        "llmtrace does not know this release of botocore: its calls are not recorded"
    ]
    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", original, raising=False)
    assert make_boto().converse(**TALK)["stopReason"]
    assert recorded_calls(home) == []


def test_only_the_named_sdks_are_patched(make_boto: Callable[..., Any], home: Path) -> None:
    llmtrace.instrument(home=home, providers=["openai"])
    make_boto().converse(**TALK)
    assert recorded_calls(home) == []


def test_an_answer_of_a_stub_is_no_call(make_boto: Callable[..., Any], simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    client = make_boto()
    with Stubber(client) as stubber:
        stubber.add_response("converse", {
            "output": {"message": {"role": "assistant", "content": [{"text": "Boats."}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
            "metrics": {"latencyMs": 1},
        })  # fmt: skip
        assert client.converse(**TALK)["stopReason"] == "end_turn"
    assert simulator.requests == []
    assert recorded_calls(home) == []
