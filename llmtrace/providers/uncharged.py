"""Requests that are recorded and never billed: counting the tokens of a prompt, and fetching what is billed elsewhere.

Sources: https://platform.claude.com/docs/en/build-with-claude/token-counting,
https://developers.openai.com/api/docs/guides/token-counting
"""

import re
from collections.abc import Mapping
from typing import Any

from llmtrace.model import Response
from llmtrace.providers.base import Endpoint, as_text

FETCH_OPERATION = "fetch_response"
COUNT_OPERATION = "count_tokens"
# Operation -> why it costs nothing.
UNCHARGED: Mapping[str, str] = {
    FETCH_OPERATION: "a response is billed where it was made",
    COUNT_OPERATION: "counting the tokens of a prompt is free",
}


def count_endpoint(name: str, path: str) -> Endpoint:
    """The endpoint NAME at PATH that counts tokens; the count is the prompt's, and no use of the model."""
    return Endpoint(
        name=name,
        operation=COUNT_OPERATION,
        method="POST",
        matches=re.compile(path),
        read_request=_read_request,
        read_response=lambda body: Response(),
    )


def _read_request(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": as_text(body.get("model"))}
