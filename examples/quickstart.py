"""One line, and every call is recorded with the feature that made it.

python examples/quickstart.py && llmtrace report
"""

from provider import clients

import llmtrace

llmtrace.instrument("quickstart")  # this is the line


@llmtrace.feature("classify-ticket")
def classify(chat, text):
    answer = chat.chat.completions.create(
        model="gpt-4o-mini",
        max_tokens=20,
        messages=[{"role": "user", "content": f"One word: is this a bug, a question or praise? {text}"}],
    )
    return answer.choices[0].message.content


with clients() as (chat, claude):
    for ticket in ("The export button does nothing.", "How do I add a colleague?"):
        classify(chat, ticket)

    with llmtrace.feature("summarize", user="ann", team="support"):
        chat.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": "Summarize: the export is broken since Monday, for all of us."}],
        )

    with (
        llmtrace.feature("draft-reply", user="ann", team="support"),
        claude.messages.stream(
            model="claude-sonnet-4-6",
            max_tokens=200,
            messages=[{"role": "user", "content": "Write two kind sentences about a broken export."}],
        ) as stream,
    ):
        for _text in stream.text_stream:
            pass
