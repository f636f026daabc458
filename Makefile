# The only commands anyone learns. `make` alone lists them. Works with GNU make 3.81 (macOS) and newer.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
# Parallel test processes, two for each processor, as tests wait half their time; PYTEST_ARGS goes to pytest as it is:
# make test PYTEST_ARGS="tests/unit -x"
JOBS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1) \* 2)
PYTEST_ARGS ?=
# 1: the suite's daemons are forks of a process that has imported them; 0: each starts Python.
PRELOAD ?= 1
# How often `make prove` kills the daemon on each transport.
KILLS ?= 200
# How often it rotates each secret under load.
ROTATIONS ?= 20
# How often it stops the daemon at random instants.
STOPS ?= 100
RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev
# An empty value counts as unset: start-up time depends on compiled bytecode.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup run test check scan gitleaks fix docs bench prove leak-hunt interop lock clean

help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(DEV_STAMP) ## Install everything into .venv (run and test do this by themselves)

run: $(RUN_STAMP) ## Talk to Phantom in a local workspace, no account and no key
	@$(BIN)/phantom dev

test: $(DEV_STAMP) ## Run the tests
	PHANTOM_PRELOAD=$(PRELOAD) $(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(PYTEST_ARGS)

check: $(DEV_STAMP) ## Lint, types, import contracts, house rules, generated docs, secrets
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m scripts.house_rules
	$(BIN)/python -m scripts.reference --check
	$(BIN)/python -m scripts.links
	$(BIN)/python -m scripts.scan

scan: $(DEV_STAMP) ## Look for secrets in what git tracks: our rules, gitleaks where installed, detect-secrets
	@$(BIN)/python -m scripts.scan

gitleaks: $(VENV)/gitleaks/.installed ## Install a pinned gitleaks into .venv for `make scan` (Linux and macOS)

fix: $(DEV_STAMP) ## Repair what ruff can repair, and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(DEV_STAMP) ## Generate docs/reference and check every link
	$(BIN)/python -m scripts.reference
	$(BIN)/python -m scripts.links

bench: $(DEV_STAMP) ## Measure, beside a bare handler in the same run
	$(BIN)/python -m bench

prove: $(DEV_STAMP) ## The long proofs: SIGKILL at $(KILLS) instants a transport, half-open sockets, secrets rotated $(ROTATIONS) times
	PHANTOM_PROVE=1 PHANTOM_KILLS=$(KILLS) PHANTOM_ROTATIONS=$(ROTATIONS) PHANTOM_STOPS=$(STOPS) \
	    $(BIN)/python -m pytest -n 0 --timeout 1800 tests/prove \
	    tests/scenario/test_sigkill_http.py tests/scenario/test_sigkill_socket.py $(PYTEST_ARGS)

leak-hunt: $(DEV_STAMP) ## Run the tests with 30 secrets planted, then search all they wrote, in 8 encodings
	JOBS=$(JOBS) $(BIN)/python -m scripts.leak_hunt $(PYTEST_ARGS)

interop: $(DEV_STAMP) ## The npm client shardwire against our bridge; skipped, and said so, where npm cannot fetch it
	@$(BIN)/python -m scripts.shardwire; had=$$?; [ $$had -eq 3 ] && exit 0; [ $$had -eq 0 ] && \
	    $(BIN)/python -m pytest -n 0 tests/interop/test_shardwire*.py $(PYTEST_ARGS)

lock: $(DEV_STAMP) ## Resolve the dependencies again (needs the network)
	sh scripts/lock

clean: ## Remove the environment and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .interop build dist

$(RUN_STAMP): requirements/build.txt requirements/run.txt pyproject.toml
	@sh scripts/install $(VENV) run
	@touch $@

$(DEV_STAMP): requirements/build.txt requirements/dev.txt pyproject.toml
	@sh scripts/install $(VENV) dev
	@touch $(RUN_STAMP) $@

$(VENV)/gitleaks/.installed: requirements/gitleaks.txt $(DEV_STAMP)
	@rm -rf $(VENV)/gitleaks
	@$(BIN)/python -m pip --disable-pip-version-check install -qq --require-hashes --no-deps --only-binary :all: \
	    --target $(VENV)/gitleaks -r requirements/gitleaks.txt
	@touch $@
