"""Compares what llmtrace and other price engines make of worked bills: `python tools/compare_costs.py --help`.

Each of the others runs from its wheel in an environment of its own, through `tools/rivals/NAME_costs.py`. A cost is
right when it is the worked one to a billionth of a dollar; where nobody can know the cost, the right answer is none.
With `--write` the table becomes the page of the docs; nothing else is ever written.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from llmtrace.pricing import load_book, price
from llmtrace.pricing.reading import moment

HERE = Path(__file__).parent
BILLS = HERE.parent / "tests" / "pricing" / "bills.yaml"
RIVALS = {"genai-prices": "genai_prices_costs.py", "LiteLLM": "litellm_costs.py", "tokencost": "tokencost_costs.py"}
NEAR_USD = Decimal("1e-9")
NO_COST = "no cost can be known"
# What other files of bills call a provider.
PROVIDERS = {
    "azure.openai": "azure.ai.openai", "google": "gcp.gemini", "mistral": "mistral_ai", "xai": "x_ai",
}  # fmt: skip
PAGE = """# Worked bills, and what price engines make of them

{count} bills, each worked out by hand from the provider's price page: the usage as the provider returns it, the rule
that it proves, the sum and the page are in [`tests/pricing/bills.yaml`](../tests/pricing/bills.yaml). Every engine got
the provider, the model, the time of the request, the usage, and all that a call states beside it, through its best
interface, with the prices of its wheel:

{versions}

A cost is *right* when it is the worked one to a billionth of a dollar, *wrong* when it is another amount, and *unknown*
when the engine says that it does not know. Where nobody can know the cost, *unknown* is right and any amount is wrong.
Each cell is right / wrong / unknown.

{table}

The bills are ours, and an engine that prices fewer things may price them well: read the rows, not the sum. Made by
`python tools/compare_costs.py --write docs/comparison.md`, with an environment for each of the others; see `--help`.

## What they answer to each bill

Amounts in US dollars; – is *unknown*, and ✗ marks what is wrong.

{details}
"""


@dataclass(frozen=True)
class Bill:
    """One worked bill; `usd` is None where nobody can know the cost."""

    id: str
    group: str
    rule: str
    provider: str
    model: str
    at: datetime
    endpoint: str | None
    usage: Any
    usd: Decimal | None
    context: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """What the others are told of it."""
        told = {name: getattr(self, name) for name in ("id", "provider", "model", "endpoint", "usage", "context")}
        return {**told, "at": self.at.isoformat()}


@dataclass
class Answers:
    """What one engine made of the bills, by id: None where it says that it does not know."""

    name: str
    version: str
    costs: dict[str, Decimal | None]

    def verdict(self, bill: Bill) -> str:
        """`right`, `wrong` or `unknown`; a bill without a cost is right where none is given."""
        cost = self.costs[bill.id]
        if bill.usd is None:
            return "right" if cost is None else "wrong"
        if cost is None:
            return "unknown"
        return "right" if abs(cost - bill.usd) <= NEAR_USD else "wrong"


def read_bills(path: Path) -> list[Bill]:
    """The bills of the project's own file."""
    groups = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    return [
        Bill(
            id=f"{group} {i}",
            group=group,
            rule=bill["rule"],
            provider=bill["provider"],
            model=bill["model"],
            at=moment(bill["at"]),
            endpoint=bill.get("endpoint"),
            usage=bill["usage"],
            usd=None if bill["usd"] is None else Decimal(bill["usd"]),
            context=bill.get("context") or {},
        )
        for group, bills in groups.items()
        for i, bill in enumerate(bills)
    ]


