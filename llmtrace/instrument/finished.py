"""Makes a `Call` of a finished invocation, on the journal's thread."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from llmtrace.instrument.body import BodyReader
from llmtrace.instrument.errors import error_name, may_have_been_sent
from llmtrace.instrument.estimate import count_tokens
from llmtrace.instrument.invocation import Invocation
from llmtrace.instrument.loading import redactor_of
from llmtrace.instrument.origin import origin_of
from llmtrace.instrument.quiet import quietly
from llmtrace.model import Attempt, Call, CallStatus, Content, Conversation, Origin, Response, Usage, UsageSource
from llmtrace.providers import find_usage
from llmtrace.providers.base import as_mapping, counts_tokens, is_of_request
from llmtrace.providers.uncharged import FETCH_OPERATION

# Where a cloud puts its own in front of a provider's.
CLOUD_REQUEST_IDS = ("x-amzn-requestid", "apim-request-id")


def to_call(invocation: Invocation) -> Call:
    """The finished call of INVOCATION."""
    headers = invocation.headers or {}
    _read_body(invocation, headers)
    quietly(read_request, invocation)
    fold, family = invocation.fold, invocation.family
    response = fold.response() if fold is not None else invocation.response or Response()
    request, response = quietly(family.complete, invocation.request, response, headers) or (
        invocation.request,
        response,
    )
    status, error_type = _outcome(invocation, response)
    if invocation.subject is not None and status != "error" and request.operation == FETCH_OPERATION:
        response = replace(response, id=invocation.subject)  # what the request that made it was answered with
    usage, source, complete = _count(invocation, request.provider, response, status)
    response = _with_units(invocation, request.provider, response)
    source = "missing" if is_of_request(response.usage) else source
    return Call(
        trace_id=invocation.trace_id,
        span_id=invocation.span_id,
        parent_span_id=invocation.parent_span_id,
        started_at_ns=invocation.started_at_ns,
        duration_s=_seconds(invocation, invocation.ended_at),
        ttft_s=_seconds(invocation, invocation.spoke_at) if invocation.spoke_at else None,
        time_to_first_chunk_s=_seconds(invocation, invocation.first_chunk_at) if invocation.first_chunk_at else None,
        request=request,
        response=response,
        status=status,
        usage=usage,
        usage_source=source,
        usage_complete=complete,
        error_type=error_type,
        http_status=invocation.http_status,
        request_id=next((headers[n] for n in (family.request_id_header, *CLOUD_REQUEST_IDS) if n in headers), None),
        request_sent=_was_sent(invocation),
        attempts=_attempts(invocation),
        rate_limits=quietly(family.read_rate_limits, headers) or {},
        content=_content(invocation),
        **made_for(invocation),
    )


def _was_sent(invocation: Invocation) -> bool:
    """Whether the provider may have seen the request: who answers, with an error too, has."""
    answered = invocation.sent or invocation.http_status is not None
    return answered or invocation.error is None or may_have_been_sent(invocation.error)


def made_for(invocation: Invocation) -> dict[str, Any]:
    """The fields of `Call` that say on whose behalf INVOCATION was made."""
    scope, settings = invocation.scope, invocation.settings
    origin = (invocation.origin and quietly(origin_of, invocation.origin)) or Origin()
    if scope is None:
        return {"feature": settings.feature, "feature_source": settings.feature_source, "origin": origin}
    return {
        "feature": scope.feature or settings.feature,
        "feature_source": scope.feature_source if scope.feature else settings.feature_source,
        "user_id": scope.user_id,
        "session_id": scope.session_id,
        "tenant": scope.tenant,
        "prompt_version": scope.prompt_version,
        "tags": scope.tags,
        "origin": origin,
    }


def _seconds(invocation: Invocation, moment: int) -> float:
    return (moment - invocation.started) / 1e9


def _read_body(invocation: Invocation, headers: Mapping[str, str]) -> None:
    """Read a body that nobody has parsed yet."""
    if invocation.response_bytes is not None and not invocation.was_shown:
        reader = BodyReader(headers.get("content-type", ""), invocation.take)
        quietly(reader.feed, invocation.response_bytes)
        quietly(reader.finish)
        # Nobody saw when it arrived.
        invocation.first_chunk_at = invocation.spoke_at = 0


def read_request(invocation: Invocation) -> Mapping[str, Any]:
    """The JSON of a request that is sent as it stands and was not read before; INVOCATION then knows what it says."""
    unread, invocation.unread_request = invocation.unread_request, None
    if unread is None:
        return {}
    body, endpoint = as_mapping(json.loads(unread)), invocation.endpoint
    told = {name: value for name, value in endpoint.read_request(body).items() if value is not None}
    invocation.request = replace(invocation.request, **told)
    invocation.prompt = endpoint.prompt_texts(body) if invocation.fold is not None else ()
    invocation.units = endpoint.read_units(body) if endpoint.read_units is not None else None
    return body


def _outcome(invocation: Invocation, response: Response) -> tuple[CallStatus, str | None]:
    """How the call ended, and the name of its error: the caller's, or one that the provider put into its answer."""
    if invocation.status == "error":
        return "error", error_name(invocation.error, invocation.family)
    reported = invocation.fold.error if invocation.fold is not None else response.error
    if reported is None and invocation.http_status is not None and invocation.http_status >= 400:
        reported = str(invocation.http_status)
    return ("error", reported) if reported is not None else (invocation.status, None)


