# The two commands of the README are `make run` and `make test`; `make help` lists all.
PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
# In the order of conftest.py, the longest files first, and not of how many tests they have.
PYTEST := $(VENV_PYTHON) -m pytest -n 2 --dist loadscope --no-loadscope-reorder
NBVAL := --nbval --nbval-current-env
# What stands in for other machines. The waiting threads sleep: two processes with two threads each are too many to spin.
VARIANTS := "OMP_NUM_THREADS=2 OMP_WAIT_POLICY=PASSIVE" DNNL_MAX_CPU_ISA=AVX2 DNNL_MAX_CPU_ISA=SSE41
CHROMIUM ?= $(firstword $(foreach name,chromium chromium-browser google-chrome,$(shell command -v $(name))))
# A checkout with real data in ../shared/datasets uses them, unless the variable says otherwise.
ifneq ($(wildcard ../shared/datasets),)
export D2LHELPERS_DATA ?= $(abspath ../shared/datasets)
endif

.PHONY: help run site test style check browser chromium playwright coverage variants lab record status bench spread wheel fresh lock venv
.DEFAULT_GOAL := help

help:  ## this list
	@echo "make <target> [PYTHON=python3.12]"
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */\1\t/' | expand -t 10 | sed 's/^/  /'

venv:
	@$(PYTHON) bootstrap.py $(if $(filter file,$(origin PYTHON)),--any-python)

run: venv  ## execute every notebook (NOTEBOOKS="01 02": these; JOBS=1: in order), pages under build/, a table at the end
	@$(VENV_PYTHON) -m d2lhelpers run $(if $(JOBS),--jobs $(JOBS)) $(NOTEBOOKS)

site: venv  ## the web pages from the recorded outputs, executing nothing (seconds), in build/html
	@$(VENV_PYTHON) -m d2lhelpers site

test: venv style  ## style, types, unit tests, what was published, every recorded output compared (TESTS="...": these)
	@$(PYTEST) $(NBVAL) $(or $(TESTS),tests notebooks)

check: venv style  ## the quick loop: style, types and the unit tests, no notebook
	@$(PYTEST) tests -m "not slow"

style:
	@$(VENV_PYTHON) -m ruff check .
	@$(VENV_PYTHON) -m ruff format --check .
	@$(VENV_PYTHON) -m mypy

browser: chromium playwright  ## the pages and JupyterLab in a real Chromium (CHROMIUM=program), through Playwright
	@$(VENV_PYTHON) -m d2lhelpers site
	@CHROMIUM="$(CHROMIUM)" $(VENV_PYTHON) -m pytest tests/browser/pages.py tests/browser/lab.py

chromium:
	@test -n "$(CHROMIUM)" || { echo "make browser needs Chromium: install it (on Debian, as root: apt install" \
	  "chromium) or name the program, as in: make browser CHROMIUM=/opt/chrome/chrome" >&2; exit 1; }

playwright: venv
	@$(VENV_PYTHON) -m pip install --quiet --require-hashes --no-deps -r requirements-browser.lock

coverage: venv  ## how much of both packages the tests reach, processes that they start included
	@$(VENV_PYTHON) -m coverage erase
	@$(VENV_PYTHON) -m coverage run --parallel-mode -m pytest -q tests; \
	  $(VENV_PYTHON) -m coverage combine --quiet; $(VENV_PYTHON) -m coverage report

variants: venv  ## all tests again with two threads, and as on processors with AVX2 and SSE 4.1 (half an hour)
	@failed=; for variant in $(VARIANTS); do \
	  echo "$$variant"; env $$variant $(PYTEST) $(NBVAL) tests notebooks || failed=1; done; test -z "$$failed"

lab: venv  ## JupyterLab with this project's kernel; figures are drawn as in the record
	@MPLBACKEND=module://nbtolerance.outlines $(VENV_PYTHON) -m jupyter lab --notebook-dir=notebooks

record: venv  ## execute and save: rewrites outputs that left their tolerance (all of them with ALL=1)
	@$(VENV_PYTHON) -m d2lhelpers record $(if $(ALL),--all)

status: venv  ## say which recorded outputs are stale, and why; runs nothing
	@$(VENV_PYTHON) -m d2lhelpers status

bench: venv  ## the side-by-side measurements: ratios of two things in one run (35 minutes on a quiet machine)
	@$(VENV_PYTHON) benchmarks/convolution.py
	@$(VENV_PYTHON) benchmarks/numpy_cnn.py
	@$(VENV_PYTHON) benchmarks/lenet_speed.py
	@$(VENV_PYTHON) benchmarks/scale.py
	@$(VENV_PYTHON) benchmarks/comparison.py
	@$(VENV_PYTHON) benchmarks/suite.py

spread: venv  ## how far trained numbers move with seed, threads and processor (an hour; see benchmarks/README.md)
	@$(VENV_PYTHON) benchmarks/lenet_spread.py
	@$(VENV_PYTHON) benchmarks/cifar10_ablation.py

wheel: venv  ## both packages as wheels in dist/
	@$(VENV_PYTHON) -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist . ./nbtolerance && ls dist/*.whl

fresh:  ## the README's two commands in a bare Debian stable and testing; needs root and debootstrap
	@$(PYTHON) tests/fresh.py $(SUITES) --notebooks "$(NOTEBOOKS)" --tests "$(TESTS)"

LOCK := uv pip compile --universal --python-version 3.9 --generate-hashes --no-annotate --quiet $(if $(UPGRADE),--upgrade) \
  --custom-compile-command "make lock   (needs uv, https://docs.astral.sh/uv; the overrides are in pyproject.toml)"

lock:  ## resolve both locks again, with as few changes as can be (UPGRADE=1: the newest of all); needs uv
	$(LOCK) pyproject.toml --extra suite --extra notebooks --extra site --extra test --extra build \
	  --no-emit-package nbtolerance -o requirements.lock
	$(LOCK) --group browser --constraint requirements.lock -o requirements-browser.lock
