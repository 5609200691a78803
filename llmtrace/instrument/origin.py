"""Where in the application a call is made: route, task, command, test, and the code that makes it.

Nothing is asked of an app: the frameworks that it has loaded are asked what they are doing, where they keep that for
this thread or task; those that keep it nowhere are shown to us by `routes`. All of it takes about two microseconds.
"""

import os
import sys
import sysconfig
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from types import CodeType, FrameType
from typing import Any

from llmtrace import config
from llmtrace.instrument.quiet import quietly
from llmtrace.model import Origin

MOST_FRAMES = 100
MOST_FILES = 10_000
MOST_CHARACTERS = 256
# Console scripts that only start something have no suffix: the code they start is what counts.
SUFFIXES = (".py", ".pyc", ".ipynb")
# Packages whose frames are never the app's own, wherever they are installed from.
NOT_THE_APPS = frozenset({"llmtrace", "openai", "anthropic"})

# Set by `routes` for as long as a request is served: a template, or what gives one.
current_route: ContextVar["str | Callable[[], str | None] | None"] = ContextVar("llmtrace_route", default=None)

# What a call's thread takes down: route, task, command (or click's context), test, module, code.
Seen = tuple[Any, str | None, Any, str | None, str | None, CodeType | None]


def look() -> Seen:
    """Where the caller is, as far as that is to be had at once; `origin_of` makes words of it later."""
    modules = sys.modules
    route: Any = current_route.get()
    if route is not None and not isinstance(route, str):
        route = quietly(route)
    if route is None and "flask.globals" in modules:
        route = quietly(_flask_route, modules["flask.globals"])
    task = None
    if "celery._state" in modules:
        task = quietly(_celery_task, modules["celery._state"])
    if task is None and "rq.job" in modules:
        task = quietly(_rq_task, modules["rq.job"])
    command = quietly(_click_context, modules["click.globals"]) if "click.globals" in modules else None
    test = quietly(config.current_test) if "_pytest" in modules else None
    module, code = _calling_code()
    return route, task, command, test, module, code


def origin_of(seen: Seen) -> Origin:
    """SEEN in words."""
    route, task, context, test, module, code = seen
    return Origin(
        route=_short(route),
        task=_short(task),
        command=_short((context is not None and quietly(_command_path, context)) or process_command()),
        test=_short(test),
        module=_short(module),
        function=_short(code.co_qualname) if code is not None and code.co_name != "<module>" else None,
    )


def _short(value: Any) -> str | None:
    return value[:MOST_CHARACTERS] if isinstance(value, str) and value else None


def _flask_route(flask: Any) -> str | None:
    # Both spellings of every Flask since 2.2: one context for app and request, or one for each.
    held = getattr(flask, "_cv_request", None) or flask._cv_app
    context = held.get(None)
    request = getattr(context, "request", None) if context is not None else None
    rule = request.url_rule if request is not None else None
    return rule.rule if rule is not None else None


def _celery_task(state: Any) -> str | None:
    task = state.get_current_task()
    return task.name if task is not None else None


def _rq_task(module: Any) -> str | None:
    job = module._job_stack.top
    return job.func_name if job is not None else None


def _click_context(module: Any) -> Any:
    stack = getattr(module._local, "stack", None)
    return stack[-1] if stack else None


def _command_path(context: Any) -> str | None:
    """Click's name for a command and those above it; it starts as the process's own does."""
    path = context.command_path
    return path if isinstance(path, str) else None


@cache
def process_command() -> str | None:
    """What was run: the script's name, or `python -m MODULE`; None in an interpreter at a prompt."""
    options = iter(sys.orig_argv[1:])
    for option in options:
        if option == "-m":
            return f"python -m {next(options, '?')}"
        if option == "-c" or not option.startswith("-"):
            break
        if option in ("-W", "-X"):
            next(options, None)
    path = sys.argv[0] if sys.argv else ""
    name = os.path.basename(path)
    if name == "__main__.py":
        return f"python -m {os.path.basename(os.path.dirname(path))}"
    return "python -c" if name == "-c" else name or None


# The calling code: what each file holds is found out once

APPS_OWN, LIBRARY, SDK = 0, 1, 2
_kinds: dict[str, int] = {}


def _calling_code() -> tuple[str | None, CodeType | None]:
    """Module and code of the innermost frame that is the app's own; else of the innermost that is no SDK's."""
    frame: FrameType | None = sys._getframe(2)
    kinds, innermost_library = _kinds, None
    for _ in range(MOST_FRAMES):
        if frame is None:
            break
        code = frame.f_code
        kind = kinds.get(code.co_filename)
        if kind is None:
            kind = _learn(code.co_filename, frame.f_globals.get("__name__"))
        if not kind:
            return frame.f_globals.get("__name__"), code
        if kind == LIBRARY and innermost_library is None:
            innermost_library = frame
        frame = frame.f_back
    if innermost_library is None:
        return None, None
    return innermost_library.f_globals.get("__name__"), innermost_library.f_code


def _learn(filename: str, module: Any) -> int:
    if len(_kinds) >= MOST_FILES:
        _kinds.clear()  # a notebook's cells are files of their own
    kind = _kinds[filename] = _judge(filename, module.partition(".")[0] if isinstance(module, str) else "")
    return kind


def _judge(filename: str, package: str) -> int:
    """What the code in FILENAME, of PACKAGE, is: the app's own unless it is installed beside others, or Python's."""
    if package in NOT_THE_APPS:
        return SDK
    if filename.startswith("<"):
        # Code that was made as it ran: a prompt's is the app's.
        return SDK if filename.startswith("<frozen") or package in sys.stdlib_module_names - {"__main__"} else APPS_OWN
    if filename.startswith(_python_folders()) and not _is_installed(filename):
        return SDK  # Python's own says nothing about who called
    if _is_installed(filename):
        return LIBRARY
    is_launcher = not filename.endswith(SUFFIXES) and os.path.dirname(filename) == sysconfig.get_path("scripts")
    return LIBRARY if is_launcher else APPS_OWN


def _is_installed(filename: str) -> bool:
    return "site-packages" in filename or "dist-packages" in filename


@cache
def _python_folders() -> tuple[str, ...]:
    return tuple({os.path.join(path, "") for name in ("stdlib", "platstdlib") if (path := sysconfig.get_path(name))})
