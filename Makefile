# `make help` lists the targets. Everything runs in the project's own .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint figures picture lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/ready ## set up, then the whole run on the sample photographs (runs/demo)
	@$(BIN)/palimpsest run --profile demo

test: $(VENV)/ready lint ## set up, then every check and every test
	$(BIN)/pytest

lint: $(VENV)/ready ## formatting, types, import arrows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

figures: $(VENV)/ready ## run the demo twice and print the README's figures
	@$(BIN)/python -m tests.benchmarks.demo

picture: $(VENV)/ready ## draw the DAG into README.md anew
	@$(BIN)/python -m pipeline.picture README.md

lock: $(VENV)/ready ## resolve requirements.in into requirements.txt, with hashes
	$(UV) pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
		--custom-compile-command "make lock" -o requirements.txt requirements.in

clean: ## remove the environment and the demo's run
	rm -rf $(VENV) runs/demo

$(VENV)/ready: requirements.txt requirements-setup.txt pyproject.toml
	@echo "setting up $(VENV) (once: a few GB, about a minute on a fast line)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "palimpsest needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-setup.txt
	@$(UV) pip sync --quiet --require-hashes --python $(BIN)/python requirements.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@
