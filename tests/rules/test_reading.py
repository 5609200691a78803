"""A configuration file is refused whole, with the line and the reason; what was in force before stays."""

import json
import logging
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from llmtrace import resources
from llmtrace.errors import ConfigFileError
from llmtrace.rules import FIELDS, CurrentRules, read_rules
from llmtrace.rules.reading import SCHEMA, SCHEMAS_PACKAGE, parse_rules

GOOD = '[[rules]]\nfeature = "search"\nroute = "/search*"\n'
BAD = {
    "rules = 3": (1, "not of type 'array'"),
    "rulez = 3": (1, "there is no 'rulez' here; there is budgets, privacy, rules"),
    '[[rules]]\nfeature = "a\n': (2, "this is no TOML"),
    '[[rules]]\nfeature = "a"\nfeature = "b"\n': (3, "this is no TOML"),
    '[[rules]]\nfeature = "a"\n': (1, "needs a pattern for one of route, task"),
    '[[rules]]\nroute = "/a"\n': (1, "'feature' is a required property"),
    GOOD + '\n# more\n[[rules]]\nfeature = "b"\nroutes = "/y"\n': (8, "there is no 'routes' here"),
    GOOD + '[[rules]]\nfeature = "b"\nroute = ""\n': (6, "a pattern is a text, or a list of texts"),
    GOOD + '[[rules]]\nfeature = "b"\ntag.team = 7\n': (6, "a pattern is a text, or a list of texts"),
    GOOD + '[[rules]]\nroute = "/y"\nfeature = "{1}"\n': (6, "feature has {1} in it, and the patterns have 0 '*'"),
    GOOD + '[[rules]]\nfeature = "{1}"\nroute = ["/y", "/z*"]\n': (6, "all patterns of one field need as many '*'"),
    '[[rules]]\nname = "x"\n' + GOOD[10:] + '[[rules]]\nname = "x"\n' + GOOD[10:]: (6, "another rule is called 'x'"),
}


@pytest.mark.parametrize("text", BAD)
def test_a_mistake_is_told_with_its_line_and_reason(text: str) -> None:
    with pytest.raises(ConfigFileError) as err:
        parse_rules(text, "f.toml")
    line, reason = BAD[text]
    assert err.value.line == line
    assert reason in err.value.reason
    assert str(err.value).startswith(f"f.toml, line {line}: ")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    for name, data, reason in (
        ("missing", None, "no such file"),
        ("binary", b"# \xff\n", "not UTF-8"),
        ("large", b"#" * 1_100_000, "larger than"),
    ):
        path = tmp_path / name
        if data is not None:
            path.write_bytes(data)
        with pytest.raises(ConfigFileError, match=reason):
            read_rules(path)


def test_the_schema_knows_every_field_that_a_rule_may_be_about() -> None:
    schema = json.loads(resources.read_text(SCHEMAS_PACKAGE, SCHEMA))
    Draft202012Validator.check_schema(schema)
    known = set(schema["$defs"]["rule"]["properties"])
    assert known == {*FIELDS, "tag", "name", "feature"}
    assert {r["required"][0] for r in schema["$defs"]["rule"]["anyOf"]} == {*FIELDS, "tag"}


def test_an_empty_file_or_none_holds_no_rules(home: Path) -> None:
    current = CurrentRules(home)
    assert (current.rules().rules, current.problem) == ((), None)
    home.mkdir()
    (home / "llmtrace.toml").write_text("# nothing yet\n")
    assert (current.rules().rules, current.problem) == ((), None)


@pytest.mark.expects_warning
def test_a_bad_file_leaves_in_force_what_was(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    home.mkdir()
    file = home / "llmtrace.toml"
    file.write_text(GOOD)
    current = CurrentRules(home)
    assert [r.feature for r in current.rules().rules] == ["search"]
    with caplog.at_level(logging.WARNING, "llmtrace"):
        file.write_text(GOOD + "[[rules]]\n")
        assert [r.feature for r in current.rules().rules] == ["search"]
        current.rules()
    assert current.problem is not None
    assert "line 4" in current.problem
    assert len(caplog.records) == 1
    file.write_text(GOOD.replace("search", "find"))
    assert ([r.feature for r in current.rules().rules], current.problem) == (["find"], None)


@pytest.mark.expects_warning
def test_a_file_that_the_environment_names_must_be_there(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMTRACE_CONFIG", str(tmp_path / "mine.toml"))
    current = CurrentRules(home)
    assert current.rules().rules == ()
    assert "no such file" in str(current.problem)
    (tmp_path / "mine.toml").write_text(GOOD)
    assert (len(current.rules().rules), current.problem) == (1, None)


def test_rules_stand_beside_budgets_and_privacy(tmp_path: Path) -> None:
    text = '[privacy]\nredact = ["K-[0-9]+"]\n[[budgets]]\nusd = 5\n[[rules]]\nroute = "/search*"\nfeature = "search"\n'
    (tmp_path / "llmtrace.toml").write_text(text)
    assert len(read_rules(tmp_path / "llmtrace.toml").rules) == 1
