"""One file, three readers: each of them takes what editors write, and says in which line a mistake is."""

from pathlib import Path

import pytest

from llmtrace.budgets.from_file import budgets_of
from llmtrace.config_file import Place, load_config_file, parse_config
from llmtrace.errors import ConfigFileError
from llmtrace.redaction.configured import own_patterns
from llmtrace.rules import read_rules

GOOD = """\
[privacy]
redact = ['EMP-[0-9]+']

[[budgets]]
feature = "search"
usd = 5

[[rules]]
feature = "search"
route = "/search*"
"""
READERS = {
    "budgets": lambda home: [b.feature for b in budgets_of(home)],
    "privacy": lambda home: [p.pattern.pattern for p in own_patterns(home)],
    "rules": lambda home: [r.feature for r in read_rules(home / "llmtrace.toml").rules],
}
FOUND = {"budgets": ["search"], "privacy": ["EMP-[0-9]+"], "rules": ["search"]}
WRITTEN = {
    "plain": GOOD.encode(),
    "byte order mark": b"\xef\xbb\xbf" + GOOD.encode(),
    "Windows": GOOD.replace("\n", "\r\n").encode(),
    "both": b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode(),
}
MISTAKES = {
    "budgets": ("usd = 5", "usd = 'x'", 6),
    "privacy": ("'EMP-[0-9]+'", "7", 2),
    "rules": ('route = "/search*"', 'route = ""', 10),
}


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("table", READERS)
def test_each_part_reads_what_any_editor_writes(tmp_path: Path, table: str, written: str) -> None:
    (tmp_path / "llmtrace.toml").write_bytes(WRITTEN[written])
    assert READERS[table](tmp_path) == FOUND[table]


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("table", READERS)
def test_each_part_names_the_line_of_its_mistake(tmp_path: Path, table: str, written: str) -> None:
    right, wrong, line = MISTAKES[table]
    (tmp_path / "llmtrace.toml").write_bytes(WRITTEN[written].replace(right.encode(), wrong.encode()))
    with pytest.raises(ConfigFileError) as raised:
        READERS[table](tmp_path)
    assert raised.value.line == line


@pytest.mark.parametrize("table", READERS)
@pytest.mark.parametrize(
    ("data", "line", "complaint"),
    [
        (b"x = 1\r\ny = = 2\r\n", 2, "no TOML"),
        (b"x = 1\n[privacy", 2, "no TOML"),
        (b"\xef\xbb\xbf# one\n# \xff\n", 2, "not UTF-8"),
        (b"\xff\xfex\x00", 1, "not UTF-8"),
        (b"#" * 1_100_000, None, "larger than"),
    ],
)
def test_each_part_says_why_a_file_cannot_be_read(
    tmp_path: Path, table: str, data: bytes, line: int | None, complaint: str
) -> None:
    (tmp_path / "llmtrace.toml").write_bytes(data)
    with pytest.raises(ConfigFileError, match=complaint) as raised:
        READERS[table](tmp_path)
    assert raised.value.line == line


def test_where_no_file_is_there_are_no_tables(tmp_path: Path) -> None:
    assert load_config_file(tmp_path / "nowhere").tables == {}
    assert load_config_file(tmp_path / "nowhere").line_of(("budgets",)) is None


@pytest.mark.parametrize(
    ("text", "place", "line"),
    [
        ("[[a]]\nx = 1\n[a.b]\ny = 2\n[[a]]\n[a.b]\ny = 3\n", ("a", 1, "b", "y"), 7),
        ("[[a]]\n[[a.b]]\nx = 1\n[[a.b]]\nx = 2\n", ("a", 0, "b", 1, "x"), 5),
        ("[[a]]\nx = 1\n[[a]]\n", ("a", 1, "x"), 3),
        ("a = [{x = 1}]\n", ("a", 0, "x"), 1),
        ("# [a]\n[ 'a' ]\n\"x\" . y = 1\n", ("a", "x", "y"), 3),
        ("x = 1\n[a]\nx = 2\n[b]\nx = 3\n", ("b", "x"), 5),
        ("a.x = 1\n", ("a", "x"), 1),
        ("[b]\nx = 1\n", ("a", "x"), None),
    ],
)
def test_the_line_is_that_of_the_key_or_of_the_nearest_around_it(text: str, place: Place, line: int | None) -> None:
    assert parse_config(text, "f.toml").line_of(place) == line
