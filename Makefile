PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
SYNCED := $(VENV)/.synced
export UV_PROJECT_ENVIRONMENT := $(VENV)
export UV_LINK_MODE := copy

.DEFAULT_GOAL := help

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(SYNCED) ## Install what is locked into .venv

$(SYNCED): pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or later is needed, this is %d.%d: say which with make PYTHON=python3.13 ..." % sys.version_info[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv sync --quiet --locked --inexact --python $(BIN)/python
	@touch $@

demo: $(SYNCED) ## Offboard a few entities on the embedded AWS, 30 days in seconds
	@$(BIN)/python -m local demo

serve: $(SYNCED) ## The embedded AWS over HTTP on 127.0.0.1:5000
	@$(BIN)/python -m local serve --port 5000

test: $(SYNCED) ## All tests; no account, no network
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(SYNCED) ## Lint, types, state machine lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/infrastructure

synth: $(SYNCED) ## Synthesize the CloudFormation template into cdk.out
	$(BIN)/python app.py

.PHONY: help setup demo serve test check synth
