# Needs Python 3.11+ and make, nothing else. `make` lists what there is.
PYTHON ?= python3
KILLS ?= 50
SEED ?= 1

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RUN := $(BIN)/python -m

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint up down status chaos bench lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Set up .venv with exactly what requirements.lock names (the others do it when needed)

$(STAMP): requirements.lock pyproject.toml deploy/local/uv.lock deploy/local/install.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Error: Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1 | head -n 1). Name one: make PYTHON=python3.12" >&2; exit 1; }
	@# An environment whose Python is gone or too old cannot be mended.
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Setting up $(VENV)..."; $(PYTHON) -m venv --clear $(VENV) || { \
	  echo "Error: $(PYTHON) cannot make a virtual environment (on Debian and Ubuntu: install python3-venv)" >&2; exit 1; }; }
	@echo "Installing packages..."
	@$(BIN)/python deploy/local/install.py
	@touch $@

demo: setup ## Show it all at work on a stack of its own; ends by itself
	@$(RUN) deploy.local.demo

test: lint ## Check style and types, then run all tests against real Kafka and PostgreSQL
	$(RUN) pytest

lint: setup ## Check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

up: setup ## Start stack and worker in the background; addresses in .local/env
	@$(RUN) deploy.local up

down: setup ## End them; the data stays
	@$(RUN) deploy.local down

status: setup ## Say what is up
	@$(RUN) deploy.local status

chaos: setup ## Kill workers at random under load and check that nothing is lost: KILLS=50 SEED=1
	@$(RUN) tests.chaos --kills $(KILLS) --seed $(SEED)

bench: setup ## Measure throughput and latency against baselines
	@$(RUN) tests.benchmarks

UV_COMPILE := $(RUN) uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11
UPGRADE ?=

lock: setup ## Make the lock files anew (UPGRADE=--upgrade for newer versions)
	$(UV_COMPILE) $(UPGRADE) --quiet --all-extras pyproject.toml -o requirements.lock
	echo uv | $(UV_COMPILE) $(UPGRADE) --quiet - -o deploy/local/uv.lock
	$(RUN) deploy.local.maven

clean: ## End the stack, remove its data, caches and .venv
	@if [ -x $(BIN)/python ] && [ -e .local/lock ]; then $(RUN) deploy.local down; fi
	rm -rf .local .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist build
