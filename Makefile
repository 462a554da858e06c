# Two commands on a fresh machine: `make demo` and `make test`. Everything stays inside this folder.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
SAMPLE = src/emotrace/samples/talk.mp4

export PIP_CACHE_DIR := $(CURDIR)/.cache/pip
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The environment holds no pip of its own: that saves 24 MB.
PIP = $(PYTHON) -m pip --python $(BIN)/python
INSTALL = $(PIP) install --quiet -c constraints.txt

.PHONY: help demo test check format bench size clean

help:            ## list the commands
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

demo: $(VENV)/.base  ## analyse the sample clip and write its report
	@$(BIN)/emotrace analyze $(SAMPLE) --out demo --report
	@echo "Open the report in a browser: $(CURDIR)/demo/talk.emotrace.html"

test: $(VENV)/.test  ## run all tests, a file at a time on each of WORKERS cores
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile

check: $(VENV)/.dev  ## formatting, lint and strict types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(VENV)/.dev  ## format and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.base  ## time the main job on the clips of MEDIA (a folder)
	@$(BIN)/python benchmarks/analyze.py $(or $(MEDIA),../shared/media)

clean:           ## remove the environment, caches and the demo's results
	rm -rf $(VENV) .cache demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "emotrace needs Python 3.11 or newer; name one with make PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv --without-pip $(VENV)

$(VENV)/.base: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing emotrace into $(VENV)"
	@$(INSTALL) -e .
	@touch $@

$(VENV)/.test: $(VENV)/.base
	@echo "Installing what the tests need"
	@$(INSTALL) -e '.[test]'
	@touch $@

$(VENV)/.dev: $(VENV)/.test
	@echo "Installing what the checks need"
	@$(INSTALL) -e '.[test,dev]'
	@touch $@
