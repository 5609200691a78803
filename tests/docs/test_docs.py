"""The documentation names what there is: nothing missing, nothing that is gone."""

import ast
import re
from pathlib import Path
from typing import Any

import docs_reference as reference
import pytest

from llmtrace import config, semconv
from llmtrace import fields as tables

REWRITE = "python tests/docs_reference.py writes it anew"
NAME = re.compile(r"`([^`]+)`")
# Names in semconv.py that are no attributes.
NO_ATTRIBUTES = {"SCHEMA_URL", "SCOPE_NAME"}


@pytest.mark.parametrize("name", reference.FILES)
def test_what_is_made_from_the_code_is_what_the_code_says(name: str) -> None:
    made, written = reference.FILES[name](), reference.read_blocks(name)
    missing = sorted(made.keys() - written.keys())
    gone = sorted(written.keys() - made.keys())
    stale = sorted(block for block in made.keys() & written.keys() if made[block] != written[block])
    assert not missing, f"docs/{name} lacks {missing}: {REWRITE}"
    assert not gone, f"docs/{name} still has {gone}: {REWRITE}"
    assert not stale, f"docs/{name} is not up to date in {stale}: {REWRITE}"


def test_every_question_parameter_and_column_stands_in_the_documentation() -> None:
    text = (reference.DOCS / "questions.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### (\w+)$", text, re.MULTILINE)
    assert headings == [q["name"] for q in reference.catalogue()["questions"]]
    assert "None" not in text, "something is not described: llmtrace/analytics/catalogue.py"


def test_every_command_has_a_heading_and_an_example_or_a_word() -> None:
    text = (reference.DOCS / "commands.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#{2,3} (llmtrace .+)$", text, re.MULTILINE)
    commands = [path for path, _ in reference.walk(reference.cli)]
    assert sorted(headings) == sorted(commands), f"docs/commands.md: {set(commands) ^ set(headings)}"


def documented(name: str) -> set[str]:
    """The names in the first column of the tables of the file NAME."""
    text = (reference.DOCS / name).read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in reference.BLOCK.sub("", text).splitlines() if line.startswith("| `")]
    return {found for row in rows for found in NAME.findall(row)}


def test_every_attribute_that_is_written_is_documented() -> None:
    names = {
        value.removesuffix(".") + ".*" if value.endswith(".") else value
        for name, value in vars(semconv).items()
        if name.isupper() and name not in NO_ATTRIBUTES and isinstance(value, str)
    } - {semconv.DEPLOYMENT_ENVIRONMENT_OLD}
    there = documented("attributes.md")
    assert not names - there, f"docs/attributes.md lacks {sorted(names - there)}"
    assert not there - names, f"docs/attributes.md still has {sorted(there - names)}"


def test_every_attribute_that_the_codec_writes_is_one_of_semconv() -> None:
    fields = (
        tables.REQUEST_FIELDS,
        tables.RESPONSE_FIELDS,
        tables.USAGE_FIELDS,
        tables.CALL_FIELDS,
        tables.CONTENT_FIELDS,
    )
    assert {attribute for group in fields for attribute, _, _ in group} <= documented("attributes.md")


def test_every_environment_variable_that_is_read_is_documented() -> None:
    tree = ast.parse(Path(config.__file__).read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    read = {text for text in texts if re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", text)}
    there = documented("environment.md")
    assert "LLMTRACE_HOME" in read
    assert not read - there, f"docs/environment.md lacks {sorted(read - there)}"
    assert not there - read, f"docs/environment.md still has {sorted(there - read)}, which config.py does not read"


@pytest.mark.parametrize("fault", reference.read_faults(), ids=lambda f: f["fault"])
def test_every_test_that_shows_what_becomes_of_a_fault_is_there(fault: dict[str, Any]) -> None:
    assert fault["tests"], "a promise without a test"
    for test in fault["tests"]:
        path, _, function = test.partition("::")
        tree = ast.parse((reference.FAULTS.parent / path).read_text(encoding="utf-8"))
        assert function in {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}, test


@pytest.mark.parametrize("name", sorted(path.name for path in reference.DOCS.glob("*.md")))
def test_links_lead_somewhere(name: str) -> None:
    text = (reference.DOCS / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, anchor = target.partition("#")
        linked = reference.DOCS / (file or name)
        if target.startswith("http"):
            continue
        assert linked.exists(), f"docs/{name} links to {target}"
        assert not anchor or anchor in anchors_of(linked), f"docs/{name} links to {target}"


def anchors_of(page: Path) -> set[str]:
    """What the headings of PAGE are linked by."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
