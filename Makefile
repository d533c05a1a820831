# Everything starts here. A machine needs Python 3.11 or later, its venv module, and make.

PYTHON ?= python3
BIN := .venv/bin
PIP := -m pip --quiet --disable-pip-version-check
INSTALL := $(PIP) install --require-hashes --requirement
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run demo test check coverage lint prove-money bench bench-peers bench-stages bench-profile docs \
	requirements clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r target what; do printf '%-20s %s\n' "$$target" "$$what"; done

run: .venv/run.stamp ## serve from ./troth.toml, made on the first run
	@test -e troth.toml || $(BIN)/troth init
	$(BIN)/troth serve

demo: .venv/demo.stamp ## start a real model behind Troth, ask it something, show the receipt
	$(BIN)/troth demo

test: lint .venvs/clients.stamp .venvs/clients-old.stamp .venvs/stripe-mock.stamp ## set up, then run every check and every test
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: lint ## the quick part of `make test`: no test that starts a server
	$(BIN)/python -m pytest tests/structure tests/unit tests/docs $(PYTEST_ARGS)

prove-money: .venv/dev.stamp ## the long proofs about money: every interleaving, seed and kill
ifeq ($(PYTEST_ARGS),)
	@$(MAKE) --no-print-directory --keep-going --output-sync=target --jobs=$(PROVE_JOBS) $(PROOFS:%=prove-%)
else
	$(PROVE) --durations=0 $(PYTEST_ARGS)
endif

# Parts that run side by side, the longest first; `rest` is whatever no other part has.
PROVE_JOBS ?= 2
PROVE := $(BIN)/python -m pytest --prove
PROOFS := kills-sqlite kills-postgresql planted-faults payments state-machine simulation rest
.PHONY: $(PROOFS:%=prove-%)
KILLS := tests/integration/ledger/test_killed_processes.py
FAULTS := tests/simulation/test_ledger_mutants.py
PAYMENTS := tests/integration/control
MACHINE := tests/properties
prove-kills-sqlite: .venv/dev.stamp
	$(PROVE) -q -p no:cacheprovider --durations=3 -k sqlite $(KILLS)
prove-kills-postgresql: .venv/dev.stamp
	$(PROVE) -q -p no:cacheprovider --durations=3 -k postgresql $(KILLS)
prove-planted-faults: .venv/dev.stamp
	$(PROVE) -q -p no:cacheprovider --durations=3 $(FAULTS)
prove-payments: .venv/dev.stamp
	$(PROVE) -q -p no:cacheprovider --durations=3 $(PAYMENTS)
prove-state-machine: .venv/dev.stamp
	$(PROVE) -q -p no:cacheprovider --durations=3 $(MACHINE)
prove-simulation: .venv/dev.stamp
	$(PROVE) -q -p no:cacheprovider --durations=3 --ignore=$(FAULTS) tests/simulation
prove-rest: .venv/dev.stamp
	$(PROVE) -q -p no:cacheprovider --durations=5 --ignore=tests/simulation --ignore=$(KILLS) \
		--ignore=$(PAYMENTS) --ignore=$(MACHINE)

coverage: .venv/dev.stamp ## run the tests with all processes measured; fail where a plane is below its floor
	$(BIN)/python -m tests.builders.branches $(PYTEST_ARGS)

lint: .venv/dev.stamp ## style, types and import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --verbose > .venv/lint-imports.txt 2>&1 || { cat .venv/lint-imports.txt; exit 1; }

bench: .venv/dev.stamp ## measure one gateway process beside what is installed; writes the performance page
	$(BIN)/python -m bench

bench-quick: .venv/dev.stamp ## one short round of Troth and nginx; writes nothing
	$(BIN)/python -m bench --quick --systems direct,nginx,troth,troth-plain

bench-peers: .venv/dev.stamp ## install nginx and other gateways to measure beside, each on its own
	$(BIN)/python -m bench peers

bench-stages: .venv/dev.stamp ## time each stage of a request alone
	$(BIN)/python -m bench.stages

bench-profile: .venv/dev.stamp ## show where a gateway process spends its time under load
	$(BIN)/python -m bench.profile

docs: .venv/dev.stamp ## write the generated pages of docs/reference anew
	$(BIN)/python docs/generate.py

requirements: .venv/dev.stamp ## resolve requirements/*.in anew, each release with its hashes
	for name in dev clients clients-old; do \
		$(BIN)/uv pip compile $(COMPILE) requirements/$$name.in --output-file requirements/$$name.txt; done
	for name in run demo pdf postgres stripe vat; do \
		$(BIN)/uv pip compile $(COMPILE) --constraint requirements/dev.txt \
			requirements/$$name.in --output-file requirements/$$name.txt; done

COMPILE := --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate

clean: ## remove what make and the tests made; keep data and settings
	rm -rf .venv .venvs .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache \
		.ruff_cache build dist
	-find src tests bench docs -name __pycache__ -type d -prune -exec rm -rf {} +

# One environment for the project. A stamp is newer than the list it was installed from; each list
# of requirements/ is a part of dev.txt with the same versions, so they may follow in any order.
.venv/%.stamp: requirements/%.txt pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Troth needs Python 3.11 or later: make PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing requirements/$*.txt into .venv"
	@$(BIN)/python $(INSTALL) requirements/$*.txt
	@$(BIN)/python $(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# The payment company's own checker of requests, built from source; without Go its tests are skipped.
.venvs/stripe-mock.stamp: Makefile
	@mkdir -p .venvs
	@echo "Building stripe-mock into .venvs"
	@GOBIN="$(CURDIR)/.venvs" go install github.com/stripe/stripe-mock@v0.203.0 && touch $@ || \
		echo "NOTE: without Go, requests to Stripe are not compared with its published document"

# Client libraries that cannot live beside ours; the tests run them as programs of their own.
.venvs/%.stamp: requirements/%.txt Makefile
	@mkdir -p .venvs
	@test -x .venvs/$*/bin/python || $(PYTHON) -m venv .venvs/$*
	@echo "Installing requirements/$*.txt into .venvs/$*"
	@.venvs/$*/bin/python $(INSTALL) requirements/$*.txt
	@touch $@
