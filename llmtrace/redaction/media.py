"""Replaces media inside prompts and answers by a digest: media type, length in bytes, SHA-256 of the bytes.

Two prompts with the same picture have the same digest, which is what one wants to know later; the picture is not kept.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from llmtrace.redaction.fitting import DEEPEST

# A base64 text shorter than this is left to the search for secrets: it may be a word.
MEDIA_CHARACTERS = 1024
UNKNOWN_TYPE = "application/octet-stream"
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.-]+=[^;,\s\"']*)*);base64,([A-Za-z0-9+/_=\r\n-]*)", re.I)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}\s*\Z")
_LOOKED_AT = 4096
# Where the media type stands beside the bytes: Anthropic and OpenAI, Gemini (REST and SDK), OpenAI's audio.
_TYPE_FIELDS = ("media_type", "mime_type", "mimeType", "format", "output_format")
_TYPE_NAMES = frozenset(_TYPE_FIELDS)
# Fields that hold media as plain base64, in the shapes of OpenAI, Anthropic and Gemini and of OpenTelemetry's blobs.
MEDIA_FIELDS = frozenset({"data", "file_data", "b64_json", "image_bytes", "imageBytes", "audio", "bytes", "content"})
AUDIO_FORMATS = frozenset({"wav", "mp3", "flac", "opus", "pcm16", "aac", "ogg", "webm"})


def digest(text: str, media_type: str | None) -> dict[str, Any]:
    """What is kept of TEXT, base64 of MEDIA_TYPE: type, bytes, SHA-256 (of the text itself where it is damaged)."""
    raw = _decode(text)
    return {"media_type": media_type or UNKNOWN_TYPE, "bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}


def digest_of_url(url: str) -> dict[str, Any] | None:
    """The digest of what a data URL holds; None where URL is none."""
    match = _DATA_URL.match(url)
    return digest(match[3], match[1]) if match else None


def without_media(text: str, fields: Mapping[str, Any] | None = None, name: str = "") -> Any:
    """TEXT, or the digest that stands in its place where it is media.

    FIELDS are those of the object in which TEXT stands under NAME: they tell its type. Data URLs within a longer text
    are replaced inside it.
    """
    if "base64," in text and (found := _DATA_URL.search(text)):
        if found.span() == (0, len(text)):
            return digest(found[3], found[1])
        return _DATA_URL.sub(_in_text, text)
    if name in MEDIA_FIELDS and fields is not None and (kind := _type_beside(fields)) is not None and is_base64(text):
        return digest(text, kind)
    return digest(text, None) if len(text) >= MEDIA_CHARACTERS and is_base64(text) and _is_mixed(text) else text


_ALPHABET = bytes(b"w"[0] if chr(c).isascii() and (chr(c).isalnum() or chr(c) in "+/_-") else 32 for c in range(256))
_RUN = b"w" * (MEDIA_CHARACTERS // 2)


def may_hold_media(data: bytes) -> bool:
    """Whether media may be somewhere in DATA: one fast look that spares the close one."""
    return b"base64" in data or _RUN in data.replace(b"\\n", b"").translate(_ALPHABET, b"\r\n")


def has_media(texts: Iterable[str], names: Iterable[str]) -> bool:
    """Whether media may be among TEXTS, which stand in objects that have fields of these NAMES."""
    if not MEDIA_FIELDS.isdisjoint(names) and not _TYPE_NAMES.isdisjoint(names):
        return True
    return any("base64," in t or (len(t) >= MEDIA_CHARACTERS and " " not in t[:MEDIA_CHARACTERS]) for t in texts)


def replace_media(value: Any, fields: Mapping[str, Any] | None = None, name: str = "", depth: int = 0) -> Any:
    """VALUE of JSON with a digest in the place of all media in it; what is deeper than 32 levels stays as it is."""
    if isinstance(value, str):
        return without_media(value, fields, name)
    if depth > DEEPEST:
        return value
    if isinstance(value, Mapping):
        return {k: replace_media(v, value, k, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [replace_media(v, fields, name, depth + 1) for v in value]
    return value


def is_base64(text: str) -> bool:
    """Whether TEXT, which has four characters at least, is nothing but base64."""
    return len(text) >= 4 and _BASE64.match(text.replace("\n", "").replace("\r", "")) is not None


def _is_mixed(text: str) -> bool:
    """Whether TEXT looks like bytes: prose without spaces has no digits among small and capital letters."""
    head = text[:_LOOKED_AT]
    return any(c.isdigit() for c in head) and any(c.isupper() for c in head) and any(c.islower() for c in head)


def _type_beside(fields: Mapping[str, Any]) -> str | None:
    stated = next((v for f in _TYPE_FIELDS if isinstance(v := fields.get(f), str)), None)
    if stated in AUDIO_FORMATS:
        return f"audio/{stated}"
    if stated is not None and "/" in stated:
        return stated
    return None


def _in_text(match: "re.Match[str]") -> str:
    found = digest(match[3], match[1])
    return f"[{found['media_type']}, {found['bytes']} bytes, sha256 {found['sha256']}]"


def _decode(text: str) -> bytes:
    plain = text.translate(_STANDARD)
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4))
    except (binascii.Error, ValueError):
        return text.encode("utf-8", "replace")


_STANDARD = str.maketrans({"-": "+", "_": "/", "=": None, "\n": None, "\r": None, " ": None})
