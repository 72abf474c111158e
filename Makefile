# make app    the app, on http://localhost:8501       make test   every test
# make check  what CI runs: format, lint, types, tests     make bench  how fast it is here, beside its peers (30 minutes)
# make bench-gpu    the same of GPT-2 on a GPU           make torture    every strategy is killed twice, and the same numbers
# make audit  known vulnerabilities and secrets        make fuzz   every reader against a fuzzer (2 hours; SECONDS=60: 12 minutes)
PYTHON ?= python3
VENV := .venv
AUDIT := .venv-audit
SECONDS ?= 600
TESTERS ?= 2
BIN := $(VENV)/bin
TORCH := $(shell sed -n 's/^torch==/torch==/p' requirements.txt)

.PHONY: app test check lint bench bench-gpu torture audit fuzz clean

app: $(VENV)/.app
	$(BIN)/python -m streamlit run app.py

test: $(VENV)/.test
	$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test

bench: $(VENV)/.app
	$(BIN)/python -m benchmarks

bench-gpu: $(VENV)/.app
	$(BIN)/python -m benchmarks.accelerator

audit: $(AUDIT)/.done
	$(AUDIT)/bin/python scripts/audit.py

fuzz: $(VENV)/.app
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-fuzz.txt
	$(BIN)/python scripts/fuzz.py --seconds $(SECONDS)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Palimpsest needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=python3.12 app"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# torch goes first and alone: an open range in another package would otherwise choose the build.
$(VENV)/.app: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.test: requirements-test.txt requirements-ray.txt $(VENV)/.app
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-test.txt
	@touch $@

torture: $(VENV)/.test
	$(BIN)/python -m tests.torture

$(AUDIT)/.done: requirements-audit.txt
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-audit.txt
	@touch $@

clean:
	rm -rf $(VENV) $(AUDIT)
