#!/usr/bin/env bash
# Makes one virtual environment for each instrumentor that tests/rivals compares llmtrace with.
# usage: tests/rivals/venvs.sh [DIR] [NAME...]     DIR: ~/venvs; NAME: openinference, otelgenai, otelv2, openllmetry, langchain, phoenix,
#     logfire, pydantic-ai, litellm, langfuse, mistral, vercel (with npm)
set -eu
folder=${1:-$HOME/venvs}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- openinference otelgenai otelv2 openllmetry langchain phoenix \
    logfire pydantic-ai litellm langfuse mistral vercel
# What llmtrace itself needs is there too: both watch the same calls.
common="opentelemetry-sdk opentelemetry-exporter-otlp-proto-http click platformdirs pyyaml"

packages() {
    case $1 in
        openinference) echo "openai anthropic openinference-instrumentation-openai openinference-instrumentation-anthropic" ;;
        # Only pre-releases exist.
        otelgenai) echo "openai anthropic opentelemetry-instrumentation-genai-openai>=1.0b0" \
            "opentelemetry-instrumentation-genai-anthropic>=1.0b0" ;;
        # The generation before, which knows no openai 3 and no later release of its own helper.
        otelv2) echo "openai<3 opentelemetry-instrumentation-openai-v2>=2.0b0 opentelemetry-util-genai==0.4b0" ;;
        openllmetry) echo "openai anthropic opentelemetry-instrumentation-openai opentelemetry-instrumentation-anthropic" ;;
        # Its own client for OpenAI; for Anthropic its documentation names OpenLLMetry's instrumentation.
        langfuse) echo "openai anthropic langfuse opentelemetry-instrumentation-anthropic" ;;
        langchain) echo "langchain-openai langchain-anthropic openinference-instrumentation-langchain" \
            "openinference-instrumentation-openai" ;;
        logfire) echo "openai anthropic logfire" ;;
        pydantic-ai) echo "pydantic-ai-slim[openai,anthropic]" ;;
        # Without the last, it cannot use tools.
        litellm) echo "litellm mcp" ;;
        mistral) echo "mistralai" ;;
        # A backend, which the spans are sent to.
        phoenix) echo "arize-phoenix" ;;
        *) echo "no such rival: $1" >&2; exit 2 ;;
    esac
}

# Vercel's AI SDK is no Python.
node_packages="ai@7 @ai-sdk/openai@4 @ai-sdk/anthropic@4 @ai-sdk/otel@1 zod @opentelemetry/api \
    @opentelemetry/sdk-trace-node @opentelemetry/exporter-trace-otlp-proto"

for name in "$@"; do
    if [ "$name" = vercel ]; then
        mkdir -p "$folder/rival-vercel"
        # shellcheck disable=SC2086
        npm install --prefix "$folder/rival-vercel" --no-audit --no-fund --loglevel=error $node_packages
        continue
    fi
    wanted=$(packages "$name")
    target=$folder/rival-$name
    "${PYTHON:-python3}" -m venv "$target"
    # shellcheck disable=SC2086
    "$target/bin/pip" install --quiet --disable-pip-version-check $common $wanted
    "$target/bin/pip" list --format=freeze | grep -iE '^(openai|anthropic|arize-phoenix|openinference|logfire|pydantic-ai|litellm|langfuse|mistralai|opentelemetry-(sdk|instrumentation|util))'
done
