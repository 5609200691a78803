"""The command line as people run it: in a process of its own, or in this one, where it is run often."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

from llmtrace.cli import main


def llmtrace(*arguments: str, home: Path, columns: int = 120, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `llmtrace ARGUMENTS` with nothing of the developer's environment."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LLMTRACE_HOME": str(home),
        "COLUMNS": str(columns),
        **environment,
    }
    return subprocess.run(
        [sys.executable, "-m", "llmtrace", *arguments], capture_output=True, text=True, timeout=60, env=env, check=False
    )


def llmtrace_here(
    *arguments: str, home: Path, columns: int = 120, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """The same in this process, which has loaded everything already."""
    env = {"LLMTRACE_HOME": str(home), "COLUMNS": str(columns), **environment}
    said, complained = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    umask, code = os.umask(0o077), None
    try:
        with (
            mock.patch.dict(os.environ, env),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(complained),
        ):
            main(list(arguments))
    except SystemExit as exit_:
        code = exit_.code
    finally:
        os.umask(umask)
    assert isinstance(code, int)
    return subprocess.CompletedProcess(list(arguments), code, *(_text_of(stream) for stream in (said, complained)))


def _text_of(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()
