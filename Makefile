# Everything goes through here: `make help` lists the targets.
# Needed on the machine: make and Python 3.11 to 3.13. No compiler; `make test` asks for more, see
# setup-programs.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8080
ARGS ?=

VENV := .venv
NUMPY2 := .venv-numpy2
BIN := $(VENV)/bin
INSTALL := $(PYTHON) tools/install.py
SOURCES := vision serving client gateway training
CODE := $(SOURCES) tools tests examples conftest.py $(wildcard benchmarks)
# What whoever installs without the extra `local` runs: on the newest numpy and OpenCV.
NUMPY2_TESTS := tests/vision tests/client tests/gateway tests/camio
# What every environment is made from: a change of one of these refreshes it.
COMMON := pyproject.toml tools/install.py requirements/uv.txt

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate --custom-compile-command "make lock" -c requirements/constraints.in

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev setup-numpy2 setup-programs run test test-numpy2 lint format types imports bench docs lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed-run  ## make .venv with what `make run` needs
setup-dev: $(VENV)/.installed-dev  ## add what training, tests and checks need
setup-programs:  ## see that the programs which tests need beside Python are there
	@$(PYTHON) tools/programs.py
setup-numpy2: $(NUMPY2)/.installed  ## make .venv-numpy2: without the embedded Triton, newest numpy

$(VENV)/.installed-run: requirements/run.txt $(COMMON)
	$(INSTALL) --venv $(VENV) --lock $<
	@touch $@

$(VENV)/.installed-dev: requirements/dev.txt $(VENV)/.installed-run
	$(INSTALL) --venv $(VENV) --lock $<
	@touch $@

$(NUMPY2)/.installed: requirements/numpy2.txt $(COMMON)
	$(INSTALL) --venv $(NUMPY2) --lock $<
	@touch $@

run: setup  ## serve at http://127.0.0.1:8080 (HOST=..., PORT=...)
	exec $(BIN)/deckwatch up --host $(HOST) --port $(PORT) $(ARGS)

test: setup-dev setup-programs  ## run all tests (ARGS="-k name" picks)
	$(BIN)/python -m pytest $(ARGS)

test-numpy2: setup-numpy2 setup-programs  ## run the tests that need no server on the newest numpy and OpenCV
	$(NUMPY2)/bin/python -m pytest -m "not stack" $(NUMPY2_TESTS) $(ARGS)

lint: setup-dev  ## check style and formatting
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

format: setup-dev  ## mend what lint finds, where that is safe
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

types: setup-dev  ## check types
	$(BIN)/mypy

imports: setup-dev  ## check which part imports which
	$(BIN)/lint-imports

bench: setup-dev  ## measure against what you would write instead (BENCH="--help" for more)
	$(BIN)/python -m benchmarks $(BENCH)
	$(BIN)/python -m benchmarks.workbench $(BENCH)
	$(BIN)/python -m benchmarks.overload $(BENCH)
	$(BIN)/python -m benchmarks.batches $(BENCH)

docs: setup-dev  ## write the generated parts of the documents anew
	$(BIN)/python -m tools.docs
	$(BIN)/python -m tools.transcripts

lock: setup  ## solve the locks anew after a change of pyproject.toml (ARGS=--upgrade)
	$(COMPILE) requirements/uv.in -o requirements/uv.txt $(ARGS)
	$(COMPILE) pyproject.toml requirements/build.in --extra local --extra gateway \
		-o requirements/run.txt $(ARGS)
	$(COMPILE) pyproject.toml requirements/build.in --extra local --extra gateway --extra train \
		--extra ray --extra s3 --extra dev -c requirements/run.txt -o requirements/dev.txt $(ARGS)
	$(COMPILE) pyproject.toml requirements/build.in requirements/numpy2.in --extra gateway --extra test \
		-o requirements/numpy2.txt $(ARGS)

clean:  ## remove environments, caches and build output
	rm -rf $(VENV) $(NUMPY2) dist .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +
