"""Deterministic words and token counts.

A token is four characters: every piece of a prompt is padded to whole tokens, so that the length of the padded prompt
counts its tokens exactly and a prefix of it is a prefix of the prompt. Each message costs four tokens more than its
texts, and any picture, sound or file costs 256, whatever it shows.
"""

import json
import random
import string
from collections.abc import Iterator, Mapping
from hashlib import sha256

CHARACTERS_PER_TOKEN = 4
MESSAGE_TOKENS = 4
MEDIA_TOKENS = 256
MEDIA = frozenset({"image_url", "input_audio", "file", "image", "document", "input_image", "input_file"})
TEXTS = ("text", "refusal", "thinking")
ALPHANUMERIC = string.ascii_letters + string.digits

VOCABULARY = (
    "account across again against almost already amount answer around batch because before better between budget "
    "cache careful change check clear close common cost count course current customer daily detail different "
    "during early either enough every example expect fact faster few field figure final first follow forward "
    "found full further general given growth half handle happen hour however include increase index instead "
    "invoice issue item keep known large later least less level likely limit line little local longer lower main "
    "many matter measure method middle minute model month more most much near never next note number often older "
    "open order other outside over page part past people percent plan point possible price problem quarter "
    "question quick range rate rather reach ready real reason recent record reduce region remain report request "
    "result review right same sample second section service share short should simple single small source start "
    "state steady step still store sum support table team than then there thing those though time today together "
    "total toward trend under until update usage useful usual value view watch week where which while whole "
    "within without work year "
)
WORDS = tuple(VOCABULARY.split())


def count_tokens(text: str) -> int:
    """Tokens of TEXT: one per four characters, and at least one when there is any text."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def cut_tokens(text: str, limit: int) -> str:
    """The first LIMIT tokens of TEXT."""
    return text[: max(limit, 0) * CHARACTERS_PER_TOKEN]


def pad(text: str) -> str:
    """TEXT filled up to whole tokens, so that texts can be joined without changing their count."""
    return text.ljust(count_tokens(text) * CHARACTERS_PER_TOKEN)


def mark_message(role: object) -> str:
    """What a message of ROLE costs before its texts, as exactly four tokens."""
    width = MESSAGE_TOKENS * CHARACTERS_PER_TOKEN - 1
    return "\n" + str(role)[:width].ljust(width)


def compact(value: object) -> str:
    """VALUE as JSON without blanks, with sorted keys: the same for equal values."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def iter_texts(content: object) -> Iterator[str]:
    """Every text in CONTENT, the content of a message in either provider's form."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            yield from _part_texts(part)
    elif content is not None:
        yield compact(content)


def _part_texts(part: object) -> Iterator[str]:
    if not isinstance(part, Mapping):
        yield compact(part)
    elif part.get("type") in MEDIA:
        yield sha256(compact(part).encode()).hexdigest() * (MEDIA_TOKENS * CHARACTERS_PER_TOKEN // 64)
    elif part.get("type") == "tool_result":
        yield str(part.get("tool_use_id"))
        yield from iter_texts(part.get("content"))
    elif texts := [part[key] for key in TEXTS if isinstance(part.get(key), str)]:
        yield from texts
    else:
        yield compact({key: value for key, value in part.items() if key != "cache_control"})


def seeded(seed: int, *parts: object) -> random.Random:
    """A random generator that is the same for the same SEED and PARTS, in every process."""
    return random.Random(":".join((str(seed), *map(str, parts))))


def write_prose(rng: random.Random, least: int = 24, most: int = 72) -> str:
    """Between LEAST and MOST words, in sentences."""
    words = rng.choices(WORDS, k=rng.randint(least, most))
    sentences: list[str] = []
    while words:
        length = rng.randint(6, 13)
        sentences.append(" ".join(words[:length]).capitalize() + ".")
        words = words[length:]
    return " ".join(sentences)


def split_chunks(text: str) -> list[str]:
    """TEXT in the pieces that a stream sends it in: words with the blank before them."""
    words = text.split(" ")
    return [word if index == 0 else f" {word}" for index, word in enumerate(words)] if text else []


def split_json(text: str, size: int = 12) -> list[str]:
    """TEXT in pieces of SIZE characters, as a stream sends the arguments of a tool call."""
    return [text[start : start + size] for start in range(0, len(text), size)]


def draw_id(rng: random.Random, prefix: str, length: int) -> str:
    """PREFIX followed by LENGTH random letters and digits."""
    return prefix + "".join(rng.choices(ALPHANUMERIC, k=length))
