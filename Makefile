# The commands of this repository. `make demo` and `make test` set up what they need in .venv, from pinned, hashed files.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PYTHON ?= $(shell sh tools/find-python)
UV ?= uv
SCALE ?= small
PYTEST_ARGS ?= -n auto --dist loadfile --no-loadscope-reorder
LANG_DEMO := $(if $(lang),--lang $(lang))
COMPILE := $(UV) pip compile -q $(UPGRADE) --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make pin"

.DEFAULT_GOAL := help
.PHONY: help demo test check lint format docs bench soak pin clean

help: ## say what can be done
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

demo: $(VENV)/.ready-demo ## a fictional retailer, from its files to a proof (lang=fr for French)
	@mkdir -p build
	$(BIN)/pacte demo build/demo --anew $(LANG_DEMO)

test: check ## every check, then every test
	$(BIN)/python -m pytest $(PYTEST_ARGS) -m "not soak"

check: $(VENV)/.ready-test ## the checks that run nothing: style, types, layers, our own rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tools.lint

format: $(VENV)/.ready-test ## rewrite the code in the house's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.ready-test ## write the reference pages that follow from the code
	$(BIN)/python -m tools.commands
	$(BIN)/python -m tools.tables
	$(BIN)/python -m tools.packs
	$(BIN)/python -m tools.schema

bench: $(VENV)/.ready-test ## measure beside plain baselines (SCALE=small or full), into build/bench.json
	$(BIN)/python -m bench --scale $(SCALE)

soak: $(VENV)/.ready-test ## long simulations, every screen in every state, more examples, and the doors on PostgreSQL
	$(BIN)/python -m pytest -m soak
	PACTE_TEST_THOROUGH=1 $(BIN)/python -m pytest $(PYTEST_ARGS) tests/policy
	PACTE_TEST_RECORDS=postgresql $(BIN)/python -m pytest $(PYTEST_ARGS) tests/web

pin: ## resolve the requirements again (needs uv; UPGRADE=--upgrade for newer versions)
	$(COMPILE) --all-extras --group build --group test pyproject.toml -o requirements/test.txt
	$(COMPILE) -c requirements/test.txt --no-annotate pyproject.toml -o requirements/base.txt
	$(COMPILE) -c requirements/test.txt --no-annotate --extra web --extra demo pyproject.toml -o requirements/web.txt
	$(COMPILE) -c requirements/test.txt --no-annotate --group build -o requirements/build.txt

clean: ## remove what the commands made, but not .venv
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis

# A stamp lies in .venv, so that removing .venv is a fresh start; a second run installs nothing.

$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "pacte needs Python 3.11 or later with its venv module (on Debian: python3-venv)" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.ready-demo: $(VENV)/.created requirements/web.txt requirements/build.txt pyproject.toml
	@echo 'installing what pacte needs into $(VENV), once (about a minute)'
	$(PIP) install -q --require-hashes -r requirements/web.txt
	$(PIP) install -q --require-hashes -r requirements/build.txt
	$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.ready-npm: $(VENV)/.created requirements/npm/package.json requirements/npm/package-lock.json
	@rm -rf $(VENV)/npm && mkdir -p $(VENV)/npm && cp requirements/npm/*.json $(VENV)/npm/
	@(cd $(VENV)/npm && npm ci --silent --ignore-scripts --no-audit --no-fund) && touch $@ || \
	echo 'axe-core could not be installed (is npm there?): the tests of accessibility will be skipped and say so'

$(VENV)/.ready-test: $(VENV)/.created $(VENV)/.ready-npm requirements/test.txt pyproject.toml
	@echo 'installing what pacte and its tests need into $(VENV), once (about a minute)'
	$(PIP) install -q --require-hashes -r requirements/test.txt
	$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.ready-demo
