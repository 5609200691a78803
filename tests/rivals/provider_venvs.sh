#!/usr/bin/env bash
# Makes one virtual environment for each tracer that tests/rivals/test_app_providers.py gives to an app.
# usage: tests/rivals/provider_venvs.sh [DIR]     DIR: ~/venvs
set -eu
folder=${1:-$HOME/venvs}
# What llmtrace itself needs is there too.
common="openai anthropic opentelemetry-sdk opentelemetry-exporter-otlp-proto-http click platformdirs pyyaml"
for wanted in "logfire" "ddtrace" "sentry-sdk[opentelemetry]"; do
    name=${wanted%%-*}
    target=$folder/provider-${name%%[*}
    "${PYTHON:-python3}" -m venv "$target"
    # shellcheck disable=SC2086
    "$target/bin/pip" install --quiet --disable-pip-version-check $common "$wanted"
done
