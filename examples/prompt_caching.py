"""Prompt caching: the same handbook before every question, written to the cache once and read from it afterwards.

Half of the questions are asked without, so that the report can show what the cache saves.

    python examples/prompt_caching.py
"""

from provider import clients

import llmtrace

llmtrace.instrument("support-bot")
HANDBOOK = "Refunds are made within fourteen days, to the card that was charged, unless the order was a gift. " * 80
QUESTIONS = [f"May customer {number} have a refund after {number} days?" for number in range(1, 21)]


def ask(claude, question: str, marks: dict) -> None:
    claude.messages.create(
        model="claude-sonnet-4-6",
        max_tokens=60,
        system=[{"type": "text", "text": HANDBOOK, **marks}],
        messages=[{"role": "user", "content": question}],
    )


with clients(show=False) as (_, claude):
    for question in QUESTIONS:
        with llmtrace.feature("handbook"):
            ask(claude, question, {})
        with llmtrace.feature("handbook-cached"):
            ask(claude, question, {"cache_control": {"type": "ephemeral"}})

llmtrace.flush()
rows = {row["key"]: row for row in llmtrace.connect().ask("report", by="feature").to_pylist()}
for feature, row in rows.items():
    print(f"{feature}: ${row['cost_usd']:.6f}, {row['cached_input_tokens']} of {row['input_tokens']} tokens cached")
saved = rows["handbook"]["cost_usd"] - rows["handbook-cached"]["cost_usd"]
print(f"saved: ${saved:.6f}, {saved / rows['handbook']['cost_usd']:.0%}")
