import base64
import hashlib
import shutil
from pathlib import Path

import pytest
import tiktoken

from llmtrace import config
from llmtrace.instrument import estimate
from llmtrace.instrument.estimate import count_tokens


@pytest.fixture(autouse=True)
def forget_counters() -> None:
    estimate._find_counter.cache_clear()


@pytest.fixture(autouse=True)
def no_encodings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "encodings"
    folder.mkdir()
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(folder))
    return folder


def test_ascii_text_counts_four_characters_to_a_token() -> None:
    assert count_tokens(["abcd" * 25], "gpt-4o", is_prompt=False) == 25


def test_chinese_text_counts_more_tokens_than_its_length_suggests() -> None:
    # o200k needs about 0.6 tokens for a Chinese character
    assert count_tokens(["港口的夜晚非常安静" * 10], "gpt-4o", is_prompt=False) == pytest.approx(53, abs=2)


def test_a_prompt_costs_a_few_tokens_more_per_message() -> None:
    assert count_tokens(["a" * 40, "b" * 40], "gpt-4o", is_prompt=True) == 20 + 3 * 3


def test_nothing_is_downloaded_where_no_encoding_is_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("asked for the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    assert count_tokens(["hello there"], "gpt-4o", is_prompt=False) == 3


def test_a_damaged_encoding_is_not_used(no_encodings: Path) -> None:
    key = hashlib.sha1(config.TIKTOKEN_URL.format(name="o200k_base").encode()).hexdigest()
    (no_encodings / key).write_bytes(base64.b64encode(b"x") + b" 0\n")
    assert not config.tiktoken_encoding_is_cached("o200k_base")
    assert count_tokens(["hello there"], "gpt-4o", is_prompt=False) == 3


def test_an_intact_encoding_is_used(no_encodings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"".join(base64.b64encode(bytes([i])) + b" %d\n" % i for i in range(256))
    key = hashlib.sha1(config.TIKTOKEN_URL.format(name="o200k_base").encode()).hexdigest()
    (no_encodings / key).write_bytes(content)
    monkeypatch.setitem(config.TIKTOKEN_SHA256, "o200k_base", hashlib.sha256(content).hexdigest())
    ranks = {bytes([i]): i for i in range(256)}
    encoding = tiktoken.Encoding("bytes", pat_str=r"(?s:.)", mergeable_ranks=ranks, special_tokens={})
    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: encoding)
    assert count_tokens(["hello"], "gpt-4o", is_prompt=False) == 5
    shutil.rmtree(no_encodings)


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o-2024-08-06", "o200k_base"), ("gpt-4.1-mini", "o200k_base"), ("gpt-6.1-sol", "o200k_base"),
        ("o3", "o200k_base"), ("gpt-4-turbo", "cl100k_base"), ("gpt-4", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
    ],
)  # fmt: skip
def test_models_are_counted_with_their_encoding(model: str, encoding: str) -> None:
    assert estimate._encoding_name(model) == encoding
