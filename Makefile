# Everything sets itself up: a virtual environment in .venv, from Python >= 3.10
# and a package index. Nothing is installed again until what says how changes; loops in C
# are built where there is a compiler.

.DEFAULT_GOAL := help

# The newest supported Python that runs; `make PYTHON=/path/to/python ...` overrides.
PYTHON ?= $(shell for p in python3.12 python3.11 python3.10 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' \
	>/dev/null 2>&1 && { echo $$p; break; }; done)

VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.set-up
SOURCES := pyproject.toml setup.py minispark/kernels/_native.c
DEV := $(VENV)/.set-up-dev
BENCH := $(VENV)/.set-up-bench
# An editable install warns of folders beside the package, at each build.
PIP := PYTHONWARNINGS="ignore:Editable installation" $(BIN)/python -m pip --disable-pip-version-check --quiet
PATHS := minispark tests examples benchmarks setup.py
DEMO := build/demo
LINES ?= 300000
PYTEST_ARGS ?=
SCALE ?= 1
BENCH_ARGS ?=
comma := ,

.PHONY: help demo test lint format types verifytypes docs layers unit parity chaos simulate bench bench-scale clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

$(SETUP): $(SOURCES)
	@test -n "$(PYTHON)" || { echo "minispark needs Python 3.10 or newer; none found" >&2; exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version)"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --upgrade 'pip>=23.1'
	@$(PIP) install --editable .
	@touch $@

$(DEV): $(SETUP)
	@$(PIP) install --editable '.[test,lint]'
	@touch $@

$(BENCH): $(SETUP)
	@$(PIP) install --editable '.[bench]'
	@touch $@

demo: $(SETUP) ## The main job: generated access logs, a report, the plan, the times
	@test -f $(DEMO)/logs-$(LINES)/access-06.log.gz \
		|| $(BIN)/python examples/generate_logs.py $(DEMO)/logs-$(LINES) --lines $(LINES) >/dev/null
	@$(BIN)/python examples/access_log.py --output $(DEMO)/output $(DEMO)/logs-$(LINES)

test: $(DEV) ## Linter, formatter check, types, import layers, then every test
	@$(BIN)/ruff check $(PATHS)
	@$(BIN)/ruff format --check $(PATHS)
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/architecture/test_layers.py
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(DEV) ## Linter and formatter check
	@$(BIN)/ruff check $(PATHS)
	@$(BIN)/ruff format --check $(PATHS)

format: $(DEV) ## Format the code and mend what the linter can mend
	@$(BIN)/ruff check --fix $(PATHS)
	@$(BIN)/ruff format $(PATHS)

types: $(DEV) ## The strict type checker
	@$(BIN)/mypy

verifytypes: $(DEV) ## How much of the public API is typed, by pyright; needs node and npm
	@rm -rf build/types && mkdir -p build/types
	@$(BIN)/python -m venv --without-pip build/types/venv
	@site=$$(build/types/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
		cp -R minispark $$site/; \
		$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > $$site/others.pth
	@cd build/types && PATH="$$PWD/venv/bin:$$PATH" \
		npx --yes pyright --verifytypes minispark --ignoreexternal

docs: $(SETUP) ## The documentation as a web site in build/docs, the API from its docstrings
	@$(PIP) install --editable '.[docs]'
	@$(BIN)/mkdocs build --strict --quiet
	@echo "build/docs/index.html"

layers: $(DEV) ## Who may import whom
	@$(BIN)/python -m pytest -q tests/architecture/test_layers.py

unit: $(DEV) ## The tests that need no Ray: quick, for every change
	@$(BIN)/python -m pytest -m "not ray and not cluster and not pyspark and not slow" $(PYTEST_ARGS)

parity: $(DEV) ## Compare with the real PySpark; PYSPARK_PYTHON=/path/to/python-with-pyspark
	@MINISPARK_TEST_SECONDS=600 MINISPARK_PARITY_PYTHON=$(PYSPARK_PYTHON) $(BIN)/python -m pytest tests/parity $(PYTEST_ARGS)
	@$(BIN)/python -m minispark run tests/parity/doctests.py \
		"$$($(or $(PYSPARK_PYTHON),$(BIN)/python) -c 'import os, pyspark; print(os.path.dirname(pyspark.__file__))')"

chaos: $(DEV) ## Random faults under random programs; SECONDS=600 SEED=1 MASTER='local[2]' or cluster
	@$(BIN)/python -m tests.chaos.nemesis --seconds $(or $(SECONDS),60) --master '$(or $(MASTER),local[2])' $(if $(SEED),--seed $(SEED))

simulate: $(DEV) ## The scheduler alone among random faults; JOBS=100000 SEED=0
	@MINISPARK_SIM_JOBS=$(or $(JOBS),100000) MINISPARK_SIM_SEED=$(or $(SEED),0) \
		$(BIN)/python -m pytest -q -s tests/scheduler/test_simulation.py

bench: $(BENCH) ## Benchmarks; PEERS=pyspark,dask,ideal,pysparkling compares; SCALE=0.1 is quick
	@$(BIN)/python -m benchmarks run --engines minispark$(if $(PEERS),$(comma)$(PEERS)) --scale $(SCALE) $(BENCH_ARGS)

bench-scale: $(BENCH) ## Whether cost grows in proportion to data, partitions, lineage
	@$(BIN)/python -m benchmarks scale $(BENCH_ARGS)

clean: ## Remove what the targets above made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -f minispark/kernels/_native.*.so
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
