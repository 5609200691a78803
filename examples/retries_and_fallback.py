"""The app's own retries with tenacity, and a cheaper model when the first stays overloaded.

The SDK's retries are switched off, so that there is one policy; each attempt of tenacity's is a call of its own, and
what failed cost nothing. A tag tells which calls stood in for another.

    python examples/retries_and_fallback.py && llmtrace report --by tag:fallback
"""

import openai
from provider import clients, overload
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

import llmtrace

llmtrace.instrument("support-bot")
TRANSIENT = (openai.RateLimitError, openai.InternalServerError, openai.APIConnectionError)


@retry(
    retry=retry_if_exception_type(TRANSIENT),
    wait=wait_random_exponential(multiplier=0.01, max=0.1),
    stop=stop_after_attempt(3),
    reraise=True,
)
def ask(chat: openai.OpenAI, model: str, question: str) -> str | None:
    completion = chat.with_options(max_retries=0).chat.completions.create(
        model=model, max_tokens=40, messages=[{"role": "user", "content": question}]
    )
    return completion.choices[0].message.content


@llmtrace.feature("answer-question")
def answer(chat: openai.OpenAI, question: str) -> str | None:
    try:
        return ask(chat, "gpt-4o", question)
    except TRANSIENT:
        with llmtrace.feature(None, fallback="gpt-4o-mini"):  # the feature stays, the tag is added
            return ask(chat, "gpt-4o-mini", question)


with clients(show=False) as (chat, _):
    overload("gpt-4o", times=1)
    print("after one retry:", answer(chat, "Where is my invoice?"))
    overload("gpt-4o", times=3)
    print("from the fallback:", answer(chat, "How do I add a colleague?"))
