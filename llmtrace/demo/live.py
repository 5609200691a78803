"""Live calls of the real SDKs, with features, against the bundled simulator."""

import llmtrace
from llmtrace.simulator import Fault, Simulator

QUESTIONS = (
    "Where is my parcel? It should have been here on Tuesday.",
    "Can I return a lamp that I have already used once?",
    "Do you deliver to the islands in winter?",
)
POLICY = "Our shop answers politely, briefly and with the order number. " * 90


def make_live_calls(simulator: Simulator) -> int:
    """Call OpenAI and Anthropic through their SDKs, as an app with three features would; how many calls it made.

    One request is refused with 429 first and tried again by the SDK.
    """
    import anthropic
    import openai

    with (
        openai.OpenAI(base_url=simulator.openai_base_url, api_key="simulated") as chat,
        anthropic.Anthropic(base_url=simulator.anthropic_base_url, api_key="simulated") as claude,
    ):
        calls = 0
        simulator.fault(Fault.status(429, retry_after_ms=50).on(provider="openai"))
        for number, question in enumerate(QUESTIONS):
            with llmtrace.feature("support-chat", user=f"user-{number}", session="live", team="support"):
                chat.chat.completions.create(
                    model="gpt-4o",
                    messages=[{"role": "system", "content": POLICY}, {"role": "user", "content": question}],
                )
            with (
                llmtrace.feature("draft-email", user=f"user-{number}", team="growth"),
                claude.messages.stream(
                    model="claude-sonnet-4-6",
                    max_tokens=200,
                    system=[{"type": "text", "text": POLICY, "cache_control": {"type": "ephemeral"}}],
                    messages=[{"role": "user", "content": question}],
                ) as stream,
            ):
                stream.get_final_message()
            calls += 2
        with llmtrace.feature("classify-ticket", team="support"):
            chat.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": QUESTIONS[0]}], max_tokens=5
            )
        return calls + 1
