"""The methods of the two SDKs: which are calls, under which name and by what they are billed, and which are none.

The documentation's table is made from this list, and the tests go through it.
"""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import anthropic
import openai


@dataclass(frozen=True)
class Method:
    """Methods that are recorded as calls of ENDPOINT; `fetches` tell of what they started, and cost nothing."""

    names: tuple[str, ...]
    endpoint: str
    billed_by: str
    fetches: tuple[str, ...] = ()


TOKENS = "the tokens of its usage"
FREE = "nothing: it is free"
OPENAI = (
    Method(
        (
            "chat.completions.create",
            "chat.completions.parse",
            "chat.completions.stream",
            "beta.chat.completions.parse",
            "beta.chat.completions.stream",
            "beta.chat.completions.create",
        ),
        "chat.completions",
        f"{TOKENS}; a stream's are asked for",
    ),
    Method(("completions.create",), "completions", f"{TOKENS}; a stream's are asked for"),
    Method(
        (
            "responses.create",
            "responses.parse",
            "responses.stream",
            "responses.connect",
            "beta.responses.create",
            "beta.responses.connect",
        ),
        "responses",
        f"{TOKENS}, and its tools",
        ("responses.retrieve", "beta.responses.retrieve"),
    ),
    Method(("responses.compact", "beta.responses.compact"), "responses.compact", TOKENS),
    Method(("responses.input_tokens.count", "beta.responses.input_tokens.count"), "responses.input_tokens", FREE),
    Method(("embeddings.create",), "embeddings", TOKENS),
    Method(("moderations.create",), "moderations", FREE),
    Method(("decisions.create",), "decisions", TOKENS),
    Method(("images.generate",), "images.generations", "its tokens, or number, size and quality of the images"),
    Method(("images.edit",), "images.edits", "the same"),
    Method(("images.create_variation",), "images.variations", "the same"),
    Method(("audio.speech.create",), "audio.speech", "the characters of the request, or the tokens of an event stream"),
    Method(
        ("audio.transcriptions.create",), "audio.transcriptions", "seconds or tokens; not told for text and subtitles"
    ),
    Method(("audio.translations.create",), "audio.translations", "the duration, where `verbose_json` tells it"),
    Method(
        ("videos.create", "videos.create_and_poll", "videos.edit", "videos.extend", "videos.remix"),
        "videos",
        "seconds and size, once it is fetched",
        ("videos.retrieve", "videos.poll"),
    ),
    Method(
        (
            "beta.threads.create_and_run",
            "beta.threads.create_and_run_poll",
            "beta.threads.create_and_run_stream",
            "beta.threads.runs.create",
            "beta.threads.runs.create_and_poll",
            "beta.threads.runs.create_and_stream",
            "beta.threads.runs.stream",
        ),
        "threads.runs",
        f"{TOKENS}, once the run is over",
        (
            "beta.threads.runs.retrieve",
            "beta.threads.runs.poll",
            "beta.threads.runs.cancel",
            "beta.threads.runs.submit_tool_outputs",
            "beta.threads.runs.submit_tool_outputs_and_poll",
            "beta.threads.runs.submit_tool_outputs_stream",
        ),
    ),
    Method(
        ("beta.agents.sessions.create",),
        "agents.sessions",
        "its tokens so far, as they were told last; the tier is what was asked for",
        (
            "beta.agents.sessions.retrieve",
            "beta.agents.sessions.stream",
            "beta.agents.sessions.events.stream",
        ),
    ),
    Method(
        ("evals.runs.create",),
        "evals.runs",
        "the tokens of each model, once the run is over",
        ("evals.runs.retrieve", "evals.runs.cancel"),
    ),
    Method(("fine_tuning.alpha.graders.run",), "graders.run", "the tokens of each model that graded"),
    Method(
        ("fine_tuning.jobs.create",),
        "fine_tuning.jobs",
        "the tokens trained on; a price of your own",
        ("fine_tuning.jobs.retrieve", "fine_tuning.jobs.cancel", "fine_tuning.jobs.pause", "fine_tuning.jobs.resume"),
    ),
    Method(
        ("batches.create",),
        "batches",
        "each answered line is a call, at the price of a batch",
        ("batches.retrieve", "batches.list", "batches.cancel", "files.content", "files.retrieve_content"),
    ),
    Method(
        ("realtime.connect", "beta.realtime.connect"),
        "realtime",
        "the tokens of each response; a transcript is a call of its own, `realtime.transcription`",
    ),
    Method(
        ("live.connect", "live.forks.connect", "live.sideband.connect"),
        "live",
        "the seconds of the session; what it delegates are calls of their own",
    ),
)
ANTHROPIC = (
    Method(
        (
            "messages.create",
            "messages.parse",
            "messages.stream",
            "beta.messages.create",
            "beta.messages.parse",
            "beta.messages.stream",
            "beta.messages.tool_runner",
            "beta.messages.thread",
        ),
        "messages",
        f"{TOKENS}, and its tools; each turn of a tool runner is a call",
    ),
    Method(("messages.count_tokens", "beta.messages.count_tokens"), "messages.count_tokens", FREE),
    Method(
        ("messages.batches.create", "beta.messages.batches.create"),
        "messages.batches",
        "each answered line is a call, at the price of a batch",
        tuple(
            f"{beta}messages.batches.{name}"
            for beta in ("", "beta.")
            for name in ("retrieve", "list", "cancel", "results")
        ),
    ),
    Method(
        ("beta.sessions.create",),
        "sessions",
        "its tokens and its active time so far, as they were told last",
        ("beta.sessions.retrieve", "beta.sessions.update", "beta.sessions.archive"),
    ),
    Method(("beta.deployments.run",), "deployments.run", "the same, of the session that it starts"),
    Method(
        ("beta.dreams.create",),
        "dreams",
        "its tokens so far, as they were told last",
        ("beta.dreams.retrieve", "beta.dreams.cancel", "beta.dreams.archive"),
    ),
)
# What begins with one of these is no call: it answers nothing of a model's, or nothing that could be billed by it.
NOT_RECORDED: dict[str, tuple[str, ...]] = {
    "openai": (
        "admin.", "audio.voice_consents.", "audio.voices.", "beta.agents.", "beta.assistants.",
        "beta.chat.completions.",
        "beta.chatkit.", "beta.realtime.sessions.", "beta.realtime.transcription_sessions.", "beta.responses.",
        "beta.threads.", "chat.completions.", "containers.", "content_provenance_checks.", "conversations.", "evals.",
        "files.", "fine_tuning.", "live.sessions.", "live.create", "models.", "realtime.calls.",
        "realtime.client_secrets.", "realtime.translations.", "responses.", "safety.", "skills.", "uploads.",
        "vector_stores.", "videos.", "webhooks.",
    ),
    "anthropic": (
        "beta.agents.", "beta.deployment_runs.", "beta.deployments.", "beta.dreams.", "beta.environments.",
        "beta.files.", "beta.memory_stores.", "beta.messages.batches.", "beta.models.", "beta.organization.",
        "beta.sessions.", "beta.skills.", "beta.tunnels.", "beta.user_profiles.", "beta.vaults.", "beta.webhooks.",
        "files.", "messages.batches.", "models.", "organization.", "skills.", "user_profiles.",
    ),
}  # fmt: skip
METHODS = {"openai": OPENAI, "anthropic": ANTHROPIC}


def methods_of(sdk: str) -> list[str]:
    """Every public method of SDK's client, by its path."""
    client: Any = openai.OpenAI(api_key="k") if sdk == "openai" else anthropic.Anthropic(api_key="k")
    return sorted(_methods(client, ""))


def _methods(resource: Any, path: str) -> Iterator[str]:
    for name in dir(type(resource)):
        if name.startswith(("_", "with_")):
            continue
        attribute = inspect.getattr_static(type(resource), name)
        if type(attribute).__name__ == "cached_property":
            child = getattr(resource, name)
            if ".resources." in type(child).__module__:
                yield from _methods(child, f"{path}{name}.")
        elif path and callable(attribute):
            yield path + name


def table_rows(sdk: str) -> list[tuple[str, str, str]]:
    """The rows of the documentation's table of SDK: methods, endpoint, and what they are billed by."""
    rows = []
    for method in METHODS[sdk]:
        rows.append((", ".join(f"`{name}`" for name in method.names), f"`{method.endpoint}`", method.billed_by))
        if method.fetches:
            names = ", ".join(f"`{name}`" for name in method.fetches)
            rows.append((names, "", "nothing: it tells of what is billed above"))
    return rows
