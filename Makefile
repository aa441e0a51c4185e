# The one set of commands, for people and for CI.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := $(wildcard plugins/*)
# every file that a package of ours is built from
SOURCES := pyproject.toml hatch_build.py README.md LICENSE bootstrap \
  $(shell find fcplug $(PLUGINS) -type f -not -path '*/__pycache__/*' -not -path 'plugins/*/tests/*')
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
BARS ?=

.PHONY: help run test check resilience release-check bench bench-full docs docs-serve reference captures format schema clean

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

run: $(VENV)/installed ## set up, then serve config/functions.yaml on port 9000; edits take effect while it runs
	@PYTHONPATH=$(subst $() $(),:,$(PLUGINS)) ./bootstrap --host 127.0.0.1 --reload

test: $(VENV)/installed $(VENV)/dev $(VENV)/ray ## set up, then run all tests and check the coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run $(BIN)/pytest -n 5 --dist loadfile --no-loadscope-reorder -m "not alone"
	$(BIN)/coverage run $(BIN)/pytest -m alone
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: $(VENV)/installed $(VENV)/dev ## check format, style, imports and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy fcplug tests
	$(BIN)/mypy bench docs_tools
	@for plugin in $(PLUGINS); do (cd $$plugin && ../../$(BIN)/mypy --config-file ../../pyproject.toml .) || exit 1; done

resilience: $(VENV)/installed $(VENV)/dev $(VENV)/resilience ## set up, then run every resilience test at full size, or some: BARS="drain reload"
	@PYTHONPATH=tests $(BIN)/python -m resilience $(BARS)

release-check: $(VENV)/release ## build the wheel and the sdist, check them, and try them with each Python here
	@.ci/release-check

bench: $(VENV)/made ## compare fcplug with other servers, in five minutes
	@$(BIN)/python bench --out bench/.quick

bench-full: $(VENV)/made ## measure everything, in half an hour; writes bench/RESULTS.md
	@$(BIN)/python bench --full --out bench

docs: $(VENV)/dev ## build the site of the documentation into site/, and check every link
	@$(BIN)/python docs_tools/site_build.py

reference: $(VENV)/installed $(VENV)/dev ## write the pages of docs/reference that are made from the code
	@$(BIN)/python docs_tools/reference.py

docs-serve: $(VENV)/dev ## show the documentation on http://localhost:8000 while you write it
	@$(BIN)/zensical serve

captures: $(VENV)/installed $(VENV)/dev ## run what the tutorial, the guides and the page of errors show, and write the outputs into them
	@PYTHONPATH=tests $(BIN)/python -m captured

format: $(VENV)/dev ## format the code
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

schema: $(VENV)/installed ## write config/functions.schema.json, for editors
	$(BIN)/python -c 'from fcplug.config.loader import json_schema; print(json_schema(), end="")' > config/functions.schema.json

clean: ## remove all generated files
	rm -rf $(VENV) site .cache bench/.envs bench/.quick .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/made:
	@echo "setting up $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit("fcplug needs Python 3.10 or newer: make PYTHON=/path/to/python3 ...") if sys.version_info < (3, 10) else None'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade pip hatchling
	@touch $@

$(VENV)/dev: $(VENV)/made pyproject.toml
	@$(PIP) install --group dev
	@touch $@

# both groups at once: one set of versions that suits Ray and the SDKs of dev
$(VENV)/ray: $(VENV)/dev pyproject.toml
	@$(PIP) install --group dev --group ray
	@touch $@

$(VENV)/resilience: $(VENV)/made pyproject.toml
	@$(PIP) install --group resilience || echo "no atheris for this Python: the fuzz test cannot run"
	@touch $@

$(VENV)/release: $(VENV)/made pyproject.toml
	@$(PIP) install --group release
	@touch $@

$(VENV)/installed: $(VENV)/made $(SOURCES)
	@echo "installing fcplug and the plugins of plugins/ into $(VENV)"
	@$(PIP) install --no-build-isolation '.[tools]' $(PLUGINS:%=./%)
	@touch $@
