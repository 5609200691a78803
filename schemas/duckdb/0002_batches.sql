-- Requests of batches: which batch a call belongs to, and how the batches stand that were submitted.

ALTER TABLE call_rows ADD COLUMN batch_id VARCHAR;
ALTER TABLE call_history ADD COLUMN batch_id VARCHAR;
-- A request of a batch has no duration that could be compared with a call's.
ALTER TABLE call_rows ALTER COLUMN duration_s DROP NOT NULL;

CREATE OR REPLACE VIEW calls AS
SELECT
    trace_id, span_id, parent_span_id, started_at, duration_s, ttft_s, service, environment, feature, feature_source,
    user_id, session_id, tenant, prompt_version, tags, provider, operation, request_model, response_model, response_id,
    server_address, service_tier, stream, status, error_type, http_status, attempts, finish_reason, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, input_audio_tokens, output_audio_tokens,
    image_tokens, usage_source, cost_usd, cost_status, price_book, batch_id
FROM call_rows
WHERE duplicate_of IS NULL;

CREATE OR REPLACE VIEW calls_all AS
FROM call_rows
UNION ALL
FROM call_history;

CREATE VIEW batches AS
WITH told AS (
    SELECT
        started_at,
        service,
        environment,
        name = 'create_batch' AS is_creation,
        json_extract_string(attributes, '/gen_ai.provider.name') AS provider,
        json_extract_string(attributes, '/llmtrace.batch.id') AS batch_id,
        json_extract_string(attributes, '/llmtrace.batch.status') AS status,
        json_extract_string(attributes, '/llmtrace.batch.endpoint') AS endpoint,
        json_extract_string(attributes, '/llmtrace.batch.models/0') AS request_model,
        CAST(json_extract_string(attributes, '/llmtrace.batch.requests') AS BIGINT) AS requests,
        CAST(json_extract_string(attributes, '/llmtrace.batch.succeeded') AS BIGINT) AS succeeded,
        json_extract_string(attributes, '/llmtrace.feature') AS feature,
        json_extract_string(attributes, '/user.id') AS user_id,
        json_extract_string(attributes, '/session.id') AS session_id,
        json_extract_string(attributes, '/llmtrace.tenant') AS tenant,
        json_extract_string(attributes, '/llmtrace.prompt_version') AS prompt_version,
        attributes
    FROM spans
    WHERE scope = 'llmtrace' AND name IN ('create_batch', 'retrieve_batch')
),

known AS (
    SELECT
        provider,
        batch_id,
        min(started_at) AS started_at,
        max(started_at) AS seen_at,
        bool_or(is_creation) AS is_submitted,
        arg_max(status, started_at) AS status,
        arg_max(endpoint, started_at) AS endpoint,
        arg_min(request_model, started_at) AS request_model,
        max(requests) AS requests,
        max(succeeded) AS succeeded,
        any_value(service) FILTER (is_creation) AS service,
        any_value(environment) FILTER (is_creation) AS environment,
        any_value(feature) FILTER (is_creation) AS feature,
        any_value(user_id) FILTER (is_creation) AS user_id,
        any_value(session_id) FILTER (is_creation) AS session_id,
        any_value(tenant) FILTER (is_creation) AS tenant,
        any_value(prompt_version) FILTER (is_creation) AS prompt_version,
        any_value(attributes) FILTER (is_creation) AS attributes
    FROM told
    WHERE batch_id IS NOT NULL
    GROUP BY provider, batch_id
),

results AS (
    SELECT
        provider,
        batch_id,
        count(*) AS results,
        count(*) FILTER (status = 'ok' OR usage_source = 'provider') AS answers,
        count(*) FILTER (status <> 'ok') AS errors,
        sum(cost_usd) AS cost_usd
    FROM call_rows
    WHERE batch_id IS NOT NULL AND duplicate_of IS NULL
    GROUP BY provider, batch_id
)

SELECT
    provider,
    batch_id,
    k.started_at,
    k.seen_at,
    k.status,
    k.endpoint,
    k.request_model,
    k.requests,
    coalesce(r.results, 0) AS results,
    coalesce(r.errors, 0) AS errors,
    -- Of a batch that is over, only answers are billed: what was not answered is nothing to wait for.
    CASE
        WHEN k.status = 'failed' THEN 0
        WHEN k.status IN ('completed', 'ended', 'cancelled', 'expired')
            THEN greatest(coalesce(k.succeeded, k.requests), coalesce(r.answers, 0)) - coalesce(r.answers, 0)
        WHEN k.requests IS NOT NULL THEN greatest(k.requests - coalesce(r.results, 0), 0)
    END AS pending,
    r.cost_usd,
    k.service,
    k.environment,
    k.feature,
    k.user_id,
    k.session_id,
    k.tenant,
    k.prompt_version,
    CASE
        WHEN list_bool_or(list_transform(json_keys(k.attributes), lambda n: starts_with(n, 'llmtrace.tag.')))
            THEN to_json(map_from_entries(list_transform(
                list_filter(json_keys(k.attributes), lambda n: starts_with(n, 'llmtrace.tag.')),
                lambda n: (
                    n[14:],
                    json_extract_string(k.attributes, '/' || replace(replace(n, '~', '~0'), '/', '~1'))
                )
            )))
    END AS tags
FROM known AS k
LEFT JOIN results AS r USING (provider, batch_id)
WHERE k.is_submitted;
