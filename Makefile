# Every target works from a fresh clone: the first one called sets up .venv.

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install -c constraints.txt
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test long browser check docs notebook bench accuracy peers interop theory clean

help:  ## Show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP)  ## Backtest the shipped ECG against every baseline
	$(BIN)/relu-forecast demo

test: $(STAMP)  ## Run the tests and the doctests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal \
		-m "not cluster and not long and not browser"

long: $(STAMP)  ## Run the tests of many instances (minutes)
	CHECK_EVERY_CALL=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m long

browser: $(STAMP)  ## Open reports in Chromium, which must be on the PATH (or CHROMIUM=/path/to/it)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m browser tests/plots

check: $(STAMP)  ## Lint, types, import layers
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP) .venv-docs/.installed  ## Run the code of the documentation, build it into build/site, check its links
	rm -rf build/docs build/site
	OMP_NUM_THREADS=1 $(BIN)/python -m docs.tools.run_pages build/docs
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs --quiet build --strict
	$(BIN)/python -m docs.tools.check_site build/site

notebook: $(STAMP)  ## Run the tutorial in Jupyter, and keep what it shows
	$(INSTALL) --no-build-isolation -e ".[notebook]"
	OMP_NUM_THREADS=1 $(BIN)/python -m docs.tools.notebook

bench: $(STAMP)  ## Race the peers (hours; less with BENCH="--only gated --repeats 1")
	$(BIN)/python -m benchmarks $(BENCH)

accuracy: $(STAMP)  ## Forecast high-rate signals, ours and peers (hours; less with ACCURACY="--models relu ridge")
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.accuracy $(ACCURACY)

peers: .venv-scnn/.installed .venv-grouplasso/.installed .venv-river/.installed  ## Set up the environments of peers

interop: .venv-interop/.installed  ## Run sktime's checks, and other tools' workflows with ours
	OMP_NUM_THREADS=1 PYTHONPATH=tests/interop .venv-interop/bin/python -m pytest -p summary \
		-n auto --dist worksteal tests/interop tests/datasets/test_wfdb.py relu_forecast/adapters/sktime.py \
		tests/test_examples.py::test_scale_out_with_dask

theory: $(STAMP)  ## Play the theorems out at length (half an hour)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/theory.py
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.joint_theory

clean:  ## Delete caches, builds and demo output; .venv stays
	rm -rf build dist demo_output *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage \
		.import_linter_cache
	find . -path ./.venv -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

# hatchling comes first, so that the build of the package itself is pinned by constraints.txt too.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) hatchling
	$(INSTALL) --no-build-isolation -e ".[dev]"
	touch $@

# Peers pin other versions than we do. Each folder ignores itself, so git never sees it.
.venv-%/.installed: benchmarks/requirements-%.txt
	$(PYTHON) -m venv .venv-$*
	echo '*' > .venv-$*/.gitignore
	.venv-$*/bin/python -m pip install -r $<
	touch $@

# It builds the documentation from the text of the package, which it does not import.
.venv-docs/.installed: docs/requirements-docs.txt
	$(PYTHON) -m venv .venv-docs
	echo '*' > .venv-docs/.gitignore
	.venv-docs/bin/python -m pip install -r $<
	touch $@

.venv-interop/.installed: tests/interop/requirements-interop.txt pyproject.toml
	$(PYTHON) -m venv .venv-interop
	echo '*' > .venv-interop/.gitignore
	.venv-interop/bin/python -m pip install -r $<
	.venv-interop/bin/python -m pip install --no-build-isolation --no-deps -e .
	touch $@
