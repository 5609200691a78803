"""What is built is what stands in the checkout, and what is installed is what the extras promise."""

import fnmatch
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = {"llmtrace": "llmtrace", "llmtrace.dashboard": "dashboard", "llmtrace.schemas": "schemas"}
NOT_SHIPPED = {"__pycache__"}


def package_folders() -> dict[str, Path]:
    """Every package on disk, by the name it is installed under."""
    found = {}
    for name, folder in FOLDERS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            parts = init.parent.relative_to(ROOT / folder).parts
            found[".".join((name, *parts))] = init.parent
    return found


def data_files() -> set[str]:
    names = set()
    for folder in FOLDERS.values():
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix != ".py" and NOT_SHIPPED.isdisjoint(path.parts):
                names.add(str(path.relative_to(ROOT)))
    return names


def test_every_package_on_disk_is_listed() -> None:
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted(package_folders())


def test_every_data_file_is_listed() -> None:
    folders = package_folders()
    patterns = [
        f"{folders[package].relative_to(ROOT)}/{pattern}"
        for package, globs in PROJECT["tool"]["setuptools"]["package-data"].items()
        for pattern in globs
    ]
    assert {f for f in data_files() if not any(fnmatch.fnmatch(f, p) for p in patterns)} == set()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    target = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(target), str(ROOT)]
    # Not in `build/` of the checkout, where modules stay that were moved or deleted since.
    place = tmp_path_factory.mktemp("build") / "place.cfg"
    place.write_text(f"[build]\nbuild_base = {place.parent}\n")
    subprocess.run(build, check=True, capture_output=True, env={**os.environ, "DIST_EXTRA_CONFIG": str(place)})
    (path,) = target.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_one_package_with_all_of_it(wheel: zipfile.ZipFile) -> None:
    names = {n for n in wheel.namelist() if ".dist-info/" not in n}
    assert {n.split("/")[0] for n in names} == {"llmtrace"}
    on_disk = set()
    for package, folder in package_folders().items():
        for path in folder.glob("*.py"):
            on_disk.add(f"{package.replace('.', '/')}/{path.name}")
    assert {n for n in names if n.endswith(".py")} == on_disk
    assert {"llmtrace/py.typed", "llmtrace/schemas/duckdb/0001_initial.sql", "llmtrace/dashboard/favicon.svg"} <= names
    assert {"llmtrace/pricing/prices/openai.yaml", "llmtrace/pricing/prices/anthropic.yaml"} <= names


def test_the_wheel_runs_nothing_when_an_interpreter_starts(wheel: zipfile.ZipFile) -> None:
    assert [n for n in wheel.namelist() if n.endswith(".pth")] == []


def test_the_base_install_is_the_apps_side_only() -> None:
    base = " ".join(PROJECT["project"]["dependencies"])
    heavy = ("duckdb", "pandas", "pyarrow", "streamlit", "plotly", "ibis", "openai", "anthropic", "litellm", "rich")
    assert [name for name in heavy if name in base] == []
    assert set(PROJECT["project"]["optional-dependencies"]) == {
        "server",
        "dashboard",
        "clickhouse",
        "demo",
        "http",
        "genai-prices",
        "all",
    }


def test_the_versions_agree() -> None:
    import llmtrace

    assert llmtrace.__version__ == PROJECT["project"]["version"]
    assert f"## {llmtrace.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_editable_and_built_installs_do_not_put_the_checkouts_folders_on_the_path() -> None:
    script = "import importlib.util as u; print([n for n in ('dashboard', 'schemas') if u.find_spec(n)])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.strip() == "[]"


def test_the_public_names_are_those_that_are_documented() -> None:
    import llmtrace

    assert sorted(llmtrace.__all__) == sorted(
        [
            "BudgetExceeded",
            "Client",
            "baggage_headers",
            "budget",
            "connect",
            "feature",
            "feature_from_headers",
            "flush",
            "flush_after",
            "in_context",
            "instrument",
            "price",
            "shutdown",
            "uninstrument",
        ]
    )
    assert all(getattr(llmtrace, name).__doc__ for name in llmtrace.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = llmtrace.nothing  # type: ignore[attr-defined]
