# The verbs of this tutorial. `make tutorial` and `make test` do everything, from a fresh clone on.

PYTHON ?= python3
PROFILE ?= $(or $(value GC_TUTORIAL_PROFILE),standard)
# The tested versions. REQUIREMENTS=requirements.txt installs the newest ones instead.
REQUIREMENTS ?= requirements.lock
# Recipes take these two from the environment, so that the shell never reads them as code; `override`, so that make does
# not either where they are given on the command line.
override PROFILE := $(if $(filter file,$(origin PROFILE)),$(PROFILE),$(value PROFILE))
override ADDRESS := $(value ADDRESS)
tutorial profile: export PROFILE := $(PROFILE)
address: export ADDRESS := $(ADDRESS)
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: install tutorial profile test test-matrix test-lowest test-backends test-colab test-binder test-light test-long test-mutants benchmark sync outputs translations messages render address package lock audit lint lint-workflows clean

# Run notebooks from data to comparison; executed copies and HTML pages land in build/.
# (After Ctrl-C the runner says what was stopped. Without the trap make would add a line about an error.)
tutorial: profile $(INSTALLED)
	@trap 'exit 0' INT; GC_TUTORIAL_PROFILE="$$PROFILE" $(BIN)/python tools/run_notebooks.py

# Reject an unknown profile before installing anything.
profile:
	@case "$$PROFILE" in ''|quick|standard|full) ;; *) \
		printf '%s\n' "PROFILE=$$PROFILE is not a profile. Choose one of: quick, standard, full." >&2; exit 2;; esac

# Every test, and every notebook in the quick profile.
test: $(INSTALLED)
	$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder --nbmake notebooks tests

# In environments of their own (noxfile.py): on every Python; with the lowest versions; on JAX and PyTorch; as in Colab
# and in Binder; the package alone beside JAX; and mutants of the code, which tests must kill (hours).
test-matrix test-lowest test-backends test-colab test-binder test-light test-mutants: $(INSTALLED)
	$(BIN)/nox --session $(@:test-%=%) $(if $(MODULES),-- $(MODULES))

# The tests that make up their own examples: many examples, and new ones every time.
test-long: $(INSTALLED)
	HYPOTHESIS_PROFILE=long $(BIN)/pytest --numprocesses 2 --timeout 3600 -m "hypothesis and not backends" tests

# What gradient centralization costs, beside the least it could cost; then speed and memory of the whole recipe, published
# and ours, on the real images (about half an hour). tests/benchmarks/study_speed.py, of studies, takes as long again.
benchmark: $(INSTALLED)
	$(BIN)/python tests/benchmarks/optimizer_cost.py
	$(BIN)/python tests/benchmarks/speed.py
	$(BIN)/python tests/benchmarks/memory.py

# Write each .ipynb from its .py, keeping its outputs.
sync: $(INSTALLED)
	$(BIN)/jupytext --to ipynb --update --quiet notebooks/[0-9]*.py
	$(BIN)/python tools/translations.py

# Run the notebooks of all editions on the real images, and write what they show into the .ipynb files
# (NOTEBOOKS="01_data ja/01_data": only those).
outputs: $(INSTALLED)
	$(MAKE) sync
	GC_TUTORIAL_PROFILE=standard GC_TUTORIAL_DATA=horses_or_humans $(BIN)/python tools/run_notebooks.py --in-place $(NOTEBOOKS)
	$(MAKE) sync

# Build the editions in other languages: the English code around prose of their own (sync and outputs end with it).
translations: $(INSTALLED)
	$(BIN)/python tools/translations.py

# Put what is new in the package and in the notebooks into the catalogues of messages, and compile them.
messages: $(INSTALLED)
	$(BIN)/python tools/messages.py

# The site of the notebooks as they are committed, in build/site, and a browser's look at every page (needs chromium).
render: $(INSTALLED)
	$(BIN)/nox -s render

# Publish under another address: make address ADDRESS=https://github.com/owner/name
address: $(INSTALLED)
	$(BIN)/python tools/address.py "$$ADDRESS"

# The wheel and the source distribution, in dist/, built and checked (TAG=v0.2.0: that tag must be the version's).
package: $(INSTALLED)
	$(BIN)/nox --session $@ -- $(TAG)

# Write requirements.lock anew, with the newest versions that requirements.txt allows, for every Python and system.
lock: $(INSTALLED)
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.10 --generate-hashes --no-emit-package gc-tutorial --custom-compile-command "make lock" --output-file requirements.lock requirements.txt

# Known vulnerabilities of the locked versions.
audit: $(INSTALLED)
	$(BIN)/nox --session $@

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lint-workflows: $(INSTALLED)
	$(BIN)/nox --session $@

clean:
	rm -rf build .nox .venv

install: $(INSTALLED)

# uv installs in seconds what takes pip minutes; where it cannot be had, pip does it. uv leaves compiling to the first
# import, which is too late where Python may not keep what it compiles.
$(INSTALLED): requirements.lock requirements.txt pyproject.toml
	@$(PYTHON) -c "import sys; v = sys.version_info; sys.exit(f'Python 3.10 or newer is needed, and $(PYTHON) is {v[0]}.{v[1]}. Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)' if v < (3, 10) else 0)"
	$(PYTHON) -m venv .venv
	@sed -n '/^uv==/,/# via/p' requirements.lock > .venv/uv.txt
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r .venv/uv.txt || echo "uv cannot be had here; pip takes a few minutes longer."
	@if .venv/bin/uv --version > /dev/null 2>&1; then install=".venv/bin/uv pip install --quiet --python .venv/bin/python $(if $(PYTHONDONTWRITEBYTECODE),--compile-bytecode)"; \
	else install=".venv/bin/python -m pip install --quiet --disable-pip-version-check"; fi; \
	echo "Installing $(REQUIREMENTS) into .venv"; \
	$$install -r $(REQUIREMENTS) && $$install --no-deps --no-build-isolation -e .
	$(if $(PYTHONDONTWRITEBYTECODE),@.venv/bin/python -m compileall -q gc_tutorial)
	@touch $@
