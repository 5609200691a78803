"""Switches llmtrace on while the interpreter starts, then runs the `sitecustomize` that this one stands in front of.

An interpreter that llmtrace is not installed for starts as it would without.
"""

import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec

FOLDER = os.path.dirname(os.path.abspath(__file__))


def start() -> None:
    """Switch on, as the environment says; the process that `llmtrace run` became says so where it cannot."""
    try:
        import llmtrace
    except Exception as err:  # not installed here, or not for this release of Python
        if os.environ.get("LLMTRACE_RUN_PID") == str(os.getpid()):
            sys.stderr.write(f"llmtrace records nothing: {sys.executable} cannot import it ({err})\n")
    else:
        llmtrace.instrument()


def run_next() -> None:
    """Run the `sitecustomize` further down the path in this one's place; its errors are its own."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != FOLDER]
    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


start()
run_next()
