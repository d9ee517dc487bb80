# Everything happens in .venv; `make help` lists what there is.
# pip takes packages from where this machine is set up to take them; the locks say which, by their hashes.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
ARGS ?=
# 34 laws, 100,000 cases in all.
CASES ?= 3000
SCHEDULES ?= 10000
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet --no-input
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make lock"
# A process a core, each with whole files of tests: those of one file share their servers.
SIDE_BY_SIDE := --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
PURE := scim model expression planning gallery ports

# A process that may not keep what it compiled compiles all of Muster again: the tests start hundreds of them.
unexport PYTHONDONTWRITEBYTECODE

.SILENT:
.DEFAULT_GOAL := help
.PHONY: help setup demo test bench-scale docs sbom audit faults planted fuzz bench lint format lock reference pictures clean catalogue screenshots

help: ## Show this list
	awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/setup.stamp ## Install what is needed to run, into .venv

demo: .venv/setup.stamp ## Run both servers with a sample directory: make demo ARGS="--exit --json"
	$(BIN)/muster demo $(ARGS)

test: .venv/setup-dev.stamp ## Run all tests, or some: make test ARGS="tests/unit -x"
	$(BIN)/python -m pytest $(if $(ARGS),$(ARGS),$(SIDE_BY_SIDE) --cov-branch $(PURE:%=--cov=muster.%) --cov-report=term:skip-covered --cov-fail-under=100)

bench: .venv/setup-dev.stamp ## Measure the rules, cycles beside a plain loop, due checks, pages, leavers, SCIM beside its peers
	PYTHONPATH=tests $(BIN)/python bench/rules_bench.py
	$(BIN)/python bench/reevaluation.py
	PYTHONPATH=tests $(BIN)/python bench/reconciliation.py
	PYTHONPATH=tests $(BIN)/python bench/initial_cycle.py $(ARGS)
	$(BIN)/python bench/due_check.py
	PYTHONPATH=tests $(BIN)/python bench/ldap_source.py
	$(BIN)/python bench/sources.py
	PYTHONPATH=tests $(BIN)/python bench/portal_pages.py
	PYTHONPATH=tests $(BIN)/python bench/leaver_latency.py
	$(BIN)/python bench/scim_bench.py || { test $$? = 1 && echo "a goal is not reached" >&2; }

bench-scale: .venv/setup-dev.stamp ## Measure a whole installation at 10,000 and 100,000 people: make bench-scale ARGS=1000000
	PYTHONPATH=tests $(BIN)/python bench/scale.py $(ARGS)

faults: .venv/setup-dev.stamp ## Kill at every boundary, and play 10,000 schedules of edits and faults: make faults SCHEDULES=500
	MUSTER_KILL_POINTS=all $(BIN)/python -m pytest tests/faults/test_kill_points.py
	MUSTER_SCHEDULES=$(SCHEDULES) $(BIN)/python -m pytest tests/faults/test_schedules.py

planted: .venv/setup-dev.stamp ## Show that every planted error is caught
	MUSTER_PLANTED=all $(BIN)/python -m pytest --numprocesses logical tests/faults/test_planted.py

laws: .venv/setup-dev.stamp ## Try the laws on 100,000 random cases: make laws CASES=500 tries each of the 34 on 500
	MUSTER_LAW_EXAMPLES=$(CASES) $(BIN)/python -m pytest tests/laws $(ARGS)

lint: .venv/setup-dev.stamp ## Check style, types, the floors and that the locks are whole
	$(PIP) check
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports

fuzz: .venv/setup-dev.stamp ## Send mutated SCIM requests: make fuzz ARGS="--requests 200000 --seed 1"
	PYTHONPATH=tests $(BIN)/python -m fuzz.scim_requests $(ARGS)

format: .venv/setup-dev.stamp ## Put the code into its style
	$(BIN)/ruff check --quiet --fix
	$(BIN)/ruff format --quiet

lock: .venv/setup-dev.stamp ## Renew the locks after a change of pyproject.toml
	printf 'hatchling\neditables\n' | $(LOCK) pyproject.toml - --output-file requirements.lock
	printf 'hatchling\neditables\n' | $(LOCK) pyproject.toml - --extra dev --constraint requirements.lock \
		--output-file requirements-dev.lock
	$(LOCK) pyproject.toml --extra docs --constraint requirements-dev.lock --output-file requirements-docs.lock
	$(LOCK) pyproject.toml --extra supply --constraint requirements-docs.lock --constraint requirements-dev.lock \
		--output-file requirements-supply.lock

docs: .venv/setup-docs.stamp ## Build the documentation site into build/site: make docs ARGS=serve shows it while you write
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs --quiet $(if $(ARGS),$(ARGS),build)

sbom: .venv/setup-supply.stamp ## List what Muster is made of, with licences, in build/sbom.json (CycloneDX)
	mkdir -p build
	$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible --of JSON -o build/sbom.json 2>/dev/null
	PYTHONPATH=tests $(BIN)/python -m documents.licences build/sbom.json

audit: .venv/setup-supply.stamp ## Ask whether any package of the locks has a known flaw (calls the advisory database)
	PYTHONPATH=tests $(BIN)/python -m documents.advisories

reference: .venv/setup.stamp ## Write docs/api-reference.md anew after a change of the API's routes
	$(BIN)/python -m muster.web.graph.reference docs/api-reference.md
catalogue: .venv/setup-dev.stamp ## Bring the translations up to the texts of the pages, and list what is missing
	PYTHONPATH=tests $(BIN)/python -m documents.catalogue

pictures: .venv/setup.stamp ## Draw docs/pictures/terminal.svg from a real run of the demo
	$(BIN)/python docs/pictures/make_terminal_picture.py

screenshots: .venv/setup-dev.stamp ## Take the two pictures of the README in a real browser
	PYTHONPATH=tests $(BIN)/python docs/pictures/make_screenshots.py

clean: ## Remove .venv and what the tools left
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage

.venv/bin/python:
	test -n "$(PYTHON)" || { echo "Muster needs Python 3.11 or newer: install it, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv .venv

# The package itself is built by the backend that the lock holds too: nothing is installed without a hash. The locks are
# whole, so pip need not resolve: an older pip would look past a pin for a newer release of what is asked for with extras.
.venv/setup.stamp: requirements.lock pyproject.toml | .venv/bin/python
	$(PIP) install --no-deps --require-hashes --requirement requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

.venv/setup-docs.stamp: requirements-docs.lock .venv/setup-dev.stamp
	$(PIP) install --no-deps --require-hashes --requirement requirements-docs.lock
	touch $@

.venv/setup-supply.stamp: requirements-supply.lock .venv/setup-docs.stamp
	$(PIP) install --no-deps --require-hashes --requirement requirements-supply.lock
	touch $@

.venv/setup-dev.stamp: requirements-dev.lock .venv/setup.stamp
	$(PIP) install --no-deps --require-hashes --requirement requirements-dev.lock
	touch $@
