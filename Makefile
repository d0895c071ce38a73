# The doors of the portal. `make help` lists them.
VENV ?= .venv
export VENV
SETUP = sh scripts/setup.sh
PY = $(VENV)/bin/python
# Leaves the servers alone: `make test NO_SERVICES=1`, `make test ARGS="tests/jobs -k cron"`.
WORKERS ?= auto

.DEFAULT_GOAL := help
.PHONY: help setup run test check bench faults chaos clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

setup:  ## Create .venv, install, build the page scripts and the translations (only what changed)
	@$(SETUP)

run:  ## Start everything on this machine; PORT=8001 and DATA_DIR=/path override, Ctrl-C stops
	@$(SETUP)
	@exec $(PY) manage.py up

test:  ## Run the whole suite; services and browser are used when found, NO_SERVICES=1 leaves them out
	@$(SETUP) --dev
	@exec $(PY) -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

check:  ## Format, lint, types, migrations, deployment settings, translations
	@$(SETUP) --dev
	@exec $(PY) scripts/check.py

bench:  ## Measure; one JSON line per figure
	@$(SETUP) --dev
	@exec $(PY) -m bench $(ARGS)

faults:  ## Every fault on every ledger and broker, by private servers; FAULTS_LANE=postgres, SLOW=1, ARGS="-k drain"
	@$(SETUP) --dev
	@exec $(PY) -m tests.faults $(if $(SLOW),--slow) $(ARGS)

chaos:  ## A seeded random walk of faults: MINUTES=10 SEED=… LANE=sqlite|postgres|mariadb
	@$(SETUP) --dev
	@exec $(PY) -m tests.faults.chaos --minutes $(or $(MINUTES),10) --lane $(or $(LANE),sqlite) $(if $(SEED),--seed $(SEED))

clean:  ## Remove what set-up made; data in var/ stays
	@rm -rf frontend/dist frontend/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -prune -not -path './.venv/*' -exec rm -rf {} + ; find portal -name '*.mo' -delete
	@if [ -L "$(VENV)" ]; then rm -f "$(VENV)"; else rm -rf "$(VENV)"; fi
	@echo "Removed what set-up made. Your data in var/ was not touched."
