import base64
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from serving import make_payload, serve

from llmtrace import wire


def run(home: Path, *arguments: str, stdin: bytes = b"") -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, "-m", "llmtrace", "import", "--home", str(home), "--json", *arguments],
        input=stdin,
        capture_output=True,
        timeout=60,
        env=dict(os.environ),
    )
    return done.returncode, json.loads(done.stdout or b"{}"), done.stderr.decode()


def as_json(*numbers: int) -> dict[str, Any]:
    document: dict[str, Any] = MessageToDict(wire.parse(make_payload(*numbers)))
    for span in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for name in ("traceId", "spanId"):
            span[name] = base64.b64decode(span[name]).hex()
    return document


def figures(answer: dict[str, Any]) -> tuple[int, int, int, int, int]:
    return tuple(answer[k] for k in ("spans", "stored", "already_stored", "rejected", "unreadable"))  # type: ignore[return-value]


def doctor(home: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "llmtrace", "doctor", "--home", str(home), "--json"], capture_output=True, timeout=60
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def lengths(*payloads: bytes) -> bytes:
    return b"".join(len(p).to_bytes(4, "big") + p for p in payloads)


FORMS = {
    "one.json": lambda: json.dumps(as_json(1, 2)).encode(),
    "pretty.json": lambda: json.dumps(as_json(1, 2), indent=2).encode(),
    "list.json": lambda: json.dumps([as_json(1), as_json(2)]).encode(),
    "lines.jsonl": lambda: b"\n".join(json.dumps(as_json(n)).encode() for n in (1, 2)) + b"\n\n",
    "blank first.jsonl": lambda: b"\n \n" + b"\n".join(json.dumps(as_json(n)).encode() for n in (1, 2)),
    "message.pb": lambda: make_payload(1, 2),
    "messages.pb": lambda: lengths(make_payload(1), make_payload(2)),
    "lines.jsonl.gz": lambda: gzip.compress(b"\n".join(json.dumps(as_json(n)).encode() for n in (1, 2))),
    "message.pb.gz": lambda: gzip.compress(make_payload(1, 2)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_file_is_stored(home: Path, tmp_path: Path, form: str) -> None:
    (tmp_path / form).write_bytes(FORMS[form]())
    status, answer, errors = run(home, str(tmp_path / form))
    assert (status, figures(answer), errors) == (0, (2, 2, 0, 0, 0), "")
    health = doctor(home)
    assert (health["ended"], health["stored"], health["store"]["calls"]) == (2, 2, 2)


def test_a_file_may_be_imported_again_and_the_standard_input_read(home: Path, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(as_json(1, 2)))
    assert figures(run(home, str(tmp_path / "a.json"))[1]) == (2, 2, 0, 0, 0)
    both = run(home, str(tmp_path / "a.json"), "-", stdin=json.dumps(as_json(2, 3)).encode())
    assert (both[0], figures(both[1])) == (0, (4, 1, 3, 0, 0))
    health = doctor(home)
    assert (health["ended"], health["stored"], health["dropped"]) == (6, 3, {"duplicate": 3})
    assert health["store"]["calls"] == 3


def test_bad_lines_and_bad_spans_are_told_with_their_place_and_the_rest_is_stored(home: Path, tmp_path: Path) -> None:
    bad = as_json(3, 4)
    bad["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["spanId"] = "zz"
    lines = [json.dumps(as_json(1)), '{"resourceSpans": [', "[1]", json.dumps(bad), '"text"', json.dumps(as_json(2))]
    (tmp_path / "mixed.jsonl").write_text("\n".join(lines))
    status, answer, _ = run(home, str(tmp_path / "mixed.jsonl"))
    assert (status, figures(answer)) == (1, (4, 3, 0, 1, 3))
    assert sorted(p["line"] for p in answer["problems"]) == [2, 3, 4, 5]
    assert doctor(home)["dropped"] == {"rejected": 1}
    plain = subprocess.run(
        [sys.executable, "-m", "llmtrace", "import", "--home", str(home), str(tmp_path / "mixed.jsonl")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert plain.returncode == 1
    assert plain.stdout == "4 spans: 0 stored, 3 stored already, 1 rejected\n"
    assert "mixed.jsonl:2: " in plain.stderr


@pytest.mark.parametrize(
    "content",
    [b"neither this nor that", b"{", gzip.compress(b"x" * 100)[:-4], b"\x00\x00\x00\x02\xff\xff"],
    ids=["text", "brace", "cut gzip", "bad message"],
)
def test_a_file_that_holds_no_request_is_said_to(home: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad").write_bytes(content)
    status, answer, _ = run(home, str(tmp_path / "bad"))
    assert (status, figures(answer)) == (1, (0, 0, 0, 0, 1))


def test_a_broken_first_line_costs_that_line_alone(home: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.jsonl").write_text('{"resourceSp\n' + json.dumps(as_json(1)) + "\n")
    status, answer, _ = run(home, str(tmp_path / "cut.jsonl"))
    assert (status, figures(answer)) == (1, (1, 1, 0, 0, 1))
    assert [p["line"] for p in answer["problems"]] == [1]


def test_protobuf_that_starts_like_json_is_read_as_protobuf(home: Path, tmp_path: Path) -> None:
    request = wire.parse(make_payload(1))
    (span,) = request.resource_spans[0].scope_spans[0].spans
    del span.attributes[:]
    while (size := request.ByteSize() - 2) != ord("{"):
        span.name = "x" * (len(span.name) + ord("{") - size)
        request.resource_spans[0].scope_spans[0].schema_url = ""
    (tmp_path / "odd").write_bytes(request.SerializeToString())
    assert request.SerializeToString().startswith(b"\n{")
    assert figures(run(home, str(tmp_path / "odd"))[1]) == (1, 1, 0, 0, 0)


def test_an_empty_file_holds_nothing(home: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert run(home, str(tmp_path / "empty"))[0] == 0


def test_a_file_that_is_not_there_is_a_mistake_of_usage(home: Path) -> None:
    status, _, errors = run(home, "/nowhere.json")
    assert status == 2
    assert "/nowhere.json" in errors


def test_spans_are_imported_while_a_sidecar_owns_the_database(home: Path, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(as_json(*range(1, 301))))
    with serve(home, "--token", "s3cret"):
        status, answer, errors = run(home, str(tmp_path / "a.json"))
        assert (status, figures(answer), errors) == (0, (300, 300, 0, 0, 0), "")


def test_secrets_in_a_file_are_redacted_before_anything_is_written(home: Path, tmp_path: Path) -> None:
    key = "sk-ant-api03-" + "a1B2" * 10
    document = as_json(1)
    span = document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span["attributes"].append({"key": "note", "value": {"stringValue": f"made with {key}"}})
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert figures(run(home, str(tmp_path / "a.json"))[1]) == (1, 1, 0, 0, 0)
    written = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert key.encode() not in written
    assert b"made with [redacted:key]" in written
