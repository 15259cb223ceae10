# Everything here needs only make and a Python of at least 3.11; the rest is installed into .venv from hashed locks.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
LOCKING := .cache/lock/bin/uv

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUNBUFFERED := 1

# Half of the time of the tests is waiting for processes that start; ARGS='-n 0' runs one after the other.
PARALLEL := -n 2 --dist loadfile

.PHONY: help demo test check controlplane lock clean

help:
	@echo "make demo          the article, end to end, on an in-memory cluster"
	@echo "make test          all tests, on a real API server (built at first use); ARGS='-k name' picks some"
	@echo "make check         format, lint, types, import contracts"
	@echo "make controlplane  fetch or build the API server that the tests use"
	@echo "make lock          resolve the dependencies anew"
	@echo "make clean         remove what these targets made here; the cache outside stays"

demo: $(INSTALLED)
	@$(BIN)/isolation-baseline demo

test: $(INSTALLED)
	@$(if $(findstring --without-apiserver,$(ARGS)),,$(BIN)/python -m tests.controlplane >/dev/null)
	@$(BIN)/python -m pytest $(if $(findstring --without-apiserver,$(ARGS)),,$(PARALLEL)) $(ARGS)

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

controlplane: $(INSTALLED)
	@$(BIN)/python -m tests.controlplane

# A Python that was upgraded or removed takes what was installed for it along.
$(shell test -x $(BIN)/python || rm -f $(INSTALLED))

# The stamp is younger than the lock only when everything in the lock has been installed.
$(INSTALLED): requirements-dev.lock pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else \
	    "$(PYTHON) is Python %d.%d, but 3.11 or newer is needed: make PYTHON=python3.12 ..." % sys.version_info[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv --clear .venv
	@echo "installing requirements-dev.lock into .venv"
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# The development lock is constrained by the other one: what is tested is what is shipped.
lock: $(LOCKING)
	$(LOCK) pyproject.toml --output-file requirements.lock
	$(BUILD_REQUIRES) | $(LOCK) pyproject.toml - --extra dev --constraint requirements.lock \
	    --output-file requirements-dev.lock

LOCK = $(LOCKING) pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
BUILD_REQUIRES = $(PYTHON) -c 'import tomllib; \
    print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")'

$(LOCKING):
	@$(PYTHON) -m venv .cache/lock
	@.cache/lock/bin/python -m pip install --quiet 'uv>=0.9,<1'

clean:
	rm -rf .venv .cache build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
