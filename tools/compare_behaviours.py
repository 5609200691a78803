"""Compares what llmtrace and other tools record of the same calls: `python tools/compare_behaviours.py --help`.

Each runs the behaviours of `tools/behaviours/rows.py` with the real SDKs, in an environment of its own (made by
`tests/rivals/venvs.sh`), against the bundled simulator. One judge reads the spans of all. With `--write` the table
becomes the page of the docs; nothing else is ever written.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT / "tests")]

from behaviours import judge, reading  # noqa: E402
from behaviours.contestants import BARE, CONTESTANTS, Contestant  # noqa: E402
from behaviours.rows import BEHAVIOURS  # noqa: E402
from otlp_receiver import Receiver, receive  # noqa: E402

from llmtrace.model import Span  # noqa: E402
from llmtrace.simulator import Simulator  # noqa: E402

PROCESS_S = 600
JOBS = 2
SEED = 7
# Anthropic's SDK makes spans of its own, which would stand beside everybody's.
EVERYWHERE = {"ANTHROPIC_OPEN_TELEMETRY": "false"}
PAGE = """# What is recorded of the same calls, and by whom

{count} ways of calling, made by the same application under each of these, in an environment of its own, against the
simulator that llmtrace brings (`llmtrace/simulator`), on {date}, with {sdks}:

{versions}

*yes* means: one span for each call, with the model, the tokens that the provider told (cached ones inside the input,
or beside it as Anthropic counts), and what the row is about beyond that; a failure is an error that can be known by
its class, status, type or message; a count that nobody told to its end is absent, right, or marked, as an estimate or
by a failure; and the application saw what it sees without. Any other cell says what is wrong. What is true is read
from the simulator's log and from what the application sees by itself. All are read by one judge, which accepts a fact
under any name that is known for it, and inside of an answer that a span repeats. The spans of Anthropic's own SDK are
off (`ANTHROPIC_OPEN_TELEMETRY=false`), which else stand beside the others. A proxy that `isinstance` takes for the
SDK's class counts as that class.

{table}

The rows are ours, and each counts as one: look at those that your application needs. None looks at prompts, at spans of
chains and agents, or at what the others' backends make of the spans.

Where llmtrace is not right:

{lacking}

To a stream at OpenAI's own address llmtrace adds `stream_options`, so that its tokens are known, and takes the chunk
that they come in out of what the application reads; `LLMTRACE_STREAM_USAGE=off` leaves the request alone and gives the
tokens up. A stream that the application leaves, or that never tells its usage, is estimated by llmtrace, and marked so.
OpenLLMetry adds `traceparent` to requests, which `enable_trace_context_propagation=False` ends.

