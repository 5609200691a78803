"""A worker that forks, as Celery's and gunicorn's do: the parent switches llmtrace on, each child records for itself.

Children that end normally, and children that are told to stop, have written what they did.

    python examples/forking_worker.py && llmtrace report
"""

import multiprocessing
import os

import openai
from provider import clients

import llmtrace

llmtrace.instrument("worker")
fork = multiprocessing.get_context("fork")


def work(tasks, url: str) -> None:
    """Handle TASKS until there is None."""
    client = openai.OpenAI(base_url=url, api_key=os.environ.get("OPENAI_API_KEY", "simulated"))
    while (task := tasks.get()) is not None:
        name, text = task
        with llmtrace.feature(name):
            client.chat.completions.create(
                model="gpt-4o-mini", max_tokens=20, messages=[{"role": "user", "content": text}]
            )


with clients(show=False) as (chat, _):
    tasks = fork.Queue()
    workers = [fork.Process(target=work, args=(tasks, str(chat.base_url))) for _ in range(3)]
    for worker in workers:
        worker.start()
    for number in range(12):
        tasks.put(("summarize" if number % 3 else "translate", f"document {number}"))
    for _ in workers:
        tasks.put(None)
    for worker in workers:
        worker.join()
    print("exit codes:", [worker.exitcode for worker in workers])
