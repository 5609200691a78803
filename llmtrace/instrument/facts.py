"""What is taken down of a request while it is made, so that it can be read later."""

import marshal
from collections.abc import Mapping
from typing import Any

from llmtrace.instrument.quiet import quietly
from llmtrace.model import Request
from llmtrace.providers import Endpoint, Family

PLAIN = frozenset({str, int, float, bool, type(None)})
# Where the parts of a request stand that are long, and say nothing of how it is billed.
PROMPTS = frozenset({
    "messages", "input", "contents", "prompt", "system", "instructions", "tools", "texts", "documents",
})  # fmt: skip
# An app asks for the same time and again: that many different requests are remembered, and only short ones.
MOST_REQUESTS = 256
MOST_KEY_BYTES = 2048
_known: dict[bytes, tuple[Endpoint, Request]] = {}

Asked = tuple[str, str | None, int | None, dict[str, Any], bool]


def facts_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """What BODY, the JSON of a request, says beside its prompt; a copy, as the caller may change his."""
    return {k: v if type(v) in PLAIN else _copy(v) for k, v in body.items() if k not in PROMPTS}


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, list | tuple) else value


def request_of(family: Family, endpoint: Endpoint, asked: Asked) -> Request:
    """What was ASKED of FAMILY's ENDPOINT: client class, host, port, facts of the body, and whether as a stream."""
    try:
        key = marshal.dumps((family.sdk, endpoint.name, asked), 2)  # unlike a hash, it tells 1 from 1.0 and from True
    except ValueError:
        return _read(family, endpoint, asked)  # there is more in it than plain values
    known = _known.get(key)
    if known is not None and known[0] is endpoint:
        return known[1]
    request = _read(family, endpoint, asked)
    if len(key) <= MOST_KEY_BYTES:
        if len(_known) >= MOST_REQUESTS:
            _known.clear()
        _known[key] = endpoint, request
    return request


def _read(family: Family, endpoint: Endpoint, asked: Asked) -> Request:
    client_class, host, port, facts, stream = asked
    return Request(
        provider=family.find_provider_name(host, client_class),
        operation=endpoint.operation,
        endpoint=endpoint.name,
        stream=stream,
        server_address=host,
        server_port=port,
        **(quietly(endpoint.read_request, facts) or {}),
    )
