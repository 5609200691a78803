"""Reads the data files that ship inside the package: prices, schemas, migrations."""

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable


def read_text(package: str, name: str) -> str:
    """Text of the data file NAME in PACKAGE, such as `llmtrace.pricing.prices` and `openai.yaml`."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def list_files(package: str, folder: str = "", suffix: str = "") -> Iterator[Traversable]:
    """Data files of PACKAGE below FOLDER whose names end in SUFFIX, sorted by name."""
    root = files(package)
    where = root.joinpath(folder) if folder else root
    yield from sorted((f for f in where.iterdir() if f.name.endswith(suffix)), key=lambda f: f.name)
