"""The parts of `docs/` that are made from the code: between `<!-- begin X -->` and `<!-- end X -->`.

`python tests/docs_reference.py` writes them anew; the tests compare.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import sdk_methods
import yaml

from llmtrace.analytics.catalogue import catalogue
from llmtrace.analytics.columns import RELATIONS
from llmtrace.analytics.relations import BATCHES, CALLS_ALL, CONTENTS, COST_ITEMS, SPANS
from llmtrace.analytics.tables import CALLS
from llmtrace.cli import cli, options

DOCS = Path(__file__).parents[1] / "docs"
FAULTS = Path(__file__).with_name("faults.yaml")
BLOCK = re.compile(r"<!-- begin (?P<name>[^>]+?) -->\n(?P<body>.*?)<!-- end (?P=name) -->\n", re.DOTALL)
TABLES = {t.get_name(): t for t in (CALLS, CALLS_ALL, COST_ITEMS, SPANS, CONTENTS, BATCHES)}
TYPES = {"string": "text", "float64": "number", "boolean": "true or false", "json": "JSON", "timestamp": "time (UTC)"}


def command_blocks() -> dict[str, str]:
    """What `docs/commands.md` says of each command's options, and of the options that many have."""
    shared = {name: _options_of(decorate) for name, decorate in SHARED.items()}
    blocks = {f"options {name}": _option_table(found) for name, found in shared.items()}
    for path, command in walk(cli):
        blocks[f"command {path}"] = _command_block(path, command, shared)
    return blocks


SHARED = {"place": options.place, "sidecar": options.sidecar, "filters": options.filtering}
SENTENCES = {
    "place": "[which database](#which-database)",
    "sidecar": "[a sidecar elsewhere](#a-sidecar-elsewhere)",
    "filters": "[filters](#filters)",
}


