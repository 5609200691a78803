-- Spans, calls with their price, and how far the journal has been read.
--
-- No primary keys, unique constraints or indexes: DuckDB's have gone wrong silently under load; duplicates are kept out
-- by an anti-join when rows are written. Times are naive UTC; ids are lower-case hex.

CREATE TABLE spans (
    trace_id VARCHAR NOT NULL,
    span_id VARCHAR NOT NULL,
    parent_span_id VARCHAR,
    name VARCHAR NOT NULL,
    kind TINYINT NOT NULL,
    started_at TIMESTAMP NOT NULL,
    duration_s DOUBLE NOT NULL,
    status_code TINYINT NOT NULL,
    status_message VARCHAR,
    service VARCHAR,
    environment VARCHAR,
    scope VARCHAR,
    attributes JSON NOT NULL,
    resource JSON NOT NULL,
    process VARCHAR
);

-- The latest price revision of every call. Earlier ones move to call_history, so that reading the latest is a scan.
CREATE TABLE call_rows (
    trace_id VARCHAR NOT NULL,
    span_id VARCHAR NOT NULL,
    parent_span_id VARCHAR,
    started_at TIMESTAMP NOT NULL,
    duration_s DOUBLE NOT NULL,
    ttft_s DOUBLE,
    service VARCHAR,
    environment VARCHAR,
    feature VARCHAR,
    feature_source VARCHAR,
    user_id VARCHAR,
    session_id VARCHAR,
    tenant VARCHAR,
    prompt_version VARCHAR,
    tags JSON,
    provider VARCHAR NOT NULL,
    operation VARCHAR NOT NULL,
    endpoint VARCHAR,
    request_model VARCHAR,
    response_model VARCHAR,
    response_id VARCHAR,
    request_id VARCHAR,
    server_address VARCHAR,
    service_tier VARCHAR,
    stream BOOLEAN NOT NULL,
    status VARCHAR NOT NULL,
    error_type VARCHAR,
    http_status INTEGER,
    attempts INTEGER,
    retry_wait_s DOUBLE,
    finish_reason VARCHAR,
    input_tokens BIGINT,
    cached_input_tokens BIGINT,
    cache_write_tokens BIGINT,
    output_tokens BIGINT,
    reasoning_tokens BIGINT,
    input_audio_tokens BIGINT,
    output_audio_tokens BIGINT,
    image_tokens BIGINT,
    usage_source VARCHAR NOT NULL,
    cost_usd DECIMAL(18, 12),
    cost_status VARCHAR NOT NULL,
    cost_reason VARCHAR,
    price_book VARCHAR,
    priced_at TIMESTAMP NOT NULL,
    revision INTEGER NOT NULL,
    duplicate_of VARCHAR
);

CREATE TABLE call_history AS FROM call_rows LIMIT 0;

CREATE TABLE cost_items (
    trace_id VARCHAR NOT NULL,
    span_id VARCHAR NOT NULL,
    revision INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    component VARCHAR NOT NULL,
    quantity DECIMAL(18, 6) NOT NULL,
    unit VARCHAR NOT NULL,
    rate DECIMAL(18, 9),
    per BIGINT NOT NULL,
    multiplier DECIMAL(9, 6) NOT NULL,
    multiplier_reason VARCHAR,
    cost_usd DECIMAL(18, 12),
    price_row_id VARCHAR,
    layer VARCHAR,
    confidence VARCHAR,
    source_url VARCHAR,
    note VARCHAR
);

-- Prompts and answers: filled only where capture of content is on.
CREATE TABLE contents (
    trace_id VARCHAR NOT NULL,
    span_id VARCHAR NOT NULL,
    started_at TIMESTAMP NOT NULL,
    input_messages JSON,
    output_messages JSON,
    system_instructions JSON,
    tool_definitions JSON
);

CREATE TABLE journal_cursors (
    segment VARCHAR NOT NULL,
    process VARCHAR NOT NULL,
    position BIGINT NOT NULL
);

-- What became of the spans of each process; ended and dropped are copied here once its counter file is final.
CREATE TABLE journal_processes (
    process VARCHAR NOT NULL,
    service VARCHAR,
    next_span BIGINT NOT NULL,
    stored BIGINT NOT NULL,
    dropped JSON NOT NULL,
    ended BIGINT,
    dropped_in_process JSON
);

CREATE VIEW calls AS
SELECT
    trace_id, span_id, parent_span_id, started_at, duration_s, ttft_s, service, environment, feature, feature_source,
    user_id, session_id, tenant, prompt_version, tags, provider, operation, request_model, response_model, response_id,
    server_address, service_tier, stream, status, error_type, http_status, attempts, finish_reason, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, input_audio_tokens, output_audio_tokens,
    image_tokens, usage_source, cost_usd, cost_status, price_book
FROM call_rows
WHERE duplicate_of IS NULL;

CREATE VIEW calls_all AS
FROM call_rows
UNION ALL
FROM call_history;
