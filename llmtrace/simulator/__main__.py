"""The simulator as a program: `python -m llmtrace.simulator`, until SIGINT or SIGTERM."""

import argparse
import signal
import threading

from llmtrace.simulator.server import Simulator


def main(arguments: list[str] | None = None) -> int:
    """Run until a signal comes; the base URLs are the first lines of the output."""
    parser = argparse.ArgumentParser(prog="python -m llmtrace.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="TCP port on 127.0.0.1 (default: any free one)")
    parser.add_argument("--seed", type=int, default=0, help="what answers and random faults depend on")
    parser.add_argument("--latency", type=float, default=0.0, metavar="S", help="seconds before an answer")
    parser.add_argument("--chunk-delay", type=float, default=0.0, metavar="S", help="seconds between two events")
    parser.add_argument("--error-rate", type=float, default=0.0, metavar="SHARE", help="share of requests that fail")
    given = parser.parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    simulator = Simulator(
        port=given.port,
        seed=given.seed,
        latency_s=given.latency,
        chunk_delay_s=given.chunk_delay,
        error_rate=given.error_rate,
    )
    with simulator:
        print(f"OPENAI_BASE_URL={simulator.openai_base_url}")
        print(f"ANTHROPIC_BASE_URL={simulator.anthropic_base_url}")
        print(f"AZURE_OPENAI_ENDPOINT={simulator.azure_endpoint}")
        print(f"OLLAMA_HOST={simulator.ollama_host}", flush=True)
        stopped.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
