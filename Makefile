# make run    install, then run the two-minute study
# make test   install what the tests need, then lint, type-check and test
# make chaos  real studies under hundreds of real faults; an hour or two, a table at the end
# make audit  known vulnerabilities of the pinned packages; asks pypi.org

PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: run test chaos audit clean

run: .venv/installed
	$(BIN)/distnlc run quick

test: .venv/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

.venv/installed-for-tests: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[test]"
	touch $@

chaos: .venv/installed-for-tests
	CHAOS=full $(BIN)/pytest -s tests/chaos tests/store tests/tracking

# --strict: without it, an index that does not answer passes for "nothing found"
audit: .venv/installed-for-tests
	$(BIN)/pip check
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip install --quiet --disable-pip-version-check "pip-audit>=2.9,<3"
	.venv-audit/bin/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

clean:
	rm -rf .venv .venv-audit build *.egg-info .mypy_cache .ruff_cache .pytest_cache
