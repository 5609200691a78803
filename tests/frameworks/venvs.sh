#!/usr/bin/env bash
# Makes one virtual environment for each framework whose calls tests/frameworks looks at.
# usage: tests/frameworks/venvs.sh [DIR] [NAME...]     DIR: ~/venvs
set -eu
folder=${1:-$HOME/venvs}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- litellm langchain pydantic-ai openai-agents instructor llama-index
# What llmtrace itself needs is there too.
common="opentelemetry-sdk opentelemetry-exporter-otlp-proto-http click platformdirs pyyaml"

packages() {
    case $1 in
        litellm) echo "litellm boto3" ;;
        langchain) echo "langchain langgraph langchain-openai langchain-anthropic langchain-aws" ;;
        pydantic-ai) echo "pydantic-ai-slim[openai,anthropic,bedrock]" ;;
        openai-agents) echo "openai-agents" ;;
        instructor) echo "instructor anthropic" ;;
        llama-index) echo "llama-index-llms-openai llama-index-embeddings-openai" ;;
        *) echo "no such framework: $1" >&2; exit 2 ;;
    esac
}

for name in "$@"; do
    wanted=$(packages "$name")
    target=$folder/framework-$name
    "${PYTHON:-python3}" -m venv "$target"
    # shellcheck disable=SC2086
    "$target/bin/pip" install --quiet --disable-pip-version-check $common $wanted
    "$target/bin/pip" list --format=freeze | grep -iE '^(openai|anthropic|boto3|litellm|lang|pydantic[-_]ai|instructor|llama)'
done
