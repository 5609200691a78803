#!/usr/bin/env bash
# Makes one virtual environment for each instrumentor that tests/rivals compares llmtrace with.
# usage: tests/rivals/venvs.sh [DIR] [NAME...]     DIR: ~/venvs; NAME: openinference, otelgenai, otelv2, openllmetry, langfuse, langchain, phoenix
set -eu
folder=${1:-$HOME/venvs}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- openinference otelgenai otelv2 openllmetry langfuse langchain phoenix
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
        # A backend, which the spans are sent to.
        phoenix) echo "arize-phoenix" ;;
        *) echo "no such rival: $1" >&2; exit 2 ;;
    esac
}

for name in "$@"; do
    wanted=$(packages "$name")
    target=$folder/rival-$name
    "${PYTHON:-python3}" -m venv "$target"
    # shellcheck disable=SC2086
    "$target/bin/pip" install --quiet --disable-pip-version-check $common $wanted
    "$target/bin/pip" list --format=freeze | grep -iE '^(openai|anthropic|langfuse|arize-phoenix|openinference|opentelemetry-(sdk|instrumentation|util))'
done
