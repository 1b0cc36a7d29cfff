# make demo   see it work: a sample image for several platforms, a passing group, a divergence
# make test   linters, types and every test, against a real Docker engine
#
# Both use the Docker that is there. Without one, on Debian or Ubuntu as root, they bring up a
# private one and take it down afterwards; `scripts/engine` says what that changes.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null \
	&& echo $$python && break; done)
# `make test ARGS="-n 4 -k parity"`
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
OLDEST_VENV := $(VENV)/oldest-pytest
# With MULTIARCH_REQUIRE_ALL set, every engine is brought up and no test is left out.
REQUIRE := $(if $(MULTIARCH_REQUIRE_ALL),--require)

.PHONY: demo test lint test-oldest-pytest clean

demo: $(VENV)/installed
	@echo '=== An engine: your Docker if there is one, else a private one'
	@$(BIN)/python scripts/engine run $(BIN)/python scripts/demo

test: lint
	$(call run-tests,$(BIN))

lint: $(VENV)/installed
	$(BIN)/ruff check . scripts/engine scripts/demo
	$(BIN)/ruff format --check . scripts/engine scripts/demo
	$(BIN)/mypy
	MYPYPATH=scripts $(BIN)/mypy scripts/engine tests/images/build.py
	MYPYPATH=scripts $(BIN)/mypy scripts/demo
	$(BIN)/lint-imports

# The same tests with the oldest pytest that is supported.
test-oldest-pytest: $(OLDEST_VENV)/installed
	$(call run-tests,$(OLDEST_VENV)/bin)

$(VENV)/installed: pyproject.toml hatch_build.py
	$(call make-environment,$(VENV),-e '.[dev]')

$(OLDEST_VENV)/installed: pyproject.toml hatch_build.py
	$(call make-environment,$(OLDEST_VENV),-e '.[dev]' 'pytest==8.4.*')

# What needs no engine runs side by side; what talks to one has it for itself. With ARGS either
# part may have no test of those that are asked for (exit code 5).
define run-tests
@echo '=== The tests that need no engine'
$(1)/python -m pytest -n 2 -m 'not needs_engine' $(ARGS) $(if $(ARGS),|| test $$? -eq 5)
@echo '=== The tests on real engines'
$(1)/python scripts/engine run --all $(REQUIRE) \
	$(1)/python -m pytest -m needs_engine $(ARGS) $(if $(ARGS),|| test $$? -eq 5)
endef

define make-environment
@test -n "$(PYTHON)" || { echo 'Python 3.10 or newer is needed; PYTHON=... names one.'; exit 1; }
@echo '=== The environment: $(1), with $(PYTHON)'
test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
$(1)/bin/python -m pip install --quiet $(2)
@touch $@
endef

clean:
	rm -rf $(VENV) dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
