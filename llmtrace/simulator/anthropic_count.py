"""Anthropic's counting of a message's tokens, which is free of charge.

Source: https://docs.anthropic.com/en/api/messages-count-tokens
"""

from typing import ClassVar

from llmtrace.simulator.anthropic_api import AnthropicProtocol
from llmtrace.simulator.anthropic_errors import read_refusal
from llmtrace.simulator.anthropic_prompt import read_blocks
from llmtrace.simulator.protocol import Asked, Problem, Reply, Request


class CountTokens(AnthropicProtocol):
    """Counts what a message would read."""

    suffixes: ClassVar[tuple[str, ...]] = ("/v1/messages/count_tokens",)
    speaks = False
    streams = False

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so; it needs no limit."""
        return read_refusal(asked.headers, {"max_tokens": 1, **asked.body} if isinstance(asked.body, dict) else None)

    def reply(self, request: Request) -> Reply:
        """The count."""
        return Reply({"input_tokens": sum(block.tokens for block in read_blocks(request.body))})
