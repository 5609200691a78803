"""The command line as people run it: in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path


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
