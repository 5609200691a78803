"""What Anthropic's managed agents do beyond one answer: sessions, deployments that start them, and dreams.

A session is billed by its tokens and by the time that it was active; both grow as long as it goes on.

Sources: https://platform.claude.com/docs/en/managed-agents/overview,
https://platform.claude.com/docs/en/about-claude/pricing
"""

from collections.abc import Mapping
from typing import Any

from llmtrace.model import Response
from llmtrace.providers.amounts import read_count
from llmtrace.providers.base import as_mapping, as_text
from llmtrace.providers.later import Work, failure_of, read_id

TOKENS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
ENDINGS = {"completed": "stop", "failed": "error", "canceled": "error", "terminated": "stop"}


def read_session(body: Mapping[str, Any]) -> Response:
    """A session, with its usage so far."""
    agent = as_mapping(body.get("agent"))
    config = as_mapping(agent.get("model"))
    return Response(
        id=read_id(body, "session", "type"),
        model=as_text(config.get("id")) or as_text(agent.get("model")),
        finish_reasons=_ending(body),
        usage=_session_usage(as_mapping(body.get("usage")), config, has_several=bool(agent.get("multiagent"))),
    )


def _session_usage(
    usage: Mapping[str, Any], config: Mapping[str, Any], *, has_several: bool
) -> Mapping[str, Any] | None:
    """USAGE of a session as it is billed; several agents may be of several models, of which it tells nothing."""
    written = as_mapping(usage.get("cache_creation"))
    split = [read_count(written, f"ephemeral_{kept}_input_tokens") or 0 for kept in ("5m", "1h")]
    told = {key: value for key, value in usage.items() if value is not None}
    if written:
        told.setdefault("cache_creation_input_tokens", sum(split))
    if not any(read_count(told, name) for name in TOKENS):
        return None
    told |= {key: config[key] for key in ("speed", "inference_geo") if config.get(key)}
    return {"session": told, **({"multiagent": True} if has_several else {})}


def _ending(body: Mapping[str, Any]) -> tuple[str, ...] | None:
    reason = ENDINGS.get(str(body.get("status")))
    return (reason,) if reason else None


def read_deployment_run(body: Mapping[str, Any]) -> Response:
    """A run of a deployment: it starts a session, by which it is known."""
    return Response(id=as_text(body.get("session_id")))


def read_dream(body: Mapping[str, Any]) -> Response:
    """A dream, with its usage so far."""
    usage, model = as_mapping(body.get("usage")), body.get("model")
    return Response(
        id=read_id(body, "dream", "type"),
        model=as_text(as_mapping(model).get("id")) or as_text(model),
        finish_reasons=_ending(body),
        error=(failure_of(body) or "failed") if body.get("status") == "failed" else None,
        usage=usage if any(read_count(usage, name) for name in TOKENS) else None,
    )


def _read_dream_request(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": as_text(body.get("model")) or as_text(as_mapping(body.get("model")).get("id"))}


SESSIONS = Work(
    "sessions",
    "invoke_agent",
    (r"/v1/sessions$",),
    (("GET", r"/v1/sessions/[^/]+$"), ("POST", r"/v1/sessions/[^/]+(/archive)?$")),
    lambda body: {},
    read_session,
)
DEPLOYMENTS = Work(
    "deployments.run", "invoke_agent", (r"/v1/deployments/[^/]+/run$",), (), lambda body: {}, read_deployment_run
)
DREAMS = Work(
    "dreams",
    "invoke_agent",
    (r"/v1/dreams$",),
    (("GET", r"/v1/dreams/[^/]+$"), ("POST", r"/v1/dreams/[^/]+/(cancel|archive)$")),
    _read_dream_request,
    read_dream,
)
ENDPOINTS = (*SESSIONS.endpoints(), *DEPLOYMENTS.endpoints(), *DREAMS.endpoints())