def read_vectors(path: Path) -> list[Bill]:
    """Bills from elsewhere, a JSON object a line, by provider; keys of usage that begin with `_` are left out."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Bill(
            id=row["id"],
            group=row["provider"],
            rule=row["rule"],
            provider=PROVIDERS.get(row["provider"], row["provider"]),
            model=row["context"].get("underlying_model") or row["model"],
            at=datetime.fromisoformat(row["request_time"]),
            endpoint=row["endpoint"],
            usage={k: v for k, v in row["usage"].items() if not k.startswith("_")},
            usd=Decimal(row["expected_cost_usd"]),
            context={k: v for k, v in row["context"].items() if k not in ("underlying_model", "grounding_beyond_free")}
            | ({"grounded_prompts": 1} if row["context"].get("grounding_beyond_free") else {}),
        )
        for row in rows
    ]


def ours(bills: Iterable[Bill]) -> Answers:
    """What llmtrace makes of BILLS; a cost that leaves something out is not known."""
    costs = {}
    for bill in bills:
        cost = price(bill.usage, bill.provider, bill.model, bill.at, bill.endpoint, bill.context)
        costs[bill.id] = None if cost.status == "partial" else cost.total_usd
    return Answers("llmtrace", f"price book {load_book().version}", costs)


def theirs(name: str, python: Path, bills: list[Bill]) -> Answers:
    """What the engine called NAME, installed beside PYTHON, makes of BILLS."""
    script = HERE / "rivals" / RIVALS[name]
    told = json.dumps([bill.as_json() for bill in bills])
    done = subprocess.run([str(python), str(script)], input=told, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed: {done.stderr[-2000:]}")
    answer = json.loads(done.stdout)
    return Answers(name, answer["version"], {key: _amount(value) for key, value in answer["costs"].items()})


def _amount(value: str | None) -> Decimal | None:
    try:
        return None if value is None else Decimal(value)
    except InvalidOperation:
        return None


def table(bills: list[Bill], engines: list[Answers]) -> str:
    """Right / wrong / unknown by group and engine, in Markdown."""
    counts: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for bill in bills:
        for engine in engines:
            for group in (bill.group, "all"):
                counts[group][engine.name][engine.verdict(bill)] += 1
    groups = [*dict.fromkeys(bill.group for bill in bills), "all"]
    lines = ["| | bills | " + " | ".join(e.name for e in engines) + " |", "|---|---:|" + "---:|" * len(engines)]
    for group in groups:
        total = counts[group][engines[0].name].total()
        cells = [" / ".join(str(counts[group][e.name][v]) for v in ("right", "wrong", "unknown")) for e in engines]
        lines.append(f"| {'**all**' if group == 'all' else group} | {total} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def details(bills: list[Bill], engines: list[Answers]) -> str:
    """Each bill with what every engine made of it, in Markdown."""
    names = " | ".join(e.name for e in engines)
    lines = [f"| rule | model, day | worked | {names} |", "|---|---|---:|" + "---:|" * len(engines)]
    for bill in bills:
        cells = [_shown(e.costs[bill.id]) + (" ✗" if e.verdict(bill) == "wrong" else "") for e in engines]
        worked = NO_COST if bill.usd is None else _shown(bill.usd)
        lines.append(f"| {bill.rule} | {bill.model}, {bill.at:%Y-%m-%d} | {worked} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _shown(cost: Decimal | None) -> str:
    return "–" if cost is None else format(round(cost, 12).normalize() + 0, "f")


def main() -> None:
    """Run the engines that an environment was named for, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in RIVALS:
        parser.add_argument(
            f"--{name.lower()}", type=Path, metavar="VENV", help=f"an environment with {name} installed"
        )
    parser.add_argument("--bills", type=Path, default=BILLS, help="a file of worked bills (default: the project's own)")
    parser.add_argument(
        "--vectors", type=Path, help="other bills instead, a JSON object a line: printed, never written"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page there")
    args = parser.parse_args()
    bills = read_vectors(args.vectors) if args.vectors else read_bills(args.bills)
    venvs = {name: getattr(args, name.lower().replace("-", "_")) for name in RIVALS}
    engines = [ours(bills), *(theirs(n, v / "bin" / "python", bills) for n, v in venvs.items() if v is not None)]
    versions = "\n".join(f"- {e.name}: {e.version}" for e in engines)
    page = PAGE.format(
        count=len(bills), versions=versions, table=table(bills, engines), details=details(bills, engines)
    )
    if args.write and not args.vectors:
        args.write.write_text(page, encoding="utf-8")
    else:
        sys.stdout.write(page)


if __name__ == "__main__":
    main()
