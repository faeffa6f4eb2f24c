# Everything needs only Python 3.10 or later (`python3`), make and a package index; each target sets
# up what it needs in the virtual environment first, which takes a second or nothing when it is there.

PYTHON ?= python3
VENV ?= .venv
VERSIONS := 3.10 3.11 3.12 3.13
DISTRIBUTIONS := . plugins/sm_local plugins/sm_mxnet plugins/sm_tensorflow \
	plugins/sm_amazon_algos

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
# pip shows its progress on a terminal; elsewhere each stage has one line, echoed below.
INSTALL := $(PIP) install $$(test -t 1 || echo --quiet) --constraint constraints.txt
# Stamps: the virtual environment as users have it, and with the developers' tools.
INSTALLED := $(VENV)/.installed
DEVELOPER := $(VENV)/.developer

PYTEST := $(BIN)/python -m pytest $(if $(K),-k "$(K)")
# Every test has a home, ports and processes of its own, so they run side by side.
PARALLEL := $(if $(K),,--numprocesses auto --dist loadfile)

.DEFAULT_GOAL := help
.PHONY: help setup quickstart test test-unit test-integ test-all test-long test-aws check format \
	docs bench dist constraints clean

help:  ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(DEVELOPER)  ## the virtual environment with all that the other targets need

quickstart: $(INSTALLED)  ## train, deploy and predict with MXNet on this machine
	@all=; status=0; trap 'all=--all' INT HUP; \
	$(BIN)/python examples/quickstart.py || status=$$?; \
	$(BIN)/sm local down $$all || status=1; exit $$status

test: $(DEVELOPER)  ## unit and integration tests; K=name for those whose name matches
	$(PYTEST) $(PARALLEL)

test-unit: $(DEVELOPER)  ## the tests that take milliseconds
	$(PYTEST) -m unit

test-integ: $(DEVELOPER)  ## the tests that start processes or install packages
	$(PYTEST) -m integ $(PARALLEL)

test-all:  ## `make test` on each of Python 3.10 to 3.13 that is installed
	@failed=; for version in $(VERSIONS); do \
	  if python=$$(tools/find-python $$version); then \
	    echo "== Python $$version: $$python"; \
	    $(MAKE) --no-print-directory test VENV=.venv-$$version PYTHON="$$python" || failed="$$failed $$version"; \
	  else echo "== Python $$version: not on PATH nor in pyenv's versions folder, left out"; fi; \
	done; \
	if [ -n "$$failed" ]; then echo "failed on:$$failed"; exit 1; fi

test-long: $(DEVELOPER)  ## all tests, with all rounds of the random ones and the slow ones
	$(PYTEST) -m "not aws" --hypothesis-profile=long --timeout=600 $(PARALLEL)

test-aws: $(DEVELOPER)  ## the README's flow on a real account (costs money); skipped without credentials
	$(PYTEST) -m aws -rs

check: $(DEVELOPER)  ## lint, formatting, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(DEVELOPER)  ## let ruff correct what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(DEVELOPER)  ## the documentation as HTML, in site/
	$(BIN)/mkdocs build --strict --quiet
	@echo "site/index.html"

bench: $(DEVELOPER)  ## the measurements behind the documentation's claims, as ratios
	$(BIN)/python benchmarks/run.py

dist: $(DEVELOPER)  ## sdist, and wheel built from it, of each distribution, in dist/
	rm -rf dist
	@for folder in $(DISTRIBUTIONS); do \
	  $(BIN)/python -m build --no-isolation --outdir dist $$folder || exit 1; \
	done
	$(BIN)/twine check --strict dist/*

constraints: $(DEVELOPER)  ## renew constraints.txt with the newest versions that fit together
	tools/renew-constraints $(BIN) $(DISTRIBUTIONS)

clean:  ## remove all that make made, virtual environments included
	rm -rf .venv .venv-3.* dist site examples/data examples/*/data .mypy_cache .ruff_cache .pytest_cache \
	  .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml $(wildcard plugins/*/pyproject.toml) constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "$(PYTHON) is older than Python 3.10; name another: make PYTHON=python3.11 ..."; exit 1; }
	@echo "setting up $(VENV): a minute or two, once"
	@$(PYTHON) -m venv $(VENV)
	@echo "setting up $(VENV): what builds packages"
	@$(INSTALL) hatchling editables
	@echo "setting up $(VENV): sm-core, its plugins and all that they need"
	@$(INSTALL) --no-build-isolation $(DISTRIBUTIONS:%=--editable %) scikit-learn
	@touch $@

$(DEVELOPER): $(INSTALLED) requirements-dev.txt
	@echo "setting up $(VENV): the developers' tools, once"
	@$(INSTALL) --requirement requirements-dev.txt
	@touch $@
