"""Every release of the SDKs that is named here, each in an environment of its own, does with llmtrace what it does
without; what was found is written to `docs/releases.md`.

    pytest -m matrix

The environments are made once, below LLMTRACE_MATRIX_VENVS (default: ~/.cache/llmtrace-matrix).
"""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "releases.md"
BEHAVIOURS = Path(__file__).parent / "behaviours.py"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NEEDED: list[str] = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["http"]]
FOLDER = Path(os.environ.get("LLMTRACE_MATRIX_VENVS", "~/.cache/llmtrace-matrix")).expanduser()

# SDK, release, and what else it needs. The oldest two pass httpx an argument that 0.28 took away.
RELEASES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("openai", "1.30.5", ("httpx<0.28",)),
    ("openai", "1.99.9", ()),
    ("openai", "2.0.0", ()),
    ("openai", "2.54.0", ()),
    ("openai", "3.0.0", ()),
    ("openai", "newest", ()),
    ("anthropic", "0.25.9", ("httpx<0.28",)),
    ("anthropic", "0.60.0", ()),
    ("anthropic", "0.125.0", ()),
    ("anthropic", "1.0.0", ()),
    ("anthropic", "1.17.0", ()),
    ("anthropic", "newest", ()),
)
HEADER = """# SDK releases

Each behaviour is run twice against the simulator, bare and with llmtrace: the caller sees the same objects, exceptions
and requests, and the journal has the call once, as it ended. `n/a`: the release has no such method, or the provider no
such option. Written by `pytest -m matrix`.
"""

pytestmark = [pytest.mark.matrix, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def found() -> Iterator[dict[tuple[str, str], dict[str, Any]]]:
    """What each release did; written down in the end, where all of them ran."""
    results: dict[tuple[str, str], dict[str, Any]] = {}
    yield results
    if len(results) == len(RELEASES):
        TABLE.write_text(HEADER + "".join("\n" + table(sdk, results) for sdk in ("openai", "anthropic")))


def table(sdk: str, results: dict[tuple[str, str], dict[str, Any]]) -> str:
    columns = [answer for (name, _), answer in results.items() if name == sdk]
    lines = [["behaviour", *(f"{sdk} {column['version']}" for column in columns)], ["---"] * (len(columns) + 1)]
    lines += [[name, *(short(column["results"][name]) for column in columns)] for name in columns[0]["results"]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def short(outcome: str) -> str:
    return outcome if outcome in ("yes", "n/a") else "**no**"


def interpreter(sdk: str, release: str, more: tuple[str, ...]) -> Path:
    """The interpreter of the environment for RELEASE, which is made if it is not there."""
    folder = FOLDER / f"{sdk}-{release}"
    python, ready = folder / "bin" / "python", folder / ".ready"
    wanted = [sdk if release == "newest" else f"{sdk}=={release}", *more, *NEEDED]
    if not ready.exists() or ready.read_text() != "\n".join(wanted):
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *wanted], check=True, capture_output=True)
        ready.write_text("\n".join(wanted))
    return python


@pytest.mark.parametrize(("sdk", "release", "more"), RELEASES, ids=[f"{s}-{r}" for s, r, _ in RELEASES])
def test_a_release_does_with_llmtrace_what_it_does_without(
    sdk: str,
    release: str,
    more: tuple[str, ...],
    tmp_path: Path,
    found: dict[tuple[str, str], dict[str, Any]],
) -> None:
    done = subprocess.run(
        [str(interpreter(sdk, release, more)), str(BEHAVIOURS), sdk, str(tmp_path / "home")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    answer = found[sdk, release] = json.loads(done.stdout)
    assert release in ("newest", answer["version"])
    failed = {name: outcome for name, outcome in answer["results"].items() if short(outcome) == "**no**"}
    assert failed == {}, "\n".join(failed.values())
