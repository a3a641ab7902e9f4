# Everything from a fresh clone: each target first makes what it needs (.venv, the pinned packages, the native core)
# and skips what is already there. Interrupt it whenever you like and run it again.

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check -qq
TORCH := 2.13.0
WORKERS ?= 2
NATIVE_SOURCES := setup.py $(shell find csrc -type f) $(shell find rcekd -name '*.p[yx][xdi]')
CXX_FILES = $(shell find csrc tests benchmarks -name '*.cpp' -o -name '*.h' -o -name '*.def' -o -name '*.cu')
# Threads that wait sleep: spinning ones stall tests that run side by side.
PYTEST := OMP_WAIT_POLICY=passive $(PY) -m pytest

.PHONY: help demo setup test test-slow test-gpu lint format bench wheel sanitize lock clean FORCE
.DELETE_ON_ERROR:

help:  ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-10s %s\n", $$1, $$2}' Makefile

demo: setup  ## set up, then teacher, student and RCE-KD on MovieLens 100k, ending with a table
	$(VENV)/bin/rcekd distill --dataset ml-100k --with-scratch

setup: $(VENV)/.built  ## .venv, the pinned packages and the native core, no more

test: setup  ## set up, then the tests of a few minutes
	$(PYTEST) -q -n $(WORKERS) -m "not slow"

test-slow: setup  ## set up, then all tests
	$(PYTEST) -q -n $(WORKERS)

test-gpu: setup  ## set up, then the tests that need a CUDA device
	$(PYTEST) -q -m gpu

lint: setup  ## style, types and the form of the C++
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/clang-format --dry-run -Werror $(CXX_FILES)

format: setup  ## write every file in the house style
	$(PY) -m ruff check --fix-only --quiet .
	$(PY) -m ruff format .
	$(VENV)/bin/clang-format -i $(CXX_FILES)

bench: setup  ## every benchmark, one after the other; the peers' alone needs more (pip install -e '.[peers]')
	@set -e; for file in $(filter-out %/bench_peers.py,$(wildcard benchmarks/bench_*.py)); do echo "== $$file"; PYTHONPATH=. $(PY) $$file; done

wheel: setup  ## dist/*.whl, built in isolation, without torch
	RCEKD_CUDA_ARCHS=all $(PIP) wheel --no-deps --wheel-dir dist .
	@ls dist

sanitize: sanitize-memory sanitize-threads  ## the kernels' tests under the address, undefined-behaviour and thread sanitizers

# The core again, under the address and undefined-behaviour sanitizers, in build/sanitize; then the kernels' tests on it.
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g -O1
sanitize-memory: setup
	RCEKD_CXXFLAGS="$(SANITIZE)" $(PY) setup.py --quiet build --build-base build/sanitize --build-lib build/sanitize/lib
	LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libstdc++.so)" ASAN_OPTIONS=detect_leaks=0 \
	  PYTHONSAFEPATH=1 $(PYTEST) -q --capture=sys -p no:cacheprovider -o pythonpath="build/sanitize/lib ." -m "not slow" tests/kernels

# The same under the thread sanitizer, in build/races. GCC's OpenMP does not tell the sanitizer how its threads wait for
# each other, so that it sees races everywhere; LLVM's does, through Archer. Preloaded, it serves torch as well. A planted
# race first shows that races are found here, and its sound twin that nothing else is. The sanitizer does not watch loads
# and stores of more than sixteen bytes: the scalar instruction set is the one that is watched through and through.
# Polars, which tests/conftest.py imports, crashes under it.
CLANG = $(firstword $(foreach name,$(or $(LLVM_CLANG),clang-22 clang-21 clang-20 clang-19 clang-18 clang),$(shell command -v $(name))))
LLVM_PART = $(filter /%,$(shell $(CLANG) -print-file-name=$(1)))
RACE_FLAGS := -fsanitize=thread -fno-omit-frame-pointer -g -O1 -DRCEKD_WHOLE_TEAMS
RACE_PARTS = $(and $(CLANG),$(call LLVM_PART,libclang_rt.tsan-$(shell uname -m).so),$(call LLVM_PART,libomp.so),$(call LLVM_PART,libarcher.so))
UNDER_TSAN = OMP_TOOL_LIBRARIES="$(call LLVM_PART,libarcher.so)" OMP_NUM_THREADS=3 RCEKD_ISA=scalar \
  TSAN_OPTIONS="ignore_noninstrumented_modules=1 exitcode=66 external_symbolizer_path=$(shell command -v addr2line)"
