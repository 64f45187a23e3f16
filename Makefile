# Every target sets up what it needs in .venv on its first run. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PEERS := $(VENV)/.peers
TRAINER := $(VENV)/.trainer
NAPARI := $(VENV)/.napari
READERS := $(VENV)/readers
# Relative commands of cmake presets (ninja) come from the venv too.
export PATH := $(CURDIR)/$(BIN):$(PATH)

CXX_FILES = $(shell git ls-files 'cpp/*.[ch]pp' 'python/bindings/*.[ch]pp' 'tests/native/*.[ch]pp' 'bench/native/*.[ch]pp')

.PHONY: help demo test lint format sanitize native install-check napari-check bench solve plate plate-run reproduce trainer napari readers clean
help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(READY) ## simulate a well, detect its cells, score them, write pictures to out/demo
	$(BIN)/spotcore demo -o out/demo

test: $(READY) ## all tests: Python, native, with warnings as errors
	$(MAKE) native
	$(BIN)/python -m pytest

lint: $(READY) ## formatting, ruff, mypy
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(CXX_FILES)

format: $(READY) ## rewrite files in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/clang-format -i $(CXX_FILES)

native: $(READY) ## native tests, warnings are errors
	cmake --preset dev
	cmake --build --preset dev
	ctest --preset dev

sanitize: $(READY) ## native tests under AddressSanitizer and UndefinedBehaviorSanitizer
	cmake --preset sanitize
	cmake --build --preset sanitize
	ctest --preset sanitize

install-check: ## install into a bare venv as a stranger would, and use it there
	rm -rf build/install-check && mkdir -p build/install-check
	$(PYTHON) -m venv build/install-check/venv
	build/install-check/venv/bin/pip install --quiet .
	cd build/install-check && venv/bin/python ../../tests/consume/check_install.py

napari-check: ## the plugin in a napari of somebody else's, with their Qt, under Xvfb
	rm -rf build/napari-check && mkdir -p build/napari-check
	$(PYTHON) -m venv build/napari-check/venv
	build/napari-check/venv/bin/pip install --quiet "napari>=0.6" PyQt6
	build/napari-check/venv/bin/pip install --quiet ".[napari]"
	cd build/napari-check && xvfb-run -a venv/bin/python ../../tests/consume/check_napari.py napari.png

bench: $(READY) ## timings of ours and of the peers, in one run, as a table
	cmake --preset bench
	cmake --build --preset bench
	$(BIN)/python -m pytest bench --benchmark-only --benchmark-json=build/bench.json -q
	$(BIN)/python -m bench.common.report build/bench.json

solve: $(READY) $(PEERS) ## the fast solve against FISTA, SciPy, PyTorch and SPORCO (up to an hour)
	cmake --preset bench
	cmake --build --preset bench
	$(BIN)/python -m bench.solve.reproduce

plate: $(READY) ## 96 simulated wells: wells per minute, and where the time goes
	$(BIN)/python -m bench.plates.profile

plate-run: $(READY) ## 96 simulated wells through the command line: seconds and memory; 384 wells in the same memory
	$(BIN)/python -m bench.plates.run
	$(BIN)/python -m bench.plates.run --memory

reproduce: $(READY) $(PEERS) ## the long figures: 10 000 iterations of FISTA, and the counts of real wells
	$(BIN)/python -m bench.wells.reproduce
	$(BIN)/python -m bench.solve.fista
	$(BIN)/python -m bench.solve.fista --multiscale

trainer: $(TRAINER) ## install PyTorch as well, so that the tests of the trainer are not skipped

napari: $(NAPARI) ## install napari and Qt as well, so that the tests of the plugin are not skipped

readers: $(READERS)/.ready ## install other projects' readers of our exports, so that their tests are not skipped

clean: ## remove everything that was built, the venv too
	rm -rf build out $(VENV)

# An editable install that rebuilds the core when its sources change. That needs the build tools in
# the venv and no isolated build environment.
# In full: pip before 23.1, as Debian 12 has it, knows no -C.
SETTING := --config-settings
INSTALL := $(BIN)/pip install --quiet --no-build-isolation $(SETTING)=editable.rebuild=true \
	  $(SETTING)=editable.verbose=false $(SETTING)=build-dir=build/editable \
	  $(SETTING)=cmake.define.SPOTCORE_WERROR=ON --editable
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit("spotcore needs Python >= 3.11, $(PYTHON) is %d.%d; try make PYTHON=..." % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet "scikit-build-core>=0.11" "pybind11>=3.0,<4" "cmake>=3.24" ninja \
	  setuptools wheel # without isolation, packages that come as sources find these here
	$(INSTALL) ".[test,lint]"
	@touch $@

# Apart, because PyTorch is large.
$(PEERS): $(READY)
	$(INSTALL) ".[test,lint,bench]"
	@touch $@

$(TRAINER): $(READY)
	$(INSTALL) ".[test,lint,train]" "torch==2.13.0"
	@touch $@

$(NAPARI): $(READY)
	$(INSTALL) ".[test,lint,napari]" "PySide6_Essentials>=6.7"
	@touch $@

# In a venv of their own: they need an older pandas. Exact: a test names what it was read by.
$(READERS)/.ready: $(READY)
	$(PYTHON) -m venv $(READERS)
	$(READERS)/bin/pip install --quiet "allotropy==0.1.150" "flowkit==1.3.2"
	@touch $@
