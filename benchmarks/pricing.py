"""How fast calls are priced, and how long the book takes to load: `python -m benchmarks.pricing`.

Both are CPU time of one process, and the best of several rounds: what else the machine does makes them worse, never
better. The medians are told beside them.
"""

import json
import statistics
import subprocess
import sys
import time

from benchmarks.calls import MIXTURE, make_calls
from llmtrace.pricing import load_book, price_usage

CALLS = 20_000
ROUNDS = 7
PROCESSES = 9
LOAD = """
import time
from llmtrace.pricing import load_book
start = time.process_time()
load_book()
print(time.process_time() - start)
"""


def main() -> None:
    """Print the figures as JSON."""
    book, calls = load_book(), make_calls(CALLS)
    for _, usage, facts in MIXTURE:
        cost = price_usage(book, usage, facts)
        if cost.total_usd is None:
            sys.exit(f"{facts.models[0]} of {facts.provider} is {cost.status}: {cost.reason}")
    rates = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for usage, facts in calls:
            price_usage(book, usage, facts)
        rates.append(CALLS / (time.process_time() - start))
    loads = [
        float(subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=True).stdout)
        for _ in range(PROCESSES)
    ]
    result = {
        "calls_per_cpu_s": round(max(rates)),
        "calls_per_cpu_s_median": round(statistics.median(rates)),
        "book_load_cpu_ms": round(min(loads) * 1000, 1),
        "book_load_cpu_ms_median": round(statistics.median(loads) * 1000, 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
