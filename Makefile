# Verbs of the project; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := shared services research lobflow bench tests

.DEFAULT_GOAL := help
.PHONY: help venv up down check test test-compose peers soak bench fuzz lock clean

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

venv: $(VENV)/.dev $(VENV)/.kernels ## install everything into .venv from the hashed lock

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "lobflow needs Python 3.11, 3.12 or 3.13; set PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# What running needs, without what developing needs.
$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Kernels are compiled at installation, so that no start waits for it.
$(VENV)/.kernels: $(VENV)/.run $(wildcard shared/compil*.py services/features/*.py services/venue/synthetic/*.py services/collector/*.py)
	$(BIN)/python -m services.features.compile
	$(BIN)/python -m services.venue.synthetic.compile
	$(BIN)/python -m services.collector.compile
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

up: $(VENV)/.kernels ## run everything: make up [VENUE=replay FILE=...|demo] [SYMBOLS=A,B] [PORT=] [STATE=]
	@$(BIN)/lobflow up $(if $(VENUE),--venue $(VENUE)) $(foreach file,$(FILE),--file $(file)) \
	  $(if $(SYMBOLS),--symbols $(SYMBOLS)) $(if $(PORT),--port $(PORT)) $(if $(STATE),--state $(STATE)) \
	  $(if $(SEED),--seed $(SEED))

down: ## stop what `make up` runs
	@$(BIN)/lobflow down $(if $(STATE),--state $(STATE))

check: venv ## format, lint, strict types, unit, property and golden tests
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/pytest -q -n auto --dist worksteal -m "not slow" tests/unit tests/property tests/conformance tests/golden

test: check ## everything: `make check`, then integration and end-to-end tests
	$(BIN)/pytest -q -m slow tests/unit tests/property tests/conformance tests/golden || [ $$? -eq 5 ]
	$(BIN)/pytest -q -n auto --dist loadfile -m "not compose" tests/integration tests/e2e

test-compose: venv ## `docker compose up` on a real engine; skips where there is none
	$(BIN)/pytest -q -m compose tests/e2e

peers: .venv-peers/.done ## the packages that our data are read with, in an environment of their own; tests use it
.venv-peers/.done:
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check hftbacktest==2.4.4
	@touch $@

soak: venv ## an hour of the whole system with drills (MINUTES=): memory, gaps, PnL
	$(BIN)/lobflow soak --minutes $(or $(MINUTES),60)

bench: venv ## tick-to-order latency beside a bare relay, one JSON line
	$(BIN)/lobflow bench tick-to-order --json

RECORDINGS ?= ../shared/data
fuzz: venv ## a million damaged frames against the frame parser (recordings from RECORDINGS)
	$(BIN)/python -m bench.fuzz_frames --frames 1000000 \
	  $(RECORDINGS)/usdm-raw/btcusdt_20240808.gz $(RECORDINGS)/usdm-raw/ethusdt_20240808.gz \
	  $(RECORDINGS)/coinm-raw/btcusd_perp_20240808.gz

lock: ## write the lock files anew (needs uv)
	uv pip compile --quiet --upgrade --generate-hashes --universal --no-annotate --no-header --python-version 3.11 pyproject.toml -o requirements.lock
	uv pip compile --quiet --upgrade --generate-hashes --universal --no-annotate --no-header --python-version 3.11 --extra dev pyproject.toml -o requirements-dev.lock

clean: ## remove .venv, caches and build products
	rm -rf $(VENV) .venv-peers .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
