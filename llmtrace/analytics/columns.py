"""What the columns mean of every relation that SQL may be asked over."""

from collections.abc import Mapping

CALL_COLUMNS: Mapping[str, str] = {
    "trace_id": "The trace that the call belongs to, 32 hexadecimal digits.",
    "span_id": "The call itself, 16 hexadecimal digits: what `llmtrace explain` takes.",
    "parent_span_id": "The span that the call was made in, if there was one.",
    "started_at": "When the call was made, in UTC.",
    "duration_s": "How long it took until its answer was read to the end, retries included, in seconds.",
    "ttft_s": "How long it took until the first output arrived, in seconds; null where nothing was streamed.",
    "service": "The service that made the call: OpenTelemetry's service.name.",
    "environment": "Where that service runs: OpenTelemetry's deployment.environment.name.",
    "feature": "The feature that caused the call; null where nobody said.",
    "feature_source": "Who said so: code, default or environment.",
    "user_id": "The user that the call was made for.",
    "session_id": "The session that it was made in.",
    "tenant": "The tenant that it was made for.",
    "prompt_version": "The version of the prompt.",
    "tags": "Your own tags, as a JSON object.",
    "provider": "Who was asked: openai, anthropic and so on.",
    "operation": "What for, in OpenTelemetry's words: chat, embeddings and so on.",
    "request_model": "The model that was asked for.",
    "response_model": "The model that answered; prices are the answering model's.",
    "response_id": "The provider's id of the answer.",
    "server_address": "The host that was asked.",
    "service_tier": "The tier that served the call, as the provider told it.",
    "stream": "Whether the answer was streamed.",
    "status": "How it ended: ok, error or cancelled.",
    "error_type": "What failed, where something did.",
    "http_status": "The status of the last HTTP response.",
    "attempts": "How many HTTP requests it took.",
    "finish_reason": "Why the model stopped, in the provider's words.",
    "input_tokens": "Tokens sent, cached ones included.",
    "cached_input_tokens": "Tokens sent that were read from a cache.",
    "cache_write_tokens": "Tokens sent that were written to a cache.",
    "output_tokens": "Tokens received, reasoning included.",
    "reasoning_tokens": "Tokens received that were reasoning.",
    "input_audio_tokens": "Tokens sent that were audio.",
    "output_audio_tokens": "Tokens received that were audio.",
    "image_tokens": "Tokens sent that were images.",
    "usage_source": "Who counted the tokens: provider, estimated (here) or missing.",
    "cost_usd": "What the call cost, in US dollars, exactly; null where that is not known, 0 where nothing was billed.",
    "cost_status": "How the cost is known: exact, estimated, lower_bound, partial, unpriced, invalid_usage, "
    "not_billed, committed, provider_reported or price_expired.",
    "price_book": "The version of the price book that the call was priced by.",
}

CALLS_ALL_COLUMNS: Mapping[str, str] = {
    **CALL_COLUMNS,
    "endpoint": "What of the provider's API was called: chat.completions, messages and so on.",
    "request_id": "The provider's id of the request, for its support.",
    "retry_wait_s": "How long the SDK waited between attempts, in seconds.",
    "cost_reason": "Why the cost is not exact, where it is not.",
    "priced_at": "When this revision was priced, in UTC.",
    "revision": "Which pricing of the call this is, from 1; the largest is the one in `calls`.",
    "duplicate_of": "The call that this is a second record of; null for the one that counts.",
}

ITEM_COLUMNS: Mapping[str, str] = {
    "trace_id": "The call's trace.",
    "span_id": "The call.",
    "revision": "The revision of its cost.",
    "seq": "The item's place in the bill, from 0.",
    "component": "What is charged: input_uncached, input_cached, cache_write, output, web_search and so on.",
    "quantity": "How much of it.",
    "unit": "Of what: token, call and so on.",
    "rate": "The printed price of `per` units, in US dollars; null where there is none.",
    "per": "How many units the rate is for.",
    "multiplier": "The provider's factors over the rate; 1 where there are none.",
    "multiplier_reason": "What these factors are for.",
    "cost_usd": "quantity × rate ÷ per × multiplier, in US dollars; null where there is no price.",
    "price_row_id": "The row of the price book.",
    "layer": "Where the price comes from: provider, override for your own, book, or genai-prices; null without one.",
    "confidence": "How good its source is: official, secondary or third_party.",
    "source_url": "Where the price is printed.",
    "note": "What was assumed, or why there is no price.",
}

SPAN_COLUMNS: Mapping[str, str] = {
    "trace_id": "The trace that the span belongs to, 32 hexadecimal digits.",
    "span_id": "The span, 16 hexadecimal digits.",
    "parent_span_id": "The span that it happened in, if there was one.",
    "name": "What happened, such as `chat gpt-4o`.",
    "kind": "OTLP's number: 1 internal, 2 server, 3 client, 4 producer, 5 consumer.",
    "started_at": "When it started, in UTC.",
    "duration_s": "How long it took, in seconds.",
    "status_code": "OTLP's number: 0 unset, 1 ok, 2 error.",
    "status_message": "What is said of the status.",
    "service": "The service that recorded it.",
    "environment": "Where that service runs.",
    "scope": "The instrumentation that recorded it; ours is called llmtrace.",
    "attributes": "All attributes, as a JSON object; prompts and answers are in `contents` instead.",
    "resource": "What is known of the process, as a JSON object.",
    "process": "The process whose journal it was read from.",
}

CONTENT_COLUMNS: Mapping[str, str] = {
    "trace_id": "The call's trace.",
    "span_id": "The call.",
    "started_at": "When the call was made, in UTC.",
    "input_messages": "What was sent, as JSON.",
    "output_messages": "What came back, as JSON.",
    "system_instructions": "The system's instructions, as JSON.",
    "tool_definitions": "The tools that were offered, as JSON.",
}

RELATIONS: Mapping[str, Mapping[str, str]] = {
    "calls": CALL_COLUMNS,
    "calls_all": CALLS_ALL_COLUMNS,
    "cost_items": ITEM_COLUMNS,
    "spans": SPAN_COLUMNS,
    "contents": CONTENT_COLUMNS,
}
