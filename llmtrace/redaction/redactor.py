"""Takes secrets, personal data and media out of what is about to be written.

It runs on the journal's thread, or where spans are received; never on an application's thread but for spans that are
shared with the application's own OpenTelemetry. Where it fails, or takes more than 50 ms of processor time for one
span, content is withheld: nothing is written that was not looked at, and usage is kept.
"""

import functools
import json
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from llmtrace import config, semconv
from llmtrace.config_file import load_config_file
from llmtrace.errors import ConfigError
from llmtrace.model import Attributes, AttributeValue, Content, Span
from llmtrace.redaction.fitting import CUT_MARK, MARGIN_CHARACTERS, SEARCHED_CHARACTERS, fit_json, plan
from llmtrace.redaction.media import without_media
from llmtrace.redaction.own import OwnPattern, compile_patterns, windows
from llmtrace.redaction.secrets import PERSONAL, find_secrets, is_secret_field, redact, redact_text

LIMIT_S = 0.05
DEEPEST = 32
NO_FIELDS: Mapping[str, Any] = {}
# A longer attribute of a span of our own is content.
SEARCHED_IN_SPAN = 8192
REDACTED = "[redacted]"
TOO_DEEP = "[nested too deeply]"
TABLE, KEY = "privacy", "redact"
# Set on purpose, to know whose call it was: only keys and tokens are taken out of them.
IDENTITIES = frozenset({
    "user.id", "session.id", "enduser.id", "llmtrace.tenant", "gen_ai.conversation.id", "gen_ai.user",
    "langfuse.user.id", "langfuse.session.id",
})  # fmt: skip
# Never touched: what a call costs, and what of. Its values are numbers and names that the provider or the code gave.
UNTOUCHED = (
    "gen_ai.usage.", "llmtrace.usage.", "llmtrace.feature", "gen_ai.request.model", "gen_ai.response.model",
    "gen_ai.response.id", "gen_ai.provider.name", "gen_ai.operation.name", "gen_ai.response.finish_reasons",
)  # fmt: skip
ADDRESSES = frozenset({"server.address", "net.peer.name", "peer.address", "http.host", "client.address"})
_USERINFO = re.compile(r"^(?:\w+://)?[^/@\s]+@")
CONTENT_FIELDS = ("input_messages", "output_messages", "system_instructions", "tool_definitions")
log = logging.getLogger("llmtrace")


class Withheld(Exception):
    """Content that cannot be made safe; the message is the reason."""


class Watch:
    """The processor time that one span has left."""

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        """Begin now."""
        self._limit_s = limit_s
        self._ends_at = time.thread_time() + limit_s

    def check(self) -> None:
        """Raise Withheld when the time is over."""
        if time.thread_time() > self._ends_at:
            raise Withheld(f"redaction took more than {self._limit_s * 1000:.0f} ms")