def walk(group: click.Group, path: str = "llmtrace") -> Iterator[tuple[str, click.Command]]:
    """Every command below GROUP with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from walk(command, f"{path} {name}")


def _options_of(decorate: Any) -> list[click.Option]:
    @click.command
    @decorate
    def probe() -> None:
        pass

    return [p for p in probe.params if isinstance(p, click.Option)]


def _command_block(path: str, command: click.Command, shared: Mapping[str, list[click.Option]]) -> str:
    arguments = [p.make_metavar(click.Context(command)) for p in command.params if isinstance(p, click.Argument)]
    rest = "COMMAND" if isinstance(command, click.Group) else "[OPTIONS]"
    lines = [" ".join((command.help or "").split()), "", f"    {' '.join([path, *arguments, rest])}", ""]
    mine = {_spelling(p): p for p in command.params if isinstance(p, click.Option)}
    taken = []
    for name, group in shared.items():
        if all(_same(mine.get(_spelling(o)), o) for o in group):
            taken.append(SENTENCES[name])
            for option in group:
                del mine[_spelling(option)]
    if mine:
        lines += [_option_table(list(mine.values()))]
    if taken:
        lines += [f"Takes {', '.join(taken)}{' as well' if mine else ''}.", ""]
    return "\n".join(lines)


def _same(option: click.Option | None, other: click.Option) -> bool:
    return option is not None and option.help == other.help


def _spelling(option: click.Option) -> str:
    return ", ".join([*option.opts, *option.secondary_opts])


def _option_table(found: list[click.Option]) -> str:
    rows = []
    for option in found:
        value = "" if option.is_flag else f" {option.make_metavar(click.Context(cli))}"
        notes = [option.help or ""]
        if option.required:
            notes.append("Needed.")
        if option.show_default and option.default is not None:
            notes.append(f"Default: `{option.default}`.")
        rows.append((f"`{_spelling(option)}{value}`".replace("|", "\\|"), " ".join(notes).replace("|", "\\|")))
    return table(("option", "meaning"), rows)


def question_blocks() -> dict[str, str]:
    """What `docs/questions.md` says of the questions and of the filter."""
    listed = catalogue()
    parts = []
    for question in listed["questions"]:
        parts += [f"### {question['name']}", "", question["description"], ""]
        if question["parameters"]:
            rows = [
                (f"`{p['name']}`", p["type"], "" if p["default"] is None else f"`{p['default']}`", p["description"])
                for p in question["parameters"]
            ]
            parts += [table(("parameter", "type", "default", "meaning"), rows)]
        relation = next((n for n, r in RELATIONS.items() if set(r) == {c["name"] for c in question["columns"]}), None)
        if relation is not None:
            parts += [f"Its columns are [those of `{relation}`](attributes.md#{relation}).", ""]
        else:
            rows = [(f"`{c['name']}`", c["type"], c["description"]) for c in question["columns"]]
            parts += [table(("column", "type", "meaning"), rows)]
    filters = table(("filter", "meaning"), [(f"`{f['name']}`", f["description"]) for f in listed["filters"]])
    return {"questions": "\n".join(parts), "filters": filters}


def column_blocks() -> dict[str, str]:
    """What `docs/attributes.md` says of the columns of each relation; of `calls_all` only what `calls` lacks."""
    blocks = {}
    for relation, described in RELATIONS.items():
        rows = [
            (f"`{name}`", TYPES.get(str(kind), str(kind)), described.get(name))
            for name, kind in TABLES[relation].schema().items()
            if relation != "calls_all" or name not in CALLS.columns
        ]
        blocks[f"columns {relation}"] = table(("column", "type", "meaning"), rows)
    return blocks


def method_blocks() -> dict[str, str]:
    """What `docs/methods.md` says of the methods of each SDK."""
    head = ("method", "endpoint", "billed by")
    return {f"methods {sdk}": table(head, list(sdk_methods.table_rows(sdk))) for sdk in sdk_methods.METHODS}


def table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(str(c) for c in row) + " |" for row in rows), ""])


def fault_blocks() -> dict[str, str]:
    """What `docs/reliability.md` says of each fault."""
    rows = [
        (f["fault"], f["wrong"], f["then"], _lines(f"`{test}`" for test in f["tests"]), _lines(f["seen_in"]))
        for f in read_faults()
    ]
    return {"faults": table(("fault", "what can go wrong", "what llmtrace does then", "tests", "seen in"), rows)}


def read_faults() -> list[dict[str, Any]]:
    """What `tests/faults.yaml` tells."""
    found: list[dict[str, Any]] = yaml.safe_load(FAULTS.read_text(encoding="utf-8"))
    return found


def _lines(items: Iterable[str]) -> str:
    return "<br>".join(items)


FILES = {
    "commands.md": command_blocks,
    "questions.md": question_blocks,
    "attributes.md": column_blocks,
    "methods.md": method_blocks,
    "reliability.md": fault_blocks,
}


def read_blocks(name: str) -> dict[str, str]:
    """The blocks that stand in the file NAME of `docs/`."""
    return {m["name"]: m["body"] for m in BLOCK.finditer((DOCS / name).read_text(encoding="utf-8"))}


def write_blocks(name: str) -> None:
    """Put what the code says now into the file NAME; new blocks at its end, where somebody will move them."""
    made, path = FILES[name](), DOCS / name
    text = path.read_text(encoding="utf-8")
    text = BLOCK.sub(lambda m: _block(m["name"], made[m["name"]]) if m["name"] in made else "", text)
    for new in made.keys() - read_blocks(name).keys():
        text += f"\n## {new.removeprefix('command ')}\n\n{_block(new, made[new])}"
    path.write_text(text, encoding="utf-8")


def _block(name: str, body: str) -> str:
    return f"<!-- begin {name} -->\n{body}<!-- end {name} -->\n"


if __name__ == "__main__":
    for file in sys.argv[1:] or FILES:
        write_blocks(file)
