"""Patterns of one's own: which are taken, what they find, and what a wrong one does."""

from pathlib import Path

import pytest

from llmtrace.errors import ConfigError
from llmtrace.model import Conversation
from llmtrace.redaction.configured import own_patterns, redaction_problems
from llmtrace.redaction.own import LONGEST_MATCH, compile_pattern, windows
from llmtrace.redaction.redactor import Redactor


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("(", "no regular expression"),
        ("a*", "matches the empty text"),
        ("(a+)+b", "a repeat inside a repeat"),
        (r"(?:\w+\.)+com", "a repeat inside a repeat"),
        ("(?:a{0,99}){0,99}b", "a repeat inside a repeat"),
        (".*a.*b.*c", "more than 2 open repeats"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_with_its_place(pattern: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as raised:
        compile_pattern(pattern, "llmtrace.toml, line 3")
    assert str(raised.value).startswith("llmtrace.toml, line 3: ")


@pytest.mark.parametrize(
    "pattern", [r"EMP-\d{6}", r"\b[A-Z]{2}\d{9}\b", r"(?:\w++\.)+com", r"(?i)project\s+\w+", "ab|cd"]
)
def test_patterns_that_end_are_taken(pattern: str) -> None:
    assert compile_pattern(pattern, "here").pattern.pattern == pattern


def test_a_match_is_found_wherever_the_windows_cut() -> None:
    secret = "EMP-" + "7" * (LONGEST_MATCH - 4)
    redactor = Redactor((compile_pattern(r"EMP-7{252}", "here"),))
    for before in range(0, 3000, 97):
        content = redactor.content(Conversation(input_messages=["x " * (before // 2) + secret + " end"]))
        assert content.input_messages is not None
        assert "EMP" not in content.input_messages
        assert content.input_messages.endswith('[redacted:own] end"]')


def test_windows_hold_the_whole_text() -> None:
    text = "".join(chr(97 + i % 26) for i in range(5000))
    assert {start + i for start, piece in windows(text) for i in range(len(piece))} == set(range(5000))
    assert all(text[start : start + len(piece)] == piece for start, piece in windows(text))


def test_patterns_come_from_the_file_and_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "llmtrace.toml").write_text("[privacy]\nredact = ['EMP-\\d{6}', 'ACME']\n")
    monkeypatch.setenv("LLMTRACE_REDACT", "one\n\ntwo")
    assert [p.pattern.pattern for p in own_patterns(tmp_path)] == ["one", "two", r"EMP-\d{6}", "ACME"]


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("[privacy]\n\nredact = ['(']", 3, "no regular expression"),
        ("[privacy]\nredact = 'x'", 2, "a list of regular expressions"),
        ("[privacy]\nredakt = ['x']", 2, "has no key 'redakt'"),
        ("x = 1\n[privacy", 2, "no TOML"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line(tmp_path: Path, text: str, line: int, complaint: str) -> None:
    (tmp_path / "llmtrace.toml").write_text(text)
    (problem,) = redaction_problems(tmp_path)
    assert f"llmtrace.toml, line {line}" in problem
    assert complaint in problem


@pytest.mark.expects_warning
def test_a_slow_pattern_withholds_content_and_is_not_tried_again() -> None:
    redactor = Redactor((compile_pattern("a.*a.*b", "llmtrace.toml, line 2"),))
    slow = Conversation(input_messages=["a" * 60_000])
    first = redactor.content(slow)
    assert (first.input_messages, first.withheld) == (None, "redaction took more than 50 ms")
    assert redactor.content(Conversation(input_messages=["short"])).withheld == (
        "a pattern of one's own is too slow (llmtrace.toml, line 2)"
    )