class Redactor:
    """Redacts by the built-in rules and OWN patterns; PROBLEM says why those cannot be used, if they cannot."""

    def __init__(self, own: tuple[OwnPattern, ...] = (), problem: str | None = None) -> None:
        """With PROBLEM, all content is withheld: nobody knows what the patterns were to find."""
        self.own, self.problem = own, problem
        self._too_slow: str | None = None

    @property
    def withholds(self) -> str | None:
        """Why all content is withheld; None where it is not."""
        return self._too_slow or (f"the patterns cannot be used: {self.problem}" if self.problem else None)

    def content(self, content: Content) -> Content:
        """CONTENT without secrets and media, at most 64 KiB each; or, with the reason, without anything."""
        watch = Watch()
        try:
            if self.withholds is not None:
                raise Withheld(self.withholds)
            texts = {name: getattr(content, name) for name in CONTENT_FIELDS}
            return Content(**{n: self.json_text(t, watch) if t is not None else None for n, t in texts.items()})
        except Withheld as err:
            reason = str(err)
        except Exception as err:  # whatever it is: what was not looked at is not written
            reason = f"redaction failed: {type(err).__name__}"
        log_withheld(reason)
        return Content(withheld=reason)

    def span(self, span: Span) -> Span:
        """SPAN, one of our own, with its texts redacted; its content has been redacted already."""
        attributes, message = self.attributes(span.attributes), span.status_message
        if message:
            message = self.free_text(message)
        if attributes is span.attributes and message == span.status_message:
            return span
        return replace(span, attributes=attributes, status_message=message)

    def attributes(self, attributes: Attributes) -> Attributes:
        """ATTRIBUTES of a span of our own, with their texts redacted but for its content."""
        texts = [v for v in attributes.values() if isinstance(v, str) and len(v) < SEARCHED_IN_SPAN]
        if not self.own and not self.problem and not find_secrets("\n".join(texts).encode("utf-8", "replace")):
            return attributes
        return {name: self._attribute(name, value) for name, value in attributes.items()}

    def _attribute(self, name: str, value: AttributeValue) -> AttributeValue:
        if not isinstance(value, str) or len(value) >= SEARCHED_IN_SPAN:
            return value
        try:
            return self.attribute(name, value, Watch())
        except Withheld:
            # Of what we write ourselves, only tags are texts of the application's.
            return REDACTED if name.startswith(semconv.TAG_PREFIX) else redact_text(value)

    def attribute(self, name: str, text: str, watch: Watch) -> str:
        """TEXT, the value of the attribute NAME.

        Raises:
            Withheld: time is over, or nobody can know what is to be redacted.
        """
        if name.startswith(UNTOUCHED):
            return text
        if is_secret_field(name) and text:
            return REDACTED
        if name in IDENTITIES:
            return redact(text.encode("utf-8", "replace"), keep=PERSONAL).decode()
        if text[:1] in ("[", "{"):
            return self.json_text(text, watch)
        if name in ADDRESSES:
            text = _USERINFO.sub("", text)
        cleaned = _Walk(self, watch, SEARCHED_CHARACTERS).value(text, name=name)
        return cleaned if isinstance(cleaned, str) else fit_json(cleaned)

    def json_text(self, text: str, watch: Watch) -> str:
        """TEXT redacted as JSON where it is JSON: string by string, so that it stays JSON and escapes hide nothing."""
        if self.withholds is not None:
            raise Withheld(self.withholds)
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            return self.text(text, watch)
        kept, longest = plan(parsed)
        # What is cut in the end need not be searched, but for as much as a secret at the cut may take.
        return fit_json(_Walk(self, watch, longest + MARGIN_CHARACTERS).value(kept))

    def text(self, text: str, watch: Watch) -> str:
        """TEXT redacted. Raises Withheld."""
        watch.check()
        if len(text) > SEARCHED_CHARACTERS:
            text = text[:SEARCHED_CHARACTERS] + CUT_MARK
        data = text.encode("utf-8", "replace")
        cleaned = redact(data)
        text = cleaned.decode() if cleaned is not data else text
        if self.withholds is not None:
            raise Withheld(self.withholds)
        return self._without_own(text, watch) if self.own else text

    def free_text(self, text: str) -> str:
        """TEXT that is a message or an address: redacted, or, where that cannot be, withheld as a whole."""
        try:
            return self.text(text, Watch()) if text else text
        except Withheld:
            return REDACTED

    def _without_own(self, text: str, watch: Watch) -> str:
        spans: list[tuple[int, int]] = []
        for own in self.own:
            started = time.thread_time()
            try:
                for start, window in windows(text):
                    spans += [(start + m.start(), start + m.end()) for m in own.pattern.finditer(window)]
                    watch.check()
            except Withheld:
                if time.thread_time() - started > LIMIT_S / 2:
                    # It would hold up the application again and again.
                    self._too_slow = f"a pattern of one's own is too slow ({own.place})"
                raise
        pieces, at = [], 0
        for start, end in sorted(s for s in spans if s[1] > s[0]):
            if start >= at:
                pieces += [text[at:start], "[redacted:own]"]
            at = max(at, end)
        return "".join([*pieces, text[at:]]) if pieces else text


