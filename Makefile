# The verbs of this tutorial. `make tutorial` and `make test` do everything, from a fresh clone on.

PYTHON ?= python3
PROFILE ?= $(or $(GC_TUTORIAL_PROFILE),standard)
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: tutorial test test-matrix test-lowest test-backends test-colab test-binder benchmark sync outputs translations render address lint lint-workflows clean

# Run notebooks from data to comparison; executed copies and HTML pages land in build/.
tutorial: $(INSTALLED)
	GC_TUTORIAL_PROFILE=$(PROFILE) $(BIN)/python tools/run_notebooks.py

# Every test, and every notebook in the quick profile.
test: $(INSTALLED)
	$(BIN)/pytest --numprocesses 2 --dist loadfile --nbmake tests notebooks

# In environments of their own (noxfile.py): on every Python; with the lowest versions; on JAX and PyTorch; as in Colab
# and in Binder.
test-matrix test-lowest test-backends test-colab test-binder: $(INSTALLED)
	$(BIN)/nox --session $(@:test-%=%)

# What gradient centralization costs, beside the least it could cost; then speed and memory of the whole recipe, published
# and ours, on the real images (about half an hour).
benchmark: $(INSTALLED)
	$(BIN)/python tests/benchmarks/optimizer_cost.py
	$(BIN)/python tests/benchmarks/speed.py
	$(BIN)/python tests/benchmarks/memory.py

# Write each .ipynb from its .py, keeping its outputs.
sync: $(INSTALLED)
	$(BIN)/jupytext --to ipynb --update --quiet notebooks/[0-9]*.py
	$(BIN)/python tools/translations.py

# Run the notebooks on the real images, and write what they show into the .ipynb files (NOTEBOOKS="01_data": only that).
outputs: $(INSTALLED)
	GC_TUTORIAL_PROFILE=standard GC_TUTORIAL_DATA=horses_or_humans $(BIN)/python tools/run_notebooks.py --in-place $(NOTEBOOKS)
	$(MAKE) sync

# Build the editions in other languages: English code and outputs around prose of their own (sync and outputs end with it).
translations: $(INSTALLED)
	$(BIN)/python tools/translations.py

# The site of the notebooks as they are committed, in build/site, and a browser's look at every page (needs chromium).
render: $(INSTALLED)
	$(BIN)/nox -s render

# Publish under another address: make address ADDRESS=https://github.com/owner/name
address: $(INSTALLED)
	$(BIN)/python tools/address.py $(ADDRESS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint-workflows: $(INSTALLED)
	$(BIN)/nox --session $@

clean:
	rm -rf build .nox .venv

$(INSTALLED): requirements.txt pyproject.toml
	@$(PYTHON) -c "import sys; v = sys.version_info; sys.exit(f'Python 3.10 or newer is needed, and $(PYTHON) is {v[0]}.{v[1]}. Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)' if v < (3, 10) else 0)"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@
