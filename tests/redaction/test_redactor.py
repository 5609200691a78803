"""Content as it is kept: JSON stays JSON, media become digests, and what cannot be made safe is withheld."""

import base64
import json
import random
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtrace.model import Content, Conversation
from llmtrace.redaction.fitting import MAX_BYTES, fit_text
from llmtrace.redaction.redactor import Redactor, Watch

PICTURE = random.Random(1).randbytes(3000)
PLAIN = base64.b64encode(PICTURE).decode()
DIGEST = {"bytes": 3000, "sha256": sha256(PICTURE).hexdigest()}


def cleaned(value: Any, redactor: Redactor | None = None) -> Any:
    return json.loads((redactor or Redactor()).json_text(json.dumps(value), Watch()))


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PLAIN}"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PLAIN}},
        {"inlineData": {"mimeType": "image/png", "data": PLAIN}},
        {"inline_data": {"mime_type": "image/png", "data": PLAIN}},
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": PLAIN},
        {"type": "file", "file": {"file_data": f"data:image/png;base64,{PLAIN}", "filename": "a.png"}},
    ],
    ids=["openai", "anthropic", "gemini", "gemini sdk", "opentelemetry", "file"],
)
def test_media_become_a_digest_in_every_shape(part: dict[str, Any]) -> None:
    text = json.dumps(cleaned([{"role": "user", "parts": [part]}]))
    assert PLAIN[:40] not in text
    assert json.dumps({"media_type": "image/png", **DIGEST}) in text


def test_audio_and_media_of_no_known_type_become_a_digest_too() -> None:
    assert cleaned({"input_audio": {"data": "UklGRiQAAABXQVZF", "format": "wav"}})["input_audio"]["data"]["bytes"] == 12
    assert cleaned({"result": PLAIN})["result"] == {"media_type": "application/octet-stream", **DIGEST}


def test_a_picture_within_a_text_leaves_the_text() -> None:
    (text,) = cleaned([f"look: data:image/png;base64,{PLAIN} there"])
    assert text == f"look: [image/png, 3000 bytes, sha256 {DIGEST['sha256']}] there"


def test_words_that_could_be_base64_stay() -> None:
    assert cleaned(["harbour", "x" * 5000, {"data": "night"}]) == ["harbour", "x" * 5000, {"data": "night"}]


def test_secrets_are_found_in_strings_names_and_behind_escapes() -> None:
    key = "sk-ant-api03-" + "a1" * 20
    found = cleaned([{"text": f'line\n{key}"', "api_key": "short", key: 1, "deep": [[{"mail": "a@b.example"}]]}])
    assert found == [
        {
            "text": 'line\n[redacted:key]"',
            "api_key": "[redacted]",
            "[redacted:key]": 1,
            "deep": [[{"mail": "[redacted:email]"}]],
        }
    ]


def test_a_secret_at_the_cut_does_not_leave_its_first_half() -> None:
    card = "4111 1111 1111 1111"
    for before in range(32 * 1024 - 24, 32 * 1024 + 4):
        (text,) = cleaned(["x" * before + " " + card + " " + "y" * 200_000])
        assert "4111" not in text


