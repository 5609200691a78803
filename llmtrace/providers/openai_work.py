"""What OpenAI does beyond one answer: runs of assistants, sessions of agents, evaluations, fine-tuning and videos.

Videos are xAI's too, whose answers are others at the same paths.

Sources: https://developers.openai.com/api/reference (runs, agent sessions, evals, fine-tuning jobs, videos, decisions),
https://docs.x.ai/developers/rest-api-reference/inference/videos
"""

import re
from collections.abc import Mapping
from typing import Any

from llmtrace.model import RawUsage, Response
from llmtrace.providers.amounts import read_count
from llmtrace.providers.base import Endpoint, as_float, as_int, as_list, as_mapping, as_text
from llmtrace.providers.later import Work, failure_of, read_id

# How it ended -> the reason in the words of a finished answer.
ENDINGS = {
    "completed": "stop",
    "done": "stop",
    "succeeded": "stop",
    "incomplete": "length",
    "failed": "error",
    "expired": "error",
    "cancelled": "error",
    "canceled": "error",
}
RUN = r"/threads/[^/]+/runs/[^/]+"
SESSION = r"/agents/sessions/[^/]+"


def _model_of(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": as_text(body.get("model"))}


def _ending(body: Mapping[str, Any]) -> tuple[str, ...] | None:
    reason = ENDINGS.get(str(body.get("status")))
    return (reason,) if reason else None


def _failure(body: Mapping[str, Any], key: str = "error") -> str | None:
    return (failure_of(body, key) or "failed") if body.get("status") == "failed" else None


def _has_tokens(usage: RawUsage) -> bool:
    return bool(read_count(usage, "input_tokens", "prompt_tokens") or read_count(usage, "output_tokens"))


def read_run(body: Mapping[str, Any]) -> Response:
    """An assistant's run; its usage is there once it is over."""
    return Response(
        id=read_id(body, "thread.run"),
        model=as_text(body.get("model")),
        finish_reasons=_ending(body),
        error=_failure(body, "last_error"),
        usage=as_mapping(body.get("usage")) or None,
    )


def read_session(body: Mapping[str, Any]) -> Response:
    """An agent's session, with its usage so far."""
    agent, usage = as_mapping(body.get("agent")), as_mapping(body.get("usage"))
    return Response(
        id=read_id(body, "agent.session"),
        model=as_text(agent.get("model")),
        service_tier=as_text(agent.get("service_tier")),
        error=_failure(body),
        usage=usage if _has_tokens(usage) else None,
    )


def read_evaluation(body: Mapping[str, Any]) -> Response:
    """A run of an evaluation, with the usage of each model that took part."""
    parts = [part for p in as_list(body.get("per_model_usage")) if (part := as_mapping(p))]
    ending = _ending(body)
    names = (as_text(name) for name in (body.get("model"), *(p.get("model_name") for p in parts)))
    return Response(
        id=read_id(body, "eval.run"),
        model=next((n for n in names if n), None),
        finish_reasons=ending,
        error=_failure(body),
        usage={"per_model_usage": parts} if parts and ending else None,
    )


def read_training(body: Mapping[str, Any]) -> Response:
    """A fine-tuning job; what it trained on is told once it is over."""
    trained = as_int(body.get("trained_tokens"))
    return Response(
        id=read_id(body, "fine_tuning.job"),
        model=as_text(body.get("model")),
        finish_reasons=_ending(body),
        error=_failure(body),
        usage={"trained_tokens": trained} if trained is not None else None,
    )


def read_video(body: Mapping[str, Any]) -> Response:
    """A video; it is billed by its seconds and its size, once it is made."""
    return Response(
        id=read_id(body, "video") or as_text(body.get("request_id")),
        model=as_text(body.get("model")),
        finish_reasons=_ending(body),
        error=_failure(body),
        usage=_video_usage(body) if body.get("status") in ("completed", "done") else None,
    )


def _video_usage(body: Mapping[str, Any]) -> RawUsage | None:
    """What the video in BODY is billed by, once it is made: xAI tells the cost beside the length."""
    seconds = _seconds(body.get("seconds"))
    if seconds is not None:
        return {"seconds": seconds, "size": as_text(body.get("size"))}
    told, seconds = as_mapping(body.get("usage")), as_float(as_mapping(body.get("video")).get("duration"))
    return ({**told, "seconds": seconds} if seconds is not None else told) or None


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, str) and value.isdigit() else as_float(value)


def read_decision(body: Mapping[str, Any]) -> Response:
    """A decision: answers to questions, each with how sure it is."""
    return Response(
        id=as_text(body.get("id")), model=as_text(body.get("model")), usage=as_mapping(body.get("usage")) or None
    )


def read_grade(body: Mapping[str, Any]) -> Response:
    """A trial of a grader, with the usage of each model that graded."""
    told = as_mapping(body.get("model_grader_token_usage_per_model"))
    parts = [{"model_name": name, **part} for name, p in told.items() if (part := as_mapping(p))]
    model = next(iter(told), None) or as_text(as_mapping(body.get("metadata")).get("sampled_model_name"))
    return Response(model=model, usage={"per_model_usage": parts} if parts else None)


def _unwrap_run(event: Mapping[str, Any]) -> Mapping[str, Any]:
    return as_mapping(event.get("data")) if "event" in event else event


def _unwrap_session(event: Mapping[str, Any]) -> Mapping[str, Any]:
    return as_mapping(event.get("session")) or event


def _read_session_request(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": as_text(as_mapping(body.get("agent")).get("model"))}


def _read_evaluation_request(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": as_text(as_mapping(body.get("data_source")).get("model"))}


RUNS = Work(
    "threads.runs",
    "invoke_agent",
    (r"/threads/runs$", r"/threads/[^/]+/runs$"),
    (("GET", RUN + "$"), ("POST", RUN + "/submit_tool_outputs$"), ("POST", RUN + "/cancel$")),
    _model_of,
    read_run,
    _unwrap_run,
)
SESSIONS = Work(
    "agents.sessions",
    "invoke_agent",
    (r"/agents/sessions$",),
    (("GET", SESSION + "$"), ("GET", SESSION + "/events$")),
    _read_session_request,
    read_session,
    _unwrap_session,
)
EVALUATIONS = Work(
    "evals.runs",
    "evaluation",
    (r"/evals/[^/]+/runs$",),
    (("GET", r"/evals/[^/]+/runs/[^/]+$"), ("POST", r"/evals/[^/]+/runs/[^/]+(/cancel)?$")),
    _read_evaluation_request,
    read_evaluation,
)
TRAINING = Work(
    "fine_tuning.jobs",
    "fine_tuning",
    (r"/fine_tuning/jobs$",),
    (("GET", r"/fine_tuning/jobs/[^/]+$"), ("POST", r"/fine_tuning/jobs/[^/]+/(cancel|pause|resume)$")),
    _model_of,
    read_training,
)
VIDEOS = Work(
    "videos",
    "generate_content",
    (r"/videos$", r"/videos/(edits|extensions|generations)$", r"/videos/[^/]+/remix$"),
    (("GET", r"/videos/(?P<id>(?!characters)[^/]+)$"),),
    _model_of,
    read_video,
)
ENDPOINTS = (
    *RUNS.endpoints(),
    *SESSIONS.endpoints(),
    *EVALUATIONS.endpoints(),
    *TRAINING.endpoints(),
    *VIDEOS.endpoints(),
    Endpoint(
        name="decisions",
        operation="decision",
        method="POST",
        matches=re.compile(r"/decisions$"),
        read_request=_model_of,
        read_response=read_decision,
    ),
    Endpoint(
        name="graders.run",
        operation="evaluation",
        method="POST",
        matches=re.compile(r"/fine_tuning/alpha/graders/run$"),
        read_request=lambda body: {},
        read_response=read_grade,
    ),
)
