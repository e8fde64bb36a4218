# Common tasks. Activate the virtual environment first, or give PYTHON=path/to/python.
PYTHON ?= python3

.DEFAULT_GOAL := help
.PHONY: help install app lint type test test-slow browser docs bench

help:  ## List the tasks
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

install:  ## Install FER Lab and what its tests need, editable
	$(PYTHON) -m pip install -e ".[test]"

app:  ## Start the app
	$(PYTHON) -m streamlit run app.py

lint:  ## Check format and style
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .

type:  ## Check types
	$(PYTHON) -m mypy

test:  ## Run the quick tests
	$(PYTHON) -m pytest

test-slow:  ## Run every test, as CI does
	$(PYTHON) -m pytest --slow

browser:  ## Run the browser tests (needs Chromium)
	$(PYTHON) -m pytest --slow tests/browser

docs:  ## Write docs/cli.md and the settings in docs/deploy.md from the code
	$(PYTHON) -m tests.core.test_docs

bench:  ## Measure training, inference and the live view
	$(PYTHON) -m fer_core bench train
	$(PYTHON) -m fer_core bench infer
	$(PYTHON) -m fer_core bench live assets/samples