sanitize-threads: setup
	@if [ -z "$(RACE_PARTS)" ]; then echo "make: RACES WERE NOT LOOKED FOR: that needs clang 18 or later with its libclang-rt" \
	  "and libomp (Debian: apt-get install clang-19 libclang-rt-19-dev libomp-19-dev; another's path: make LLVM_CLANG=…)"; \
	else $(MAKE) --no-print-directory races-looked-for; fi

.PHONY: sanitize-memory sanitize-threads races-looked-for
races-looked-for:
	@mkdir -p build/races
	$(CLANG) --driver-mode=g++ $(RACE_FLAGS) -fopenmp -o build/races/planted tests/kernels/planted_race.cpp
	$(UNDER_TSAN) build/races/planted sound >/dev/null
	@if $(UNDER_TSAN) build/races/planted race >/dev/null 2>&1; then echo "make: the thread sanitizer does not see a planted race"; exit 1; fi
	RCEKD_CUDA=0 CC="$(CLANG)" CXX="$(CLANG) --driver-mode=g++" RCEKD_CXXFLAGS="$(RACE_FLAGS)" \
	  $(PY) setup.py --quiet build --build-base build/races --build-lib build/races/lib
	$(UNDER_TSAN) LD_PRELOAD="$(call LLVM_PART,libclang_rt.tsan-$(shell uname -m).so) $(call LLVM_PART,libomp.so)" \
	  PYTHONSAFEPATH=1 $(PYTEST) -q --capture=sys -p no:cacheprovider -o pythonpath="build/races/lib ." -m "not slow" \
	  --confcutdir=tests/kernels --ignore tests/kernels/cuda tests/kernels

lock: setup  ## requirements.lock anew: the newest versions pyproject.toml allows, torch as pinned above
	$(PIP) install pip-tools
	@mkdir -p build && echo "torch==$(TORCH)" > build/torch.in
	$(PY) -m piptools compile --quiet --upgrade --constraint build/torch.in \
	  --extra test --extra lint --extra serving --extra plots --extra report --extra sweep --extra tensorboard \
	  --all-build-deps --allow-unsafe --strip-extras --no-header --annotation-style line --no-emit-index-url \
	  --no-emit-find-links --no-emit-trusted-host --output-file build/requirements.txt pyproject.toml
	@{ echo "# Made by \`make lock\`: everything .venv holds. What torch itself needs for CUDA is left to torch, which"; \
	   echo "# pins it exactly, so that the same file serves its CPU and its CUDA builds, from whichever index."; \
	   sed -E 's/^(torch==[0-9.]+)\+[a-z0-9]+/\1/; /^(nvidia-|cuda-|triton)/d; /^#/d; /^$$/d' build/requirements.txt; \
	} > requirements.lock

clean:  ## away with all that was made, downloads and runs excepted
	rm -rf $(VENV) build dist *.egg-info rcekd/kernels/_native.cpp rcekd/kernels/_native*.so \
	  .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- how the set-up is made -----------------------------------------------------------------------------------------

# A .venv whose packages were half installed carries .unfinished and is made anew.
$(VENV)/.installed: requirements.lock
	@if [ -e $(VENV)/.unfinished ] || [ ! -x $(PY) ]; then \
	  for python in "$(PYTHON)" $(if $(PYTHON),,python3.11 python3.12 python3.13 python3.14 python3 python); do \
	    ! "$$python" $(PYTHON_CHECK) 2>/dev/null || exec "$$python" -m venv --clear $(VENV); \
	  done; \
	  echo "make: needs Python 3.11 or later with venv and headers (python3-venv, python3-dev);" \
	    "install it, or name it: make PYTHON=/path/to/python3" >&2; exit 1; \
	fi
	@touch $(VENV)/.unfinished
	@echo "installing the packages of requirements.lock into $(VENV) (the first time takes a minute or more)"
	@$(PIP) install --requirement requirements.lock
	@rm $(VENV)/.unfinished
	@touch $@

# `python -c …` that fails unless this Python can make a virtual environment and compile an extension.
PYTHON_CHECK := -c 'import sys, os, ensurepip, venv, sysconfig as s; \
  sys.exit(sys.version_info < (3, 11) or not os.path.exists(os.path.join(s.get_path("include"), "Python.h")))'

# The extension module may have been removed behind the stamp's back.
ifeq ($(wildcard rcekd/kernels/_native*.so),)
$(VENV)/.built: FORCE
endif
$(VENV)/.built: $(VENV)/.installed pyproject.toml $(NATIVE_SOURCES)
	@command -v $${CXX:-g++} >/dev/null || { echo "make: needs a C++17 compiler; install g++, or name yours: make CXX=…" >&2; exit 1; }
	@echo "building the native core"
	@$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@
FORCE:
