# Everything here runs in a virtual environment of its own, .venv, made when first needed from
# pinned packages whose hashes are checked. Needs python3 (3.11 or newer) with venv, and make;
# after the first run no network.

PYTHON ?= python3
V := .venv
PIP := $(V)/bin/python -m pip --disable-pip-version-check -q
# At most four processes: they share one PostgreSQL.
PYTEST := $(V)/bin/python -m pytest -n auto --maxprocesses 4

.PHONY: help demo test test-full chaos check format bench lock deb

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | while IFS='	' read -r name what; \
		do printf 'make %-10s %s\n' "$$name" "$$what"; done

demo: $(V)/ready ## orders through four daemons and three warehouses, in under a minute
	$(V)/bin/cmp-orders demo

test: $(V)/ready ## all tests but those that take minutes (test-full)
	$(PYTEST) $(ARGS)

test-full: $(V)/ready ## what takes minutes: all of the real input, and minutes of anything
	$(PYTEST) -m full -rP $(ARGS)
	$(PYTEST) --hypothesis-profile full tests/daemons/hostile/test_anything.py

chaos: $(V)/ready ## a quarter of an hour of everything that can break (ARGS="--seconds 60")
	$(V)/bin/python -m tests.system.chaos $(ARGS)

check: $(V)/ready ## style, types, who imports whom, pins that name no address, how exposed units are
	$(V)/bin/ruff check .
	$(V)/bin/ruff format --check .
	$(V)/bin/mypy
	$(V)/bin/lint-imports
	@! grep -nE '://|^ *--?(i|f|index|extra|find|trusted)' requirements/* \
		|| { echo 'requirements/ must not say where packages come from'; exit 1; }
	@! command -v systemd-analyze >/dev/null || for unit in systemd/*.service; do \
		systemd-analyze security --offline=true --threshold=5 --no-pager "$$unit" >/dev/null \
			|| { echo "$$unit is exposed by more than 0.5 of 10"; exit 1; }; done

format: $(V)/ready ## put the code into its layout
	$(V)/bin/ruff check --fix .
	$(V)/bin/ruff format .

bench: $(V)/ready ## 100,000 orders against the clock
	$(V)/bin/python -m benchmarks.pipeline $(ARGS)

deb: $(V)/ready ## the Debian package, into dist/
	$(V)/bin/python -m debian.build

lock: $(V)/ready ## pin the packages anew (ARGS=--upgrade: the newest of each)
	$(V)/bin/uv pip compile -q pyproject.toml requirements/dev.in --extra demo --universal \
		--python-version 3.11 --generate-hashes --no-header --no-annotate $(ARGS) \
		-o requirements/dev.txt

# Anew from nothing when the pins change, so that nothing is left of what is no longer pinned.
$(V)/pinned: requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo \
		'$(PYTHON) is missing or older than 3.11: install it, or say make PYTHON=python3.11'; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo \
		'$(PYTHON) comes without venv: on Debian and Ubuntu, apt install python3-venv'; exit 1; }
	rm -rf $(V)
	$(PYTHON) -m venv $(V)
	$(PIP) install --require-hashes --only-binary=:all: -r requirements/dev.txt
	touch $@

$(V)/ready: $(V)/pinned pyproject.toml
	$(PIP) install --no-deps --no-build-isolation --no-index -e .
	$(PIP) check
	touch $@