class _Walk:
    """One pass over a value of JSON that redacts every text in it; of each, the first LONGEST characters are kept."""

    def __init__(self, redactor: Redactor, watch: Watch, longest: int) -> None:
        self._redactor, self._watch, self._longest = redactor, watch, min(longest, SEARCHED_CHARACTERS)

    def value(self, value: Any, fields: Mapping[str, Any] = NO_FIELDS, name: str = "", depth: int = 0) -> Any:
        """VALUE, which stands under NAME among FIELDS, with everything in it redacted."""
        if depth > DEEPEST:
            return TOO_DEEP
        if isinstance(value, str):
            plain = without_media(value, fields, name)
            return self._text(plain) if isinstance(plain, str) else plain
        if isinstance(value, dict):
            return {self._name(k): self._field(k, v, value, depth) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item, fields, name, depth + 1) for item in value]
        return value

    def _text(self, text: str) -> str:
        if len(text) > self._longest:
            text = text[: self._longest] + CUT_MARK
        return self._redactor.text(text, self._watch)

    def _field(self, name: str, value: Any, fields: Mapping[str, Any], depth: int) -> Any:
        if isinstance(value, str) and value and is_secret_field(name):
            return REDACTED
        return self.value(value, fields, name, depth + 1)

    def _name(self, name: str) -> str:
        return redact(name.encode("utf-8", "replace")).decode() if len(name) >= 16 or "@" in name else name


@functools.lru_cache(maxsize=8)
def redactor_of(home: Path) -> Redactor:
    """The redactor for HOME, by its configuration file and `LLMTRACE_REDACT` as they were when first asked for."""
    try:
        return Redactor(own_patterns(home))
    except ConfigError as err:
        log.warning("llmtrace withholds prompts and answers: %s", err)
        return Redactor(problem=str(err))


def own_patterns(home: Path) -> tuple[OwnPattern, ...]:
    """The patterns of the user's own for HOME.

    Raises:
        ConfigError: one of them cannot be used, or the file cannot.
    """
    texts = [(text, f"LLMTRACE_REDACT, line {n}") for n, text in enumerate(config.redacted_patterns(), 1)]
    file = load_config_file(home)
    table = file.tables.get(TABLE, {})
    if not isinstance(table, dict):
        raise file.mistake((TABLE,), f"'{TABLE}' is a table: [{TABLE}]")
    unknown = sorted(set(table) - {KEY})
    if unknown:
        raise file.mistake((TABLE, unknown[0]), f"[{TABLE}] has no key '{unknown[0]}'; it has '{KEY}'")
    listed = table.get(KEY, [])
    if not isinstance(listed, list) or not all(isinstance(p, str) for p in listed):
        raise file.mistake((TABLE, KEY), f"'{KEY}' is a list of regular expressions")
    where = str(file.mistake((TABLE, KEY), "")).removesuffix(": ")
    return compile_patterns([*texts, *((text, f"{where}, pattern {n}") for n, text in enumerate(listed, 1))])


_withheld_reasons: set[str] = set()


def log_withheld(reason: str) -> None:
    """Warn that content was withheld for REASON; once for each reason, and for at most a hundred."""
    if reason not in _withheld_reasons and len(_withheld_reasons) < 100:
        _withheld_reasons.add(reason)
        log.warning("llmtrace withheld the prompt and the answer of a call: %s", reason)


def redaction_problems(home: Path) -> list[str]:
    """Why HOME's patterns cannot be used, so that prompts and answers are withheld; empty where they can."""
    try:
        own_patterns(home)
    except ConfigError as err:
        return [f"prompts and answers are withheld: {err}"]
    return []
