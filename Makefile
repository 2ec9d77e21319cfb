# make demo   set up .venv, install, run the main job on synthetic basins
# make test   set up .venv, run the tests
# Both need only Python 3.11+, make and a package index.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help setup demo test test-slow coverage lint format clean

help:
	@sed -n '1,3s/^# //p' Makefile
	@echo "make test-slow, make coverage, make lint, make format, make clean"

$(READY): pyproject.toml constraints.txt
	@echo "== Setting up $(VENV): hydroml and its tools (once; takes a minute or two) =="
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hydroml needs Python 3.11 or newer; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $(READY)

setup: $(READY)

demo: $(READY)
	@echo "== The main job on synthetic basins: store, training, evaluation, figures (minutes) =="
	$(BIN)/hydroml demo

test: $(READY)
	@echo "== Tests (slow ones left out: make test-slow runs them) =="
	$(BIN)/python -m pytest

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow -o faulthandler_timeout=0

coverage: $(READY)
	$(BIN)/python -m coverage run -m pytest
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --skip-covered --fail-under=90

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
