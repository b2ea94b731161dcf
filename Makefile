# Needs Python 3.11 or newer with its venv module, and make. `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
CODE := service sensors tests benchmarks examples

# Options of `make run`: how many days to replay (all that are left when empty), seconds for a day, port.
DAYS ?=
INTERVAL ?= 3
PORT ?= 8600

.DEFAULT_GOAL := help
.PHONY: help run test check bench clean

help: ## what there is
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' $(MAKEFILE_LIST) | expand -t 14

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; say make PYTHON=…" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[alerts,postgres,brokers,objects,examples]' --group dev
	@touch $@

run: $(READY) ## the service on a year of real flights, until Ctrl-C (DAYS=3 stops after three days)
	@$(BIN)/python examples/nycflights/run.py --interval $(INTERVAL) --port $(PORT) $(if $(DAYS),--days $(DAYS))

test: $(READY) ## all tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(TESTS)

check: $(READY) ## style, types and import rules; changes nothing
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(READY) ## Upwell against its peers and its limits (BENCH="--only chain", BENCH=--full)
	@$(BIN)/python -m benchmarks $(BENCH)

clean: ## removes what make, the example and the benchmarks made
	rm -rf $(VENV) .bench .upwell dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf examples/*/.upwell examples/*/.ruff_cache examples/*/landing benchmarks/results.json
	find service sensors tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +
