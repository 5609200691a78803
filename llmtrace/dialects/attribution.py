"""On whose behalf a foreign span was made: feature, user, session, tenant, tags.

Our own attributes come first, whoever wrote them (a span processor that copies baggage writes its keys as they are);
then what a dialect has for the same purpose. The first that says something counts.
"""

from collections.abc import Mapping
from typing import Any

from llmtrace import semconv as s
from llmtrace.dialects.base import Aliases, Said, fill, mapping, parse, text
from llmtrace.model import Attributes

ASSOCIATION = "traceloop.association.properties."
METADATA = ("metadata", "ai.telemetry.metadata.", "langfuse.trace.metadata.", "langfuse.observation.metadata.")
TAG_LISTS = ("tag.tags", "langfuse.trace.tags")
MOST_TAGS = 32
# What LangChain and Langfuse say of themselves among the app's metadata.
NOT_THE_APPS = ("ls_", "lc_", "langgraph_", "finish_reason")
# Whose metadata is JSON, texts too.
JSON_METADATA = "langfuse."

# Field to its names among an app's own key-value pairs, and among attributes.
KEYS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (s.FEATURE, ("llmtrace.feature", "feature"), ("feature", "traceloop.workflow.name", "ai.telemetry.functionId")),
    (s.USER_ID, ("user_id", "user.id", "userId"), ("gen_ai.user", "enduser.id", "langfuse.user.id")),
    (s.SESSION_ID, ("session_id", "session.id", "sessionId"), ("langfuse.session.id",)),
    (s.TENANT, ("llmtrace.tenant", "tenant", "tenant_id"), ("tenant",)),
    (
        s.PROMPT_VERSION,
        ("llmtrace.prompt_version", "prompt_version"),
        ("gen_ai.prompt.version", "llm.prompt_template.version", "traceloop.prompt.version"),
    ),
)

# Where in the app it was made, in our words and in OpenTelemetry's newest and older ones.
ORIGINS: Aliases = (
    (s.ORIGIN_ROUTE, (s.ORIGIN_ROUTE, "http.route")),
    (s.ORIGIN_TASK, (s.ORIGIN_TASK, "celery.task_name")),
    (s.ORIGIN_COMMAND, (s.ORIGIN_COMMAND,)),
    (s.ORIGIN_TEST, (s.ORIGIN_TEST,)),
    (s.ORIGIN_MODULE, (s.ORIGIN_MODULE, "code.namespace")),
    (s.ORIGIN_FUNCTION, (s.ORIGIN_FUNCTION, "code.function.name", "code.function")),
)


def attribute(said: Said, attributes: Attributes) -> None:
    """Put into SAID on whose behalf the span with ATTRIBUTES was made, where they tell."""
    pairs = _pairs(attributes)
    used: set[str] = set()
    for name, keys, others in KEYS:
        used.update(keys)
        if text(said, name) is not None:
            source = "attribute"
        elif (value := next((pairs[k] for k in keys if pairs.get(k)), None)) is not None:
            said[name], source = value, "metadata"
        elif (value := text(attributes, *others)) is not None:
            said[name], source = value, next(o for o in others if text(attributes, o))
        else:
            continue
        if name == s.FEATURE:
            said.setdefault(s.FEATURE_SOURCE, source)
    fill(said, attributes, ORIGINS)
    _add_tags(said, attributes, {k: v for k, v in pairs.items() if k not in used})


def _pairs(attributes: Attributes) -> dict[str, str]:
    """The app's own key-value pairs: associations, and metadata as attributes or as one JSON object."""
    pairs: dict[str, Any] = dict(mapping(attributes.get("metadata")))
    for name, value in attributes.items():
        for start in (ASSOCIATION, *METADATA[1:]):
            if name.startswith(start):
                pairs[name[len(start) :]] = _plain(value) if name.startswith(JSON_METADATA) else value
    return {key: str(value) for key, value in pairs.items() if _is_the_apps(key, value)}


def _plain(value: Any) -> Any:
    """The text that VALUE is JSON for; VALUE where it is none."""
    parsed = parse(value)
    return parsed if isinstance(parsed, str) else value


def _is_the_apps(key: str, value: Any) -> bool:
    return isinstance(value, str | bool | int | float) and not key.startswith(NOT_THE_APPS)


def _add_tags(said: Said, attributes: Attributes, pairs: Mapping[str, str]) -> None:
    tags = dict(pairs)
    for name in TAG_LISTS:
        listed = attributes.get(name)
        for tag in listed if isinstance(listed, tuple) else ():
            key, _, value = str(tag).partition(":")
            tags.setdefault(key, value or "true")
    for key, value in list(tags.items())[:MOST_TAGS]:
        if key:
            said.setdefault(s.TAG_PREFIX + key, value)
