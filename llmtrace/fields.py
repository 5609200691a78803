"""Which attribute of a span carries which field of a call: the tables of `codec`."""

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from llmtrace import semconv as s


class Fields(tuple[tuple[str, str, type], ...]):
    """Rows of attribute, field and type; `names` are the attributes, `read` reads all the fields of an object."""

    names: tuple[str, ...]
    read: "attrgetter[tuple[Any, ...]]"

    def __new__(cls, rows: Iterable[tuple[str, str, type]]) -> "Fields":
        """The table of ROWS, of which there are two at least."""
        made = super().__new__(cls, rows)
        made.names = tuple(attribute for attribute, _, _ in made)
        made.read = attrgetter(*[name for _, name, _ in made])
        return made


REQUEST_FIELDS = Fields(
    (
        (s.PROVIDER_NAME, "provider", str),
        (s.OPERATION_NAME, "operation", str),
        (s.ENDPOINT, "endpoint", str),
        (s.REQUEST_MODEL, "model", str),
        (s.SERVER_ADDRESS, "server_address", str),
        (s.SERVER_PORT, "server_port", int),
        (s.REQUEST_MAX_TOKENS, "max_tokens", int),
        (s.REQUEST_TEMPERATURE, "temperature", float),
        (s.REQUEST_TOP_P, "top_p", float),
        (s.REQUEST_TOP_K, "top_k", int),
        (s.REQUEST_FREQUENCY_PENALTY, "frequency_penalty", float),
        (s.REQUEST_PRESENCE_PENALTY, "presence_penalty", float),
        (s.REQUEST_SEED, "seed", int),
        (s.REQUEST_CHOICE_COUNT, "choice_count", int),
        (s.REQUEST_STOP_SEQUENCES, "stop_sequences", tuple),
        (s.OUTPUT_TYPE, "output_type", str),
        (s.REQUEST_REASONING_LEVEL, "reasoning_level", str),
        (s.EMBEDDINGS_DIMENSIONS, "dimensions", int),
        (s.USAGE_CACHE_TTL, "cache_ttl", str),
        (s.PREVIOUS_RESPONSE_ID, "previous_response_id", str),
        (s.CONVERSATION_ID, "conversation_id", str),
        (s.GUARDRAIL_ID, "guardrail_id", str),
    )
)
RESPONSE_FIELDS = Fields(
    (
        (s.RESPONSE_ID, "id", str),
        (s.RESPONSE_MODEL, "model", str),
        (s.RESPONSE_FINISH_REASONS, "finish_reasons", tuple),
        (s.OPENAI_SYSTEM_FINGERPRINT, "system_fingerprint", str),
        (s.REFUSAL_CATEGORY, "refusal_category", str),
    )
)
USAGE_FIELDS = Fields(
    (
        (s.USAGE_INPUT_TOKENS, "input_tokens", int),
        (s.USAGE_CACHE_READ_TOKENS, "cached_input_tokens", int),
        (s.USAGE_CACHE_WRITE_TOKENS, "cache_write_tokens", int),
        (s.USAGE_OUTPUT_TOKENS, "output_tokens", int),
        (s.USAGE_REASONING_TOKENS, "reasoning_tokens", int),
        (s.USAGE_INPUT_AUDIO_TOKENS, "input_audio_tokens", int),
        (s.USAGE_OUTPUT_AUDIO_TOKENS, "output_audio_tokens", int),
        (s.USAGE_INPUT_IMAGE_TOKENS, "image_tokens", int),
    )
)
CALL_FIELDS = Fields(
    (
        (s.RESPONSE_TIME_TO_FIRST_CHUNK, "time_to_first_chunk_s", float),
        (s.TTFT_S, "ttft_s", float),
        (s.ERROR_TYPE, "error_type", str),
        (s.HTTP_STATUS_CODE, "http_status", int),
        (s.REQUEST_ID, "request_id", str),
        (s.FEATURE, "feature", str),
        (s.FEATURE_SOURCE, "feature_source", str),
        (s.USER_ID, "user_id", str),
        (s.SESSION_ID, "session_id", str),
        (s.TENANT, "tenant", str),
        (s.PROMPT_VERSION, "prompt_version", str),
    )
)
CONTENT_FIELDS = Fields(
    (
        (s.INPUT_MESSAGES, "input_messages", str),
        (s.OUTPUT_MESSAGES, "output_messages", str),
        (s.SYSTEM_INSTRUCTIONS, "system_instructions", str),
        (s.TOOL_DEFINITIONS, "tool_definitions", str),
        (s.CONTENT_WITHHELD, "withheld", str),
    )
)
ORIGIN_FIELDS = Fields(
    (
        (s.ORIGIN_ROUTE, "route", str),
        (s.ORIGIN_TASK, "task", str),
        (s.ORIGIN_COMMAND, "command", str),
        (s.ORIGIN_TEST, "test", str),
        (s.ORIGIN_MODULE, "module", str),
        (s.ORIGIN_FUNCTION, "function", str),
    )
)

BATCH_FIELDS = Fields(
    (
        (s.BATCH_ID, "id", str),
        (s.BATCH_CUSTOM_ID, "custom_id", str),
        (s.BATCH_FILE_ID, "file_id", str),
    )
)
