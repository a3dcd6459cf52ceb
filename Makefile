# Everything here runs in .venv, which these targets make by themselves: Python >= 3.11 with pip is all they need.
# Another interpreter: make PYTHON=python3.12 hunt. What is installed is pinned by constraints.txt.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:  # one pip at a time in one environment; each tool uses the cores itself

VENV := .venv
# of pytest, a few GB each; 0 for a debugger
PROCESSES := 2
BIN := $(VENV)/bin
ifeq ($(origin PYTHON), undefined)
  # the first that runs and is new enough; constraints.txt was tested with 3.11
  PYTHON := $(shell for p in python3.11 python3 python3.12 python3.13 python3.14; do \
    $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
endif

.PHONY: help hunt test test-cluster lint style types contracts docs calibration clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(firstword $(MAKEFILE_LIST))

hunt: $(VENV)/.with-report runs/sample/hunt.toml  ## hunt in the embedded sample and write runs/sample/report.html
	$(BIN)/lamppost hunt runs/sample/hunt.toml --out runs/sample
	@echo "report: $(CURDIR)/runs/sample/report.html"

test: $(VENV)/.with-test  ## run the test suite (PYTEST_ARGS="-k fit" for a part of it)
	$(BIN)/python -m pytest -n $(PROCESSES) --dist worksteal $(PYTEST_ARGS)

test-cluster: $(VENV)/.with-test  ## run a hunt in jobs of a Slurm of one node, started for it (root, slurm-wlm, munge)
	$(BIN)/python tests/cluster/slurm_hunt.py

lint: style types contracts  ## style and format, types, direction of imports

style: $(VENV)/.with-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.with-lint
	$(BIN)/mypy

contracts: $(VENV)/.with-lint
	$(BIN)/lint-imports

docs: $(VENV)/.with-docs  ## build the documentation and execute every code cell: docs/_build/html/index.html
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/sphinx-build -E -W --keep-going -b html docs docs/_build/html

calibration: $(VENV)/.with-report  ## measure the p-values on pseudo-data without signal (hours; resumes where it stopped)
	$(BIN)/python benchmarks/calibration.py cwola cathode page --out runs/calibration --table docs/calibration.md

clean:  ## remove the environment, caches, built docs and runs/sample (runs/calibration stays)
	rm -rf $(VENV) dist build docs/_build docs/jupyter_execute runs/sample
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

runs/sample/hunt.toml: | $(VENV)/.with-report
	mkdir -p runs/sample
	$(BIN)/lamppost init $@

# One stamp per set of extras; all sets share the pins, so installing one never undoes another.
$(VENV)/.with-%: $(VENV)/.made-by-$(notdir $(PYTHON)) pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$*]"
	@touch $@

# Named after the interpreter: asking for another one makes the environment anew.
$(VENV)/.made-by-$(notdir $(PYTHON)):
	@test -n "$(PYTHON)" || { echo "make: no Python >= 3.11 found; name one with PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@
