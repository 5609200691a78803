# The few commands. `make demo` and `make test` do all the set-up themselves.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test test-browser test-rivals test-frameworks test-matrix test-soak behaviours bench lint format clean

demo: $(VENV)/.demo
	$(BIN)/llmtrace demo

test: $(VENV)/.dev
	$(BIN)/pytest -n auto

# Installs the system's Chromium where there is none (needs root, or sudo).
test-browser: $(VENV)/.dev
	command -v chromium >/dev/null || { S=$$(command -v sudo); $$S apt-get update -qq && $$S apt-get install -y -qq chromium; }
	$(BIN)/pytest -m browser

# What stands on top of the SDKs, each in an environment of its own.
test-frameworks: $(VENV)/.dev
	tests/frameworks/venvs.sh $(CURDIR)/.frameworks
	FRAMEWORK_VENVS=$(CURDIR)/.frameworks $(BIN)/pytest -m frameworks

# Other instrumentors beside ours, and tracers that an app has, each in an environment of its own; needs node and npm.
test-rivals: $(VENV)/.dev
	command -v node >/dev/null && command -v npm >/dev/null || { echo "node and npm are needed for Vercel's AI SDK" >&2; exit 1; }
	tests/rivals/venvs.sh $(CURDIR)/.rivals
	tests/rivals/provider_venvs.sh $(CURDIR)/.rivals
	RIVAL_VENVS=$(CURDIR)/.rivals $(BIN)/pytest -m rivals

# What llmtrace and other tools record of the same calls; writes docs/behaviours.md.
behaviours: $(VENV)/.dev
	tests/rivals/venvs.sh $(CURDIR)/.rivals openinference otelgenai openllmetry langfuse
	$(BIN)/python tools/compare_behaviours.py --venvs $(CURDIR)/.rivals --write docs/behaviours.md

# Long runs: crashes, load, memory, every recorded interaction, and every way in which an answer may differ.
test-soak: $(VENV)/.dev
	$(BIN)/pytest -m soak

# Old and new releases of the SDKs, each in an environment of its own; writes docs/releases.md.
test-matrix: $(VENV)/.dev
	$(BIN)/pytest -m matrix

# Calls priced in a second, and how long the price book takes to load.
bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.pricing

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf $(VENV) .frameworks .rivals build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(VENV)/.pip:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	touch $@

$(VENV)/.demo: $(VENV)/.pip pyproject.toml
	$(BIN)/pip install --quiet --editable ".[demo]"
	touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(BIN)/pip install --quiet --group dev
	touch $@
