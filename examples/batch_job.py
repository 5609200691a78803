"""A nightly job: a hundred records, eight calls at a time, one feature, and a tag that tells the runs apart.

python examples/batch_job.py && llmtrace report --by tag:run
"""

import asyncio

import openai
from provider import clients

import llmtrace

llmtrace.instrument("nightly-batch")
CONCURRENCY = 8


async def classify(client: openai.AsyncOpenAI, gate: asyncio.Semaphore, record: str) -> str | None:
    async with gate:  # waiting here is the job's time, not the call's
        completion = await client.chat.completions.create(
            model="gpt-4o-mini",
            max_tokens=10,
            messages=[{"role": "user", "content": f"One word, the mood of: {record}"}],
        )
    return completion.choices[0].message.content


async def run(client: openai.AsyncOpenAI, records: list[str]) -> None:
    gate = asyncio.Semaphore(CONCURRENCY)
    # A task takes the feature along that is open where it is made.
    with llmtrace.feature("classify-mood", run="2026-11-21"):
        moods = await asyncio.gather(*[classify(client, gate, record) for record in records])
    print(f"{len(moods)} records classified")


with clients(show=False) as (chat, _):
    asyncio.run(
        run(openai.AsyncOpenAI(base_url=chat.base_url, api_key=chat.api_key), [f"record {n}" for n in range(100)])
    )
