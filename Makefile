# `make demo` and `make test` do everything from nothing: environment, installation, run.
PYTHON ?= python3
VENV ?= .venv
DEMO_OUT ?= demo

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif

.PHONY: demo test lint test-lowest bench clean

demo: $(VENV)/.installed
	$(BIN)/python examples/quickstart.py --output-dir $(DEMO_OUT)

test: $(VENV)/.installed-test lint
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .

# The floors of setup.cfg, each `>=` read as `==`, on the oldest Python that is supported. pyparsing 3.3 makes the
# matplotlib of that time warn, and warnings are errors.
LOWEST_PYTHON ?= python3.10
test-lowest:
	$(LOWEST_PYTHON) -m venv --clear $(VENV)-lowest
	$(VENV)-lowest/bin/pip install --quiet --disable-pip-version-check \
		$$(sed -n '/^install_requires/,/^$$/s/^ *\([a-z]*\)>=\(.*\)/\1==\2.*/p' setup.cfg) 'pyparsing<3.3' '.[test]'
	$(VENV)-lowest/bin/python -m pytest -n 2

bench: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks train

$(VENV)/bin/python $(VENV)/Scripts/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.installed-test: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-lowest $(DEMO_OUT) build tinynet.egg-info
