"""Names of span and resource attributes: OpenTelemetry's GenAI conventions, and ours where they have none.

The installed `opentelemetry-semantic-conventions` package still carries the generation before the GenAI conventions
moved to a repository of their own, so the names are spelled here, once.

Source: https://github.com/open-telemetry/semantic-conventions-genai
"""

import re

SCHEMA_URL = "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev"
SCOPE_NAME = "llmtrace"

# Resource
SERVICE_NAME = "service.name"
SERVICE_INSTANCE_ID = "service.instance.id"
DEPLOYMENT_ENVIRONMENT = "deployment.environment.name"
DEPLOYMENT_ENVIRONMENT_OLD = "deployment.environment"

# General
ERROR_TYPE = "error.type"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
HTTP_STATUS_CODE = "http.response.status_code"
USER_ID = "user.id"
SESSION_ID = "session.id"

# GenAI
OPERATION_NAME = "gen_ai.operation.name"
PROVIDER_NAME = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_STREAM = "gen_ai.request.stream"
REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
REQUEST_TEMPERATURE = "gen_ai.request.temperature"
REQUEST_TOP_P = "gen_ai.request.top_p"
REQUEST_TOP_K = "gen_ai.request.top_k"
REQUEST_FREQUENCY_PENALTY = "gen_ai.request.frequency_penalty"
REQUEST_PRESENCE_PENALTY = "gen_ai.request.presence_penalty"
REQUEST_SEED = "gen_ai.request.seed"
REQUEST_CHOICE_COUNT = "gen_ai.request.choice.count"
REQUEST_STOP_SEQUENCES = "gen_ai.request.stop_sequences"
REQUEST_REASONING_LEVEL = "gen_ai.request.reasoning.level"
OUTPUT_TYPE = "gen_ai.output.type"
RESPONSE_ID = "gen_ai.response.id"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
USAGE_INPUT_TOKENS = "gen_ai.usage.input_tokens"
USAGE_CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE_TOKENS = "gen_ai.usage.cache_write.input_tokens"
USAGE_OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
USAGE_REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
USAGE_INPUT_AUDIO_TOKENS = "gen_ai.usage.audio.input_tokens"
USAGE_OUTPUT_AUDIO_TOKENS = "gen_ai.usage.audio.output_tokens"
USAGE_INPUT_IMAGE_TOKENS = "gen_ai.usage.image.input_tokens"
EMBEDDINGS_DIMENSIONS = "gen_ai.embeddings.dimension.count"
PREVIOUS_RESPONSE_ID = "gen_ai.request.previous_response.id"
CONVERSATION_ID = "gen_ai.conversation.id"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions"
TOOL_DEFINITIONS = "gen_ai.tool.definitions"

# OpenAI's part of GenAI
OPENAI_API_TYPE = "openai.api.type"
OPENAI_REQUEST_SERVICE_TIER = "openai.request.service_tier"
OPENAI_RESPONSE_SERVICE_TIER = "openai.response.service_tier"
OPENAI_SYSTEM_FINGERPRINT = "openai.response.system_fingerprint"

# The proposed cost attributes (semantic-conventions-genai, pull request 443), on exported spans only.
COST_AMOUNT = "gen_ai.usage.cost.amount"
COST_CURRENCY = "gen_ai.usage.cost.currency"
COST_SOURCE = "gen_ai.usage.cost.source"

# Ours
FEATURE = "llmtrace.feature"
FEATURE_SOURCE = "llmtrace.feature.source"
TENANT = "llmtrace.tenant"
PROMPT_VERSION = "llmtrace.prompt_version"
TAG_PREFIX = "llmtrace.tag."
ENDPOINT = "llmtrace.endpoint"
STATUS = "llmtrace.status"
TTFT_S = "llmtrace.ttft_s"
REQUEST_ID = "llmtrace.request.id"
REQUEST_SENT = "llmtrace.request.sent"
REQUEST_SERVICE_TIER = "llmtrace.request.service_tier"
RESPONSE_SERVICE_TIER = "llmtrace.response.service_tier"
REFUSAL_CATEGORY = "llmtrace.response.refusal_category"
ATTEMPTS = "llmtrace.attempts"
ATTEMPT_OUTCOMES = "llmtrace.attempt.outcomes"
ATTEMPT_WAITS_S = "llmtrace.attempt.waits_s"
RATE_LIMIT_PREFIX = "llmtrace.rate_limit."
USAGE_RAW = "llmtrace.usage.raw"
USAGE_SOURCE = "llmtrace.usage.source"
USAGE_COMPLETE = "llmtrace.usage.complete"
USAGE_CACHE_TTL = "llmtrace.usage.cache_ttl"
TOOL_REQUESTS_PREFIX = "llmtrace.usage.tool_requests."
BATCH_STEP = "llmtrace.batch.step"
BATCH_ID = "llmtrace.batch.id"
BATCH_CUSTOM_ID = "llmtrace.batch.custom_id"
BATCH_FILE_ID = "llmtrace.batch.file_id"
BATCH_STATUS = "llmtrace.batch.status"
BATCH_CREATED_AT = "llmtrace.batch.created_at_s"
BATCH_REQUESTS = "llmtrace.batch.requests"
BATCH_SUCCEEDED = "llmtrace.batch.succeeded"
BATCH_ENDPOINT = "llmtrace.batch.endpoint"
BATCH_MODELS = "llmtrace.batch.models"
BATCH_INPUT_FILE = "llmtrace.batch.input_file_id"
BATCH_FILES = "llmtrace.batch.result_file_ids"
COST_STATUS = "llmtrace.cost.status"
COST_REASON = "llmtrace.cost.reason"
COST_USD = "llmtrace.cost.usd"
COST_PRICE_BOOK = "llmtrace.cost.price_book"

# Whatever holds prompts and answers, in the spelling of any dialect: kept apart from a span's other attributes.
CONTENT = re.compile(
    r"gen_ai\.(input\.messages|output\.messages|system_instructions|tool\.definitions|prompt|completion)$"
    r"|gen_ai\.(prompt|completion)\.\d"
    r"|llm\.(input_messages|output_messages|prompts|completions|tools|request\.functions)\."
    r"|(input|output)\.value$"
    r"|traceloop\.entity\.(input|output)$"
    r"|ai\.prompt(\.|$)|ai\.response\.(text|object|toolCalls|reasoning)$"
)
