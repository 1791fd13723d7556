# make dashboard    serve the dashboard and open it in the browser (OPTIONS="--port 9000 --no-browser")
# make lab          the notebooks in JupyterLab
# make test         the tests; make test-slow those that take minutes
# make lint         formatting, lint, types, who imports whom
# make bench        speed and memory, measured here and printed
# make screenshots  the dashboard, light and dark, wide and narrow, into .screenshots; the README's pictures
# make clean        remove what was built

PYTHON ?= python3
PIP_VERSION = 26.3
BIN = .venv/bin
READY = .venv/.ready

.PHONY: dashboard lab test test-slow lint bench screenshots clean

dashboard: $(READY)
	$(BIN)/workbench $(OPTIONS)

lab: $(READY)
	$(BIN)/workbench lab $(OPTIONS)

test: $(READY)
	$(BIN)/python -m pytest -n 2 -m "not slow and not gpu and not network"

test-slow: $(READY)
	$(BIN)/python -m pytest -m "slow and not gpu and not network"

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python tests/benchmarks

screenshots: $(READY)
	$(BIN)/python tests/ui/screenshots.py
	$(BIN)/python tests/ui/screenshots.py --readme

clean:
	rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find workbench widgets tests -name __pycache__ -prune -exec rm -rf {} +

# Written last, so that an installation which was interrupted is done again.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Downsizing Workbench needs Python 3.11 or newer; name one: make PYTHON=python3.12" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet "pip==$(PIP_VERSION)"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e . --group test --group lint
	touch $@
