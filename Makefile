# The five commands, the same that CI runs. Each sets itself up; none needs a hand-made environment.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3

.PHONY: help dev check test demo bench generate driver clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.ready: pyproject.toml agent/pyproject.toml controller/pyproject.toml lab/pyproject.toml deploy/setup
	deploy/setup $(VENV)
	@touch $@

dev: $(VENV)/.ready ## install what is missing: system packages, a virtual environment, the four distributions
	@echo "ready: $(VENV)"

check: dev ## formatting, lint, types, layering, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m bartizan_lab.generate --check

generate: dev ## write the generated files: schemas, CLI help, supported devices
	$(BIN)/python -m bartizan_lab.generate

driver: dev ## make the skeleton of a driver: make driver NAME=acme
	@$(BIN)/python -m bartizan_lab.new_driver "$(NAME)"

test: dev ## all tests
	deploy/privileged tests/run $(BIN)/pytest

demo: dev ## the main job on one machine, end to end (KEEP=1 leaves it up)
	deploy/privileged $(BIN)/python -m bartizan_lab.demo $(if $(KEEP),--keep)

bench: dev ## measure against bare-tool floors; writes bench/results.json
	deploy/privileged $(BIN)/python -m bench.run

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