# What a secret, or media, may stand in.
FRAGMENTS = (
    "sk-ant-api03-" + "a1" * 20, "x@example.org", "password: hunter22", "4111 1111 1111 1111", "Bearer abcdefgh12",
    "a" * 20, "https://u:pw@host/", "key=1234567", "-----BEGIN PRIVATE KEY-----\nMIIE", PLAIN, PLAIN[:900],
    f"data:image/png;base64,{PLAIN}",
    "prose, and more of it", "\n", "=", ":", "é", "\ud800", "basic dTpwYXNzd29yZA==", "",
)  # fmt: skip
NAMES = ("content", "text", "data", "media_type", "format", "api_key", "password", "type", "sk-ant-api03-" + "b2" * 20)
JSON = st.recursive(
    st.lists(st.sampled_from(FRAGMENTS), max_size=4).map(" ".join)
    | st.sampled_from([None, True, 1.5, 7, 4111111111111111, -4111111111111111, 10**17]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@given(value=JSON)
def test_one_look_at_all_texts_finds_whatever_a_close_one_does(value: Any) -> None:
    text = json.dumps(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("llmtrace.redaction.redactor._is_clean", lambda outline, searched: False)
        closely = Redactor().json_text(text, Watch(60.0))
    assert Redactor().json_text(text, Watch(60.0)) == closely


def test_a_card_is_found_where_it_is_a_number() -> None:
    assert cleaned({"card": 4111111111111111, "order": 4111111111111112, "at_ms": 1763600000000}) == {
        "card": "[redacted:card]",
        "order": 4111111111111112,
        "at_ms": 1763600000000,
    }


def test_what_is_nested_without_end_is_cut() -> None:
    value: Any = "sk-ant-api03-" + "a1" * 20
    for _ in range(200):
        value = [value]
    assert "sk-ant" not in json.dumps(cleaned(value))


@pytest.mark.expects_warning
def test_content_is_withheld_with_the_reason_where_redaction_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("llmtrace.redaction.redactor.plan", fail)
    content = Redactor().content(Conversation(input_messages=["a"], output_messages=["b"]))
    assert content == Content(withheld="redaction failed: RuntimeError")


@pytest.mark.expects_warning
def test_content_is_withheld_where_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmtrace.redaction.redactor.LIMIT_S", -1.0)
    monkeypatch.setattr(Watch.__init__, "__defaults__", (-1.0,))
    assert "ms" in str(Redactor().content(Conversation(input_messages=["a"])).withheld)


@pytest.mark.expects_warning
def test_a_wrong_pattern_withholds_content_and_spares_figures() -> None:
    redactor = Redactor(problem="llmtrace.toml, line 3: '(' is no regular expression")
    assert "line 3" in str(redactor.content(Conversation(input_messages=["a"])).withheld)
    assert redactor.attribute("gen_ai.request.model", "gpt-4o", Watch()) == "gpt-4o"


@pytest.mark.parametrize("character", ["😀", "é", "x", "漢"])
@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize("over", [-5, 0, 1, 500])
def test_text_is_cut_between_characters(character: str, shift: int, over: int) -> None:
    text = "a" * shift + character * ((MAX_BYTES + over - shift) // len(character.encode()))
    cut = fit_text(text)
    assert len(cut.encode()) <= MAX_BYTES
    assert cut == text or (cut.endswith("…[cut]") and text.startswith(cut.removesuffix("…[cut]")))


def test_a_text_that_is_clean_as_a_user_is_none_as_a_tag() -> None:
    redactor = Redactor()
    for _ in range(3):
        for name in ("user.id", "llmtrace.tag.note"):
            found = redactor.attributes({name: "bob@example.org", "llmtrace.origin.module": "shop.search"})
            assert found[name] == ("bob@example.org" if name == "user.id" else "[redacted:email]")


def test_a_secret_is_found_however_often_it_comes() -> None:
    redactor, key = Redactor(), "sk-ant-api03-" + "a1" * 20
    for number in range(5000):
        found = redactor.attributes({"llmtrace.tag.n": f"order {number}", "llmtrace.tag.key": key, "user.id": key})
        assert found == {
            "llmtrace.tag.n": f"order {number}",
            "llmtrace.tag.key": "[redacted:key]",
            "user.id": "[redacted:key]",
        }


def test_users_are_told_apart_and_their_keys_are_not_kept() -> None:
    redactor = Redactor()
    assert redactor.attribute("user.id", "bob@example.org", Watch()) == "bob@example.org"
    assert redactor.attribute("user.id", "sk-ant-api03-" + "a1" * 20, Watch()) == "[redacted:key]"
    assert redactor.attribute("note", "bob@example.org", Watch()) == "[redacted:email]"
    assert redactor.attribute("server.address", "bob:pw@host.internal", Watch()) == "host.internal"
