"""Compares what llmtrace and other tools record of the same calls: `python tools/compare_behaviours.py --help`.

Each runs the behaviours of `tools/behaviours/rows.py` with the real SDKs, in an environment of its own (made by
`tests/rivals/venvs.sh`), against the bundled simulator. One judge reads the spans of all. With `--write` the table
becomes the page of the docs; nothing else is ever written.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import json

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT / "tests")]

from behaviours import judge, reading  # noqa: E402
from behaviours.contestants import BARE, CONTESTANTS, Contestant  # noqa: E402
from behaviours.rows import BEHAVIOURS  # noqa: E402
from otlp_receiver import Receiver, receive  # noqa: E402

from llmtrace.model import Span  # noqa: E402
from llmtrace.simulator import Simulator  # noqa: E402

PROCESS_S = 300
SEED = 7


@dataclass
class Run:
    """What came of the behaviours under one contestant: by number, what the application saw and the spans."""

    versions: dict[str, str] = field(default_factory=dict)
    told: dict[int, dict[str, Any]] = field(default_factory=dict)
    spans: dict[int, list[Span]] = field(default_factory=dict)
    errors: str = ""


def python_of(contestant: Contestant, venvs: Path) -> Path:
    """The interpreter of CONTESTANT's environment."""
    if contestant.environment is None:
        return Path(sys.executable)
    return venvs / f"rival-{contestant.environment}" / "bin" / "python"


def run(contestant: Contestant, python: Path, numbers: Sequence[int]) -> Run:
    """The behaviours NUMBERS under CONTESTANT: those that are alone in a process each, the others in one."""
    done = Run()
    groups = [[n for n in numbers if not BEHAVIOURS[n].alone], *([n] for n in numbers if BEHAVIOURS[n].alone)]
    with Simulator(seed=SEED) as simulator, receive() as receiver:
        for group in groups:
            while group:
                group = run_process(contestant, python, group, simulator, receiver, done)
    return done


def run_process(
    contestant: Contestant, python: Path, numbers: Sequence[int], simulator: Simulator, receiver: Receiver, done: Run
) -> list[int]:
    """Run NUMBERS in a process; what is left of them when it dies early, without the one that it died of."""
    receiver.requests.clear()
    with tempfile.TemporaryDirectory() as home:
        command = [str(python), "-m", "behaviours.run", contestant.name, simulator.url, receiver.url]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "PYTHONPATH": f"{HERE}:{ROOT}" if contestant.environment is None else str(HERE),
            "LLMTRACE_HOME": home,
            **contestant.settings,
        }
        with tempfile.TemporaryFile("w+") as errors:
            out = subprocess.run(
                [*command, *map(str, numbers)],
                env=environment, stdout=subprocess.PIPE, stderr=errors, text=True, timeout=PROCESS_S, check=False,
            ).stdout  # fmt: skip
            errors.seek(0)
            done.errors += errors.read()
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    began = [line["begins"] for line in lines if "begins" in line]
    told = {line["number"]: line for line in lines if "number" in line}
    if not began:
        raise SystemExit(f"{contestant.name} did not start: {done.errors[-2000:]}")
    done.versions |= next((line["versions"] for line in lines if "versions" in line), {})
    done.told |= told
    done.spans |= assign(receiver.spans(), told)
    return [] if any("done" in line for line in lines) else list(numbers[len(began) :])


def assign(spans: list[Span], told: dict[int, dict[str, Any]]) -> dict[int, list[Span]]:
    """SPANS by the behaviour during which they began; those of a single one are all its own."""
    if len(told) == 1:
        return {number: spans for number in told}
    starts = sorted((line["began_ns"], number) for number, line in told.items())
    found: dict[int, list[Span]] = {number: [] for number in told}
    for span in spans:
        number = next((n for began, n in reversed(starts) if began <= span.start_ns), starts[0][1])
        found[number].append(span)
    return found


def verdicts(contestant: Contestant, venvs: Path, numbers: Sequence[int]) -> tuple[Run, dict[int, str]]:
    """What CONTESTANT made of each behaviour, beside the same application by itself in the same environment."""
    python = python_of(contestant, venvs)
    if not python.exists():
        raise SystemExit(f"no {python}; tests/rivals/venvs.sh makes it")
    bare_contestant = Contestant(BARE.name, contestant.environment, (), BARE.start)
    bare = run(bare_contestant, python, numbers)
    done = run(contestant, python, numbers)
    return done, {
        n: judge.judge(BEHAVIOURS[n], bare.told[n], done.told.get(n), reading.read(done.spans.get(n, ())))
        for n in numbers
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venvs", type=Path, default=Path("~/venvs").expanduser())
    parser.add_argument("--only", action="append")
    parser.add_argument("--rows", default="")
    parser.add_argument("--dump", action="store_true")
    args = parser.parse_args()
    numbers = [n for n, b in enumerate(BEHAVIOURS) if args.rows in b.use.__name__ + b.name + b.group]
    for c in CONTESTANTS:
        if args.only and c.name not in args.only:
            continue
        done, cells = verdicts(c, args.venvs, numbers)
        print("==", c.name, done.versions, sum(v == "yes" for v in cells.values()), len(cells))
        print(done.errors[-3000:])
        for n, v in cells.items():
            if v != "yes" or args.dump:
                print("  ", n, BEHAVIOURS[n].group, "|", BEHAVIOURS[n].name, "|", v)
                if args.dump:
                    print(json.dumps(done.told.get(n), indent=1)[:3000])
                    for s in done.spans.get(n, ()):
                        print("   span", s.scope, s.name, s.status_code, s.status_message, {k: str(v)[:200] for k, v in s.attributes.items()}, [(e.name, {k: str(v)[:100] for k, v in e.attributes.items()}) for e in s.events])


if __name__ == "__main__":
    main()
