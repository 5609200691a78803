"""Counts tokens where no provider did: with tiktoken where its encoding is on the machine, else by length.

Nothing is ever downloaded: tiktoken would fetch an encoding that it does not find, so it is asked only for files that
are there. Whatever is counted here is marked as estimated.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

from llmtrace.config import tiktoken_encoding_is_cached

# Measured against o200k: four ASCII characters to a token; Chinese and Japanese text takes a token per 1.7 characters.
ASCII_CHARACTERS_PER_TOKEN = 4.0
WIDE_CHARACTERS_PER_TOKEN = 1.7
FIRST_WIDE_CHARACTER = "\u2e80"
TOKENS_PER_MESSAGE = 3
OLD_ENCODING_MODELS = ("gpt-4-", "gpt-4", "gpt-3.5", "text-embedding")
NEW_ENCODING_MODELS = ("gpt-4o", "gpt-4.1", "gpt-4.5")


def count_tokens(texts: Sequence[str], model: str | None, *, is_prompt: bool) -> int:
    """About how many tokens TEXTS are for MODEL; a prompt's texts are messages, which cost a few more each."""
    count = _find_counter(_encoding_name(model or ""))
    tokens = sum(count(text) for text in texts)
    return tokens + TOKENS_PER_MESSAGE * (len(texts) + 1) if is_prompt else tokens


def _encoding_name(model: str) -> str:
    is_old = model.startswith(OLD_ENCODING_MODELS) and not model.startswith(NEW_ENCODING_MODELS)
    return "cl100k_base" if is_old else "o200k_base"


@lru_cache(maxsize=4)
def _find_counter(encoding_name: str) -> Callable[[str], int]:
    if tiktoken_encoding_is_cached(encoding_name):
        try:
            import tiktoken
        except ImportError:
            return _count_by_length
        encoding = tiktoken.get_encoding(encoding_name)
        return lambda text: len(encoding.encode_ordinary(text))
    return _count_by_length


def _count_by_length(text: str) -> int:
    wide = 0 if text.isascii() else sum(c >= FIRST_WIDE_CHARACTER for c in text)
    return math.ceil((len(text) - wide) / ASCII_CHARACTERS_PER_TOKEN + wide / WIDE_CHARACTERS_PER_TOKEN)
