# Needs Python 3.11 or 3.12, git and make; everything else goes into .venv.
PYTHON ?= $(shell for python in python3.11 python3.12 python3; do \
	$$python -c 'import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
		2> /dev/null && echo $$python && break; done)
BIN = .venv/bin
INSTALLED = .venv/installed

.PHONY: venv demo test lint results

venv: $(INSTALLED)

$(INSTALLED): setup.cfg pyproject.toml .ci/constraints.txt
	@test -n "$(PYTHON)" || { echo "Needs Python 3.11 or 3.12: make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint .ci/constraints.txt --editable '.[test]'
	@touch $@

demo: $(INSTALLED)
	$(BIN)/tfmodels demo

test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(INSTALLED)
	$(BIN)/ruff format --config .ci/ruff.toml --check .
	$(BIN)/ruff check --config .ci/ruff.toml .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

results: $(INSTALLED)
	$(BIN)/python -m tools.results
