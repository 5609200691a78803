"""The command line among other commands: pipes, disks, terminals, completion."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import llmtrace
from samples import make_call

from llmtrace.demo.seed import write_calls
from llmtrace.release import VERSION

COMMANDS = (
    "report",
    "report --json",
    "query 'SELECT * FROM calls'",
    "export --format csv --out -",
    "prices show gpt-4o",
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("filled")
    long = "a-feature-with-a-name-that-is-longer-than-any-column-of-a-table-would-be-in-a-terminal"
    write_calls(home, [(make_call(n, feature=long if n == 1 else f"feature-{n}"), {}) for n in range(1, 4)])
    yield home


def shell(command: str, home: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run COMMAND in bash, where `llmtrace` is ours; it fails as any part of a pipe fails."""
    script = f'set -o pipefail; llmtrace() {{ {sys.executable} -m llmtrace "$@"; }}; {command}'
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "LLMTRACE_HOME": str(home), **environment}
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, env=env, check=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_leaves_is_no_failure(command: str, filled: Path) -> None:
    done = shell(f"llmtrace {command} | true", filled)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_is_told_in_a_line(command: str, filled: Path) -> None:
    done = shell(f"llmtrace {command} > /dev/full", filled)
    assert (done.returncode, done.stderr) == (3, "llmtrace: No space left on device\n")


def test_lines_in_a_pipe_are_whole_and_plain(filled: Path) -> None:
    lines = shell("llmtrace report | cat", filled).stdout.splitlines()
    assert len(lines) == 7, "a head, three features, a total and two lines below"
    assert any(line.startswith("a-feature-with-a-name-that-is-longer") and "$0.0035" in line for line in lines)
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize("columns", [60, 80, 96, 110])
def test_a_table_fits_its_terminal_without_folding_names(columns: int, tmp_path: Path) -> None:
    write_calls(tmp_path, [(make_call(1, feature="summarize-reviews", ttft_s=0.1), {})])
    lines = llmtrace("report", home=tmp_path, columns=columns).stdout.splitlines()
    assert max(map(len, lines[:3])) <= columns
    assert lines[1].startswith("summarize-reviews ")
    assert "$0.0035" in lines[1]


def test_a_terminal_without_our_signs_shows_others(filled: Path) -> None:
    done = shell("llmtrace report", filled, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "estimates, not invoices" in done.stdout


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("llmtrace exprot", "Did you mean 'export'?"),
        ("llmtrace report --featur x", "--feature"),
        ("llmtrace prices sho x", "Did you mean 'show'?"),
    ],
)
def test_a_near_miss_is_told(command: str, message: str, filled: Path) -> None:
    done = shell(command, filled)
    assert (done.returncode, message in done.stderr) == (2, True)


def test_the_shell_may_complete_commands(filled: Path) -> None:
    done = shell("llmtrace", filled, _LLMTRACE_COMPLETE="bash_complete", COMP_WORDS="llmtrace ex", COMP_CWORD="1")
    assert done.stdout.split() == ["plain,explain", "plain,export"]


def test_the_version_is_that_of_the_package(filled: Path) -> None:
    assert shell("llmtrace --version", filled).stdout == f"llmtrace, version {VERSION}\n"
