# make run    install, then run the two-minute study
# make check  lint, types, and the fast tests, which need no Ray, no server and no browser
# make test   all tests
# make gpu-tests   those that need a GPU, on a pretended one
# make chaos  real studies under hundreds of real faults; an hour or two, a table at the end
# make audit  known vulnerabilities of the pinned packages; asks pypi.org

# the newest Python from 3.11 on that there is and starts
PYTHON ?= $(shell for each in python3.15 python3.14 python3.13 python3.12 python3.11 python3; \
	do $$each -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable
WAITING := tests/chaos tests/system
GPU_TESTS = tests/gpu $(shell grep -rl "pytest.mark.gpu" tests --include="test_*.py")

.PHONY: run check test gpu-tests chaos audit clean

run: .venv/installed
	$(BIN)/distnlc run quick

check: .venv/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 -m "not slow" $(WAITING:%=--ignore=%)

# those of WAITING mostly wait, for Ray, servers and kills, beside others that compute; a file's tests share one server
# or cluster, and the longest files come first
test: check gpu-tests
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder -m slow $(WAITING) tests

# in processes of their own, where the pretended GPU is loaded before torch
gpu-tests: .venv/installed-for-tests
	$(BIN)/python -m pytest -n 2 -p tests.gpu.plugin -m gpu $(GPU_TESTS)

.venv/installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "distnlc needs Python 3.11 or newer, and found none"; exit 2; }
	$(PYTHON) -m venv .venv
	$(PIP) .
	touch $@

.venv/installed-for-tests: .venv/installed
	$(PIP) ".[test]"
	touch $@

chaos: .venv/installed-for-tests
	CHAOS=full $(BIN)/pytest -s tests/chaos tests/store tests/tracking tests/system

# --strict: without it, an index that does not answer passes for "nothing found"
audit: .venv/installed-for-tests
	$(BIN)/pip check
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip install --quiet --disable-pip-version-check "pip-audit>=2.9,<3"
	.venv-audit/bin/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

clean:
	rm -rf .venv .venv-audit build *.egg-info .mypy_cache .ruff_cache .pytest_cache