def _count(
    invocation: Invocation, provider: str, response: Response, status: CallStatus
) -> tuple[Usage, UsageSource, bool]:
    """Tokens, who counted them, and whether the provider's count is final."""
    fold = invocation.fold
    meaning = find_usage(provider) or invocation.family
    partial = quietly(meaning.normalise, response.usage) if response.usage is not None else None
    if fold is None or fold.usage_complete:
        return partial or Usage(), "provider" if partial is not None else "missing", True
    if not invocation.endpoint.is_countable:
        return (Usage(), "missing", True) if partial is None else (partial, "provider", False)
    # The provider's last word was a failure before any output: what that costs, it does not say.
    is_silent = not invocation.first_chunk_at or (fold.complete and not invocation.spoke_at)
    if status == "error" and is_silent:
        return partial or Usage(), "missing", True
    return quietly(_estimate, invocation, partial or Usage()) or partial or Usage(), "estimated", False


def _with_units(invocation: Invocation, provider: str, response: Response) -> Response:
    """RESPONSE with what the request is billed by, where the provider answered it and told no count of tokens."""
    units, told, status = invocation.units, response.usage or {}, invocation.http_status
    if units is None or status is None or not 200 <= status < 300 or (told and counts_tokens(told)):
        return response
    means = find_usage(provider) or invocation.family
    if means is not invocation.family:
        units = {name: value for name, value in units.items() if name in means.request_units}
    return replace(response, usage={**units, **told}) if units else response


def _estimate(invocation: Invocation, partial: Usage) -> Usage:
    """PARTIAL with what the provider did not get to say counted here."""
    assert invocation.fold is not None
    model = invocation.request.model
    spoken = count_tokens(invocation.fold.text_parts, model, is_prompt=False)
    asked = partial.input_tokens
    if asked is None:
        # The prompt of a text completion is no message.
        asked = count_tokens(invocation.prompt, model, is_prompt=invocation.request.operation == "chat")
    return Usage(
        input_tokens=asked,
        cached_input_tokens=partial.cached_input_tokens,
        cache_write_tokens=partial.cache_write_tokens,
        output_tokens=max(spoken, partial.output_tokens or 0),
        reasoning_tokens=partial.reasoning_tokens,
    )


def _attempts(invocation: Invocation) -> tuple[Attempt, ...]:
    status = invocation.http_status
    final = str(status) if status is not None else error_name(invocation.error, invocation.family)
    unseen = max(invocation.attempts - len(invocation.retries) - 1, 0)
    return (*invocation.retries, *[Attempt("unknown")] * unseen, Attempt(final))


def _content(invocation: Invocation) -> Content | None:
    if not invocation.captures:
        return None
    read = invocation.endpoint.read_content
    said = quietly(read, invocation.request_bytes, invocation.events, invocation.fold is not None)
    return redacted(said, invocation.settings.home)


def redacted(said: Conversation | None, home: Path) -> Content | None:
    """What of SAID may be written to HOME: every reading of a prompt or an answer goes through here."""
    return redactor_of(home).content(said) if said is not None else None
