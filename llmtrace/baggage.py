"""On whose behalf a call is made, across services: W3C baggage, read and written under the names of our attributes.

What arrives was written by somebody else: only our keys are read, and only values that are short and printable. What
leaves goes to the hosts that the configuration names, and never to a provider.

Source: https://www.w3.org/TR/baggage/
"""

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import quote, unquote, urlsplit

from llmtrace import config, semconv
from llmtrace.feature import Scope, current_scope, feature, feature_of

HEADER = "baggage"
# The specification's limits: what is beyond them need not be carried on, and is not read here.
MAX_BYTES = 8192
MAX_MEMBERS = 64
# Ours: a value becomes a row of a report.
MAX_VALUE_CHARACTERS = 128
MAX_TAGS = 16
SOURCE = "baggage"
FIELDS = {
    semconv.FEATURE: "name", semconv.USER_ID: "user", semconv.SESSION_ID: "session", semconv.TENANT: "tenant",
    semconv.PROMPT_VERSION: "prompt_version", "llmtrace.user": "user", "llmtrace.session": "session",
}  # fmt: skip
_TAG_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")

Headers = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]


def feature_from_headers(headers: Headers) -> feature:
    """The scope that the `baggage` of an incoming request's HEADERS asks for, to enter with `with`.

    HEADERS is a mapping, or pairs as ASGI has them. The scope is empty, and changes nothing, where there is none, or
    where `OTEL_PROPAGATORS` leaves baggage out.
    """
    if not config.propagates_baggage():
        return feature(None)
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    values = [_text(value) for name, value in pairs if _text(name).lower() == HEADER]
    return feature_from_baggage(_parse(",".join(values)))


def feature_from_baggage(entries: Mapping[str, object]) -> feature:
    """The scope that ENTRIES, decoded baggage, ask for; entries that are none of ours, or unusable, are left out."""
    known: dict[str, str] = {}
    tags: dict[str, str] = {}
    for key, value in entries.items():
        if not isinstance(value, str) or not 0 < len(value) <= MAX_VALUE_CHARACTERS or not value.isprintable():
            continue
        if key in FIELDS:
            known.setdefault(FIELDS[key], value)
        elif key.startswith(semconv.TAG_PREFIX) and len(tags) < MAX_TAGS:
            tag = key.removeprefix(semconv.TAG_PREFIX)
            if _TAG_KEY.fullmatch(tag):
                tags[tag] = value
    return feature_of(SOURCE, known.pop("name", None), tags, **known)


def scope_of_call() -> Scope | None:
    """The innermost scope around the caller; what it leaves open, the app's own OpenTelemetry baggage may say."""
    scope = current_scope()
    otel = sys.modules.get("opentelemetry.baggage")
    entries: Mapping[str, object] = otel.get_all() if otel is not None else {}
    if not entries:
        return scope
    carried = feature_from_baggage(entries).inside(None)
    if scope is None:
        return carried
    return replace(
        scope,
        feature=scope.feature or carried.feature,
        feature_source=scope.feature_source or carried.feature_source,
        user_id=scope.user_id or carried.user_id,
        session_id=scope.session_id or carried.session_id,
        tenant=scope.tenant or carried.tenant,
        prompt_version=scope.prompt_version or carried.prompt_version,
        tags={**carried.tags, **scope.tags},
    )


def baggage_headers(url: str, baggage: str | None = None) -> dict[str, str]:
    """The header that tells the service at URL on whose behalf it is asked; empty unless its host is configured.

    BAGGAGE is the header that the request has already; its other members are kept.
    """
    header = stamp(url, baggage)
    return {HEADER: header} if header and header != baggage else {}


def stamp(url: str, baggage: str | None) -> str | None:
    """BAGGAGE as the service at URL may have it: with what the current scope says if its host is configured, else
    without.
    """
    scope = current_scope()
    if scope is None:
        return baggage
    own = [f"{key}={quote(value, safe='')}" for key, value in _entries(scope).items()]
    others = [member.strip() for member in (baggage or "").split(",") if member.strip() and member.strip() not in own]
    host = urlsplit(url).hostname
    if host is None or not is_trusted(host) or not config.propagates_baggage():
        return ",".join(others) or None
    taken = {member.partition("=")[0] for member in own}
    members = [member for member in others if member.partition("=")[0].strip() not in taken] + own
    while len(members) > MAX_MEMBERS or len(",".join(members)) > MAX_BYTES:
        members.pop()
    return ",".join(members) or None


def is_trusted(host: str) -> bool:
    """Whether the configuration names HOST: itself, or by `*.` and a domain that it is in."""
    host = host.lower()
    return any(host.endswith(name[1:]) if name.startswith("*.") else host == name for name in config.baggage_hosts())


def _entries(scope: Scope) -> dict[str, str]:
    """What SCOPE says, as baggage."""
    found = {
        semconv.FEATURE: scope.feature,
        semconv.USER_ID: scope.user_id,
        semconv.SESSION_ID: scope.session_id,
        semconv.TENANT: scope.tenant,
        semconv.PROMPT_VERSION: scope.prompt_version,
        **{semconv.TAG_PREFIX + key: value for key, value in scope.tags.items() if _TAG_KEY.fullmatch(key)},
    }
    return {key: value for key, value in found.items() if value}


def _parse(header: str) -> dict[str, str]:
    """The members of HEADER, without their properties; one that is malformed is left out."""
    if len(header) > MAX_BYTES:
        return {}
    found: dict[str, str] = {}
    for member in header.split(",")[:MAX_MEMBERS]:
        key, is_pair, value = member.partition(";")[0].partition("=")
        if is_pair:
            found.setdefault(key.strip(), unquote(value.strip()))
    return found


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
