# `make demo` and `make test` each do everything on a fresh machine: own virtual environment, install, job.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Idle OpenMP threads that spin starve the other processes of a small machine (up to 70 times slower).
export OMP_WAIT_POLICY := PASSIVE
export OMP_NUM_THREADS := 1
export HF_HUB_OFFLINE := 1
export NO_ALBUMENTATIONS_UPDATE := 1

.PHONY: demo test lint types unit nightly sample-data lock clean

demo: $(INSTALLED)
	$(BIN)/kilnsense demo --out runs/demo --overwrite

test: lint types unit

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

unit: $(INSTALLED)
	$(BIN)/pytest -q

nightly: $(INSTALLED)
	$(BIN)/pytest -q -m "slow or not slow" --timeout 3600

sample-data: $(INSTALLED)
	$(BIN)/python sample_data/make.py

lock: $(INSTALLED)
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --extra train --extra search --extra dev pyproject.toml --output-file requirements.lock

clean:
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "kilnsense needs Python 3.11 or newer; give one with: make PYTHON=python3.12 ..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(INSTALLED)