Made by `make behaviours`, which runs `python tools/compare_behaviours.py --write docs/behaviours.md` with the
environments of `tests/rivals/venvs.sh`. `--spans --rows TEXT` prints what the spans of some rows say.
"""


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
            **EVERYWHERE,
            **contestant.settings,
        }
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
            # Who hangs is ended, and what it said until then counts.
            with contextlib.suppress(subprocess.TimeoutExpired):
                arguments = [*command, *map(str, numbers)]
                subprocess.run(arguments, env=environment, stdout=out, stderr=errors, timeout=PROCESS_S, check=False)
            out.seek(0)
            errors.seek(0)
            said, complaints = out.read(), errors.read()
    done.errors += complaints
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
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
        return dict.fromkeys(told, spans)
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


def table(results: Mapping[str, Mapping[int, str]], numbers: Sequence[int]) -> str:
    """The verdicts by row and contestant, in Markdown, with a sum for each group and for all."""
    lines = [f"| | {' | '.join(results)} |", "|---|" + "---|" * len(results)]
    for group in dict.fromkeys(BEHAVIOURS[n].group for n in numbers):
        inside = [n for n in numbers if BEHAVIOURS[n].group == group]
        lines.append(f"| **{group}** | {' | '.join(total(cells, inside) for cells in results.values())} |")
        lines += [f"| {BEHAVIOURS[n].name} | {' | '.join(c[n] for c in results.values())} |" for n in inside]
    lines.append(f"| **all** | {' | '.join(total(cells, numbers) for cells in results.values())} |")
    return "\n".join(lines)


def total(cells: Mapping[int, str], numbers: Sequence[int]) -> str:
    """How many of NUMBERS are right."""
    return f"**{sum(cells[n] == judge.YES for n in numbers)} of {len(numbers)}**"


def describe(contestant: Contestant, versions: Mapping[str, str]) -> str:
    """What took part, for the page."""
    parts = [f"{name} {versions[name]}" for name in contestant.packages]
    note = f"; {contestant.note}" if contestant.note else ""
    return f"- {contestant.name}: {', '.join(parts)}{note}"


def lacking(cells: Mapping[int, str], numbers: Sequence[int]) -> str:
    """The rows in which llmtrace is not right, in Markdown."""
    rows = [n for n in numbers if cells[n] != judge.YES]
    return (
        "\n".join(f"- {BEHAVIOURS[n].group}, {BEHAVIOURS[n].name}: {cells[n]}" for n in rows) or "- none of these rows"
    )


def write_page(runs: Mapping[str, Run], results: Mapping[str, Mapping[int, str]], numbers: Sequence[int]) -> str:
    """The page of the docs."""
    sdks = {name: sorted({run.versions[name] for run in runs.values()}) for name in ("openai", "anthropic")}
    chosen = [c for c in CONTESTANTS if c.name in runs]
    return PAGE.format(
        count=len(numbers),
        date=datetime.now(UTC).date(),
        sdks=" and ".join(f"{name} {' or '.join(found)}" for name, found in sdks.items()),
        versions="\n".join(describe(c, runs[c.name].versions) for c in chosen),
        table=table(results, numbers),
        lacking=lacking(results["llmtrace"], numbers),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the contestants, and print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venvs", type=Path, default=Path("~/venvs"), help="where the environments are (~/venvs)")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="one contestant, beside llmtrace; may be repeated"
    )
    parser.add_argument(
        "--rows", default="", metavar="TEXT", help="the rows whose group or name has TEXT: printed only"
    )
    parser.add_argument("--spans", action="store_true", help="print what each row's spans say too")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page there")
    args = parser.parse_args(arguments)
    numbers = [n for n, b in enumerate(BEHAVIOURS) if args.rows.lower() in f"{b.group} {b.name}".lower()]
    chosen = [c for c in CONTESTANTS if c.environment is None or args.only is None or c.name in args.only]
    with ThreadPoolExecutor(JOBS) as pool:
        found = list(pool.map(lambda contestant: verdicts(contestant, args.venvs.expanduser(), numbers), chosen))
    runs = {contestant.name: done for contestant, (done, _) in zip(chosen, found, strict=True)}
    results = {contestant.name: cells for contestant, (_, cells) in zip(chosen, found, strict=True)}
    if args.spans:
        sys.stdout.write("\n".join(show_spans(runs, results, numbers)) + "\n")
    page = write_page(runs, results, numbers)
    if args.write and not args.rows and len(chosen) == len(CONTESTANTS):
        args.write.write_text(page, encoding="utf-8")
    else:
        sys.stdout.write(page)


def show_spans(
    runs: Mapping[str, Run], results: Mapping[str, Mapping[int, str]], numbers: Sequence[int]
) -> Iterator[str]:
    """What everybody's spans say, for a person who doubts a cell."""
    for n in numbers:
        for name, run_ in runs.items():
            yield f"{BEHAVIOURS[n].group}, {BEHAVIOURS[n].name}: {name}: {results[name][n]}"
            for span in run_.spans.get(n, ()):
                events = [{"event": event.name, **event.attributes} for event in span.events]
                said = {"status": span.status_code, "message": span.status_message, **span.attributes}
                yield f"  {span.scope}: {span.name} {json.dumps(said)} {json.dumps(events) if events else ''}"


if __name__ == "__main__":
    main()
