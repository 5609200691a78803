"""Finds secrets and personal data in text: keys, tokens, passwords, credentials in URLs, e-mails, card numbers.

Everything works on UTF-8 bytes. A literal that each kind must contain is sought first, with the C library's speed;
only around a hit is anything matched. So text without secrets costs a few passes, whatever its length.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

KEY, TOKEN, PASSWORD, EMAIL, CARD = "key", "token", "password", "email", "card"
PERSONAL = frozenset({EMAIL, CARD})


class Finding(NamedTuple):
    """Bytes [start, end) of a text are a secret of `kind`."""

    start: int
    end: int
    kind: str


# A key is one long word: where a text has no word of this length, it has no key.
LONG_WORD = 16
_WORD = bytes(b"w"[0] if chr(c).isascii() and (chr(c).isalnum() or chr(c) in "_-") else 32 for c in range(256))
_LONG_WORD = b"w" * LONG_WORD
_SEARCHED_BYTES = 2048

# Prefixes that providers print in front of their keys. What precedes may be an escape of JSON (`\\n`), not a letter.
# Sources: https://docs.github.com/en/code-security/secret-scanning/introduction/supported-secret-scanning-patterns and
# https://github.com/gitleaks/gitleaks/blob/master/config/gitleaks.toml (prefixes and lengths)
_KEYS = re.compile(
    rb"sk-(?:ant|proj|svcacct|admin|or|lf|None)-[\w-]{8,}"  # OpenAI, Anthropic, OpenRouter, Langfuse
    rb"|sk-(?=[a-z_-]{0,64}[A-Z0-9]|[a-z]{20})[\w-]{13,}"  # OpenAI (older), DeepSeek, Moonshot and many gateways
    rb"|(?:pk-lf|pplx|xai|tvly|nvapi|glpat|xapp|lin_api|sntrys|fw|csk|voyage|pa)[-_](?=[\w-]{0,64}\d)[\w-]{16,}"
    rb"|(?:gsk|hf|r8|npm|dop_v1|whsec|lsv2_pt|lsv2_sk|api_org|shpat|shpss|rk_live|pcsk)_(?=\w{0,64}[\dA-Z])\w{16,}"
    rb"|[spr]k_(?:live|test)_\w{10,}"  # Stripe
    rb"|(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ANVA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Z0-9])"  # AWS
    rb"|gh[pousr]_\w{20,}|github_pat_\w{20,}"  # GitHub
    rb"|xox[a-z]-[\w-]{8,}"  # Slack
    rb"|AIza[\w-]{30,}|ya29\.[\w-]{16,}|GOCSPX-[\w-]{16,}"  # Google
    rb"|SG\.[\w-]{16,}\.[\w-]{16,}"  # SendGrid
    rb"|pypi-AgE[\w-]{16,}|dapi[0-9a-f]{32}"  # PyPI, Databricks
    rb"|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)*"  # a JSON web token
)
_PREFIX = re.compile(
    rb"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf]))(?:sk-|pk-lf|pplx[-_]|xai[-_]|tvly[-_]|nvapi[-_]|glpat[-_]|xapp[-_]|lin_api|sntrys"
    rb"|fw[-_]|csk[-_]|voyage[-_]|pa-|gsk_|hf_|r8_|npm_|dop_v1_|whsec_|lsv2_|api_org_|shp[as]|[spr]k_|pcsk_|A[KSRIGNBC]"
    rb"|gh[pousr]_|github_pat_|xox|AIza|ya29\.|GOCSPX-|SG\.|pypi-|dapi|eyJ)"
)
# `ya29.` and `SG.` stand before the word that is long.
_LONGEST_DOTTED = 5
_PEM = re.compile(
    rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    rb"(?:[\w+/=\s\\:,.]|-(?!----))*+(?:-----END [A-Z0-9 ]{0,40}-----)?"
)
_BEARER = re.compile(rb"[bB][eE][aA][rR][eE][rR](?:\s|%20|\\t|\+)+([\w.~+/=-]{8,})")
_BASIC = re.compile(rb"[bB][aA][sS][iI][cC] +([A-Za-z0-9+/]{8,}={0,2})")
_USERINFO = re.compile(rb"://([^\s/@\"'<>?#\\]{1,512})@")
_USERINFO_BEFORE = re.compile(rb"://[^\s/@\"'<>?#\\]{1,500}\Z")
_DOMAIN = re.compile(rb"(?:@|%40)(?:[A-Za-z0-9\x80-\xff-]{1,63}\.){1,8}[A-Za-z\x80-\xff]{2,63}")
_LOCAL = re.compile(rb"[\w.%+'\x80-\xff-]{1,64}\Z")
_CARD = re.compile(rb"(?<![\w.])(?:4\d|5[1-5]|2[2-7]|3[04-9]|6[0-9])\d(?:[ -]?\d){10,16}(?![ -]?\d)(?!\w)(?!\.\d)")
_DIGITS = bytes(b"0"[0] if 48 <= c <= 57 else 32 if c != 48 else 48 for c in range(256))
_THIRTEEN_DIGITS = b"0" * 13

# What a name says of its value, in `name=value`, `name: value` and `"name": "value"`.
_NAMES: tuple[tuple[bytes, str], ...] = (
    (b"key", KEY), (b"token", TOKEN), (b"secret", KEY), (b"passw", PASSWORD), (b"authorization", TOKEN),
    (b"credential", KEY), (b"signature", TOKEN), (b"sig=", TOKEN), (b"code=", TOKEN), (b"pwd", PASSWORD),
)  # fmt: skip
_ASSIGNED = re.compile(rb"(?P<rest>[\w-]{0,24}+)(?P<quote>\\?[\"']?)(?P<sign>\s{0,2}[:=]\s{0,2})\\?[\"']?")
_VALUE = re.compile(rb"[^\s\"',;&<>{}\[\]()\\]{6,}+")
# Names whose values are secrets wherever they stand; `key`, `code` and `sig` alone are so in a URL's query only.
_SECRET_NAME = re.compile(
    rb"(?:api[_.-]?key|apikey|access[_-]?key|secret|private[_-]?key|signing[_-]?key|encryption[_-]?key|passw(?:or)?d|pwd"
    rb"|(?:access|refresh|id|auth|bearer|session|api|bot|csrf|security)[_-]?token|token|authorization|credentials?"
    rb"|subscription[_-]?key|account[_-]?key|master[_-]?key|admin[_-]?key|aws[_-]?\w{0,12}[_-]?key)\Z",
    re.I,
)
_QUERY_NAME = re.compile(rb"[?&;](?:amp;)?([\w.%-]{0,32})\Z")
_BEFORE = re.compile(rb"[\w.-]{0,32}\Z")
# What follows these is found by itself, or was.
_NO_VALUES = (b"bearer", b"basic", b"[redacted", b"redacted")
_MIXED = re.compile(rb"(?=.*[0-9])|(?=.*[a-z])(?=.*[A-Z])|.{20}")

# Names of attributes, headers and JSON keys whose whole value is a secret.
_SECRET_FIELD = re.compile(
    r"(?:^|[._\-\s])(?:(?:proxy[-_])?authorization|(?:set[-_])?cookie|x[-_]api[-_]key|api[-_.]?key|apikey|access[-_]?key"
    r"|password|passwd|pwd|secret|client[-_]?secret|secret[-_]?(?:access[-_]?)?key|private[-_]?key"
    r"|(?:access|refresh|id|auth|bearer|session|api|security)[-_]?token|token|credentials?)$",
    re.I,
)


def is_secret_field(name: str) -> bool:
    """Whether what stands under NAME (of an attribute, a header or a JSON key) is a secret, whatever it looks like."""
    return len(name) < 200 and _SECRET_FIELD.search(name) is not None


def find_secrets(data: bytes) -> list[Finding]:
    """The secrets in DATA, UTF-8 text, in order and without overlaps."""
    lowered = data.lower()
    found = [finding for find in _FINDERS for finding in find(data, lowered)]
    if len(found) > 1:
        found = list(_without_overlaps(sorted(found, key=lambda f: (f.start, -f.end))))
    return found


def redact(data: bytes, *, keep: frozenset[str] = frozenset()) -> bytes:
    """DATA with each secret replaced by `[redacted:KIND]`, but those of the kinds to KEEP."""
    pieces, at = [], 0
    for start, end, kind in find_secrets(data):
        if kind not in keep:
            pieces += [data[at:start], b"[redacted:%s]" % kind.encode()]
            at = end
    return b"".join([*pieces, data[at:]]) if pieces else data


def redact_text(text: str) -> str:
    """TEXT with each secret replaced, as `redact` does it: for messages and addresses that are shown or logged."""
    return redact(text.encode("utf-8", "replace")).decode()


def _without_overlaps(found: list[Finding]) -> Iterator[Finding]:
    last = found[0]
    for finding in found[1:]:
        if finding.start < last.end:
            last = Finding(last.start, max(last.end, finding.end), last.kind)
        else:
            yield last
            last = finding
    yield last


def _each(data: bytes, needle: bytes) -> Iterator[int]:
    at = data.find(needle)
    while at >= 0:
        yield at
        at = data.find(needle, at + len(needle))


def _keys(data: bytes, lowered: bytes) -> Iterator[Finding]:
    words = data.translate(_WORD)
    start = words.find(_LONG_WORD)
    while start >= 0:
        end = words.find(b" ", start)
        end = len(words) if end < 0 else end
        at = max(0, start - _LONGEST_DOTTED)
        while prefix := _PREFIX.search(data, at, min(end, start + _SEARCHED_BYTES)):
            match = _KEYS.match(data, prefix.start())
            at = match.end() if match else prefix.start() + 1
            if match:
                yield Finding(match.start(), at, KEY)
        start = words.find(_LONG_WORD, max(end, at))


def _private_keys(data: bytes, lowered: bytes) -> Iterator[Finding]:
    passed = 0
    for at in _each(data, b"-----BEGIN "):
        if at >= passed and (match := _PEM.match(data, at)):
            passed = match.end()
            yield Finding(at, passed, KEY)


def _schemes(data: bytes, lowered: bytes) -> Iterator[Finding]:
    """The words after `Bearer` and `Basic`."""
    for at in _each(lowered, b"bearer"):
        match = _BEARER.match(data, at)
        if match and _MIXED.match(match[1]):
            yield Finding(*match.span(1), TOKEN)
    for at in _each(lowered, b"basic "):
        match = _BASIC.match(data, at)
        if match and _is_user_and_password(match[1]):
            yield Finding(*match.span(1), PASSWORD)


def _is_user_and_password(word: bytes) -> bool:
    try:
        return b":" in base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        return False


def _userinfo(data: bytes, lowered: bytes) -> Iterator[Finding]:
    for at in _each(data, b"://"):
        if match := _USERINFO.match(data, at):
            yield Finding(*match.span(1), PASSWORD)


def _assigned(data: bytes, lowered: bytes) -> Iterator[Finding]:
    if b":" not in data and b"=" not in data:
        return
    for needle, kind in _NAMES:
        passed = 0
        name_bytes = len(needle.rstrip(b"="))
        for at in _each(lowered, needle):
            if lowered.startswith(b"s", at + name_bytes):
                continue  # tokens, keys and codes are many, and counted
            match = _ASSIGNED.match(data, at + name_bytes) if at >= passed else None
            certainty = _certainty(data, at, match) if match else None
            value = _VALUE.match(data, match.end()) if match and certainty is not None else None
            if value and not value[0].lower().startswith(_NO_VALUES) and (certainty or _MIXED.match(value[0])):
                passed = value.end()
                yield Finding(value.start(), passed, kind)


def _certainty(data: bytes, at: int, match: "re.Match[bytes]") -> bool | None:
    """Whether what follows a name is a secret for sure; None where it is none. Prose says `password: required` too."""
    before = _BEFORE.search(data, max(0, at - 32), at)
    start = before.start() if before else at
    if match["sign"] == b"=" and not match["rest"] and _QUERY_NAME.search(data, max(0, start - 40), start):
        return True
    if not _SECRET_NAME.search(data[start : match.end("rest")]):
        return None
    return match["sign"] == b"=" or len(match["quote"]) > 0


def _emails(data: bytes, lowered: bytes) -> Iterator[Finding]:
    for needle in (b"@", b"%40"):
        for at in _each(data, needle):
            domain = _DOMAIN.match(data, at)
            local = _LOCAL.search(data, max(0, at - 64), at) if domain else None
            if domain and local and not _USERINFO_BEFORE.search(data, max(0, at - 512), at):
                yield Finding(local.start(), domain.end(), EMAIL)


def _cards(data: bytes, lowered: bytes) -> Iterator[Finding]:
    if _THIRTEEN_DIGITS not in data.translate(_DIGITS, b" -"):
        return
    for match in _CARD.finditer(data):
        digits = [c - 48 for c in match[0] if 48 <= c <= 57]
        if 13 <= len(digits) <= 19 and passes_luhn(digits):
            yield Finding(*match.span(), CARD)


def passes_luhn(digits: list[int]) -> bool:
    """Whether DIGITS end in the check digit that card numbers have (ISO/IEC 7812-1)."""
    doubled = [d * 2 - 9 if d > 4 else d * 2 for d in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


_FINDERS: tuple[Callable[[bytes, bytes], Iterator[Finding]], ...] = (
    _keys, _private_keys, _schemes, _userinfo, _assigned, _emails, _cards,
)  # fmt: skip
