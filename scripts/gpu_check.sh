#!/usr/bin/env bash
# What tests and benchmarks say on a GPU, in at most eight minutes, into docs/results-gpu.md:
#
#   scripts/gpu_check.sh [FILE]
#   VLLM_PYTHON=.venv-vllm/bin/python scripts/gpu_check.sh     # vLLM takes part (by default where that file is)
#
# It runs the tests of `make test-gpu`, both trainers against each other and against TRL's defaults, and our engine
# against plain `generate` (and vLLM). Exit codes: 0; 1: a part failed or took too long; 2: there is no GPU.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2

python=${PYTHON:-.venv/bin/python}
vllm=${VLLM_PYTHON:-.venv-vllm/bin/python}
report=${1:-docs/results-gpu.md}
seconds=480

command -v "$python" >/dev/null || { echo "there is no $python: run \`make install\`, or set PYTHON" >&2; exit 2; }
if ! device=$("$python" -c 'import torch
assert torch.cuda.is_available()
print(torch.cuda.get_device_name(), "torch", torch.__version__, "CUDA", torch.version.cuda, sep=", ")' 2>/dev/null); then
  echo "no GPU that torch can use: nothing was run, and $report was not touched (see nvidia-smi and \`w2s doctor\`)" >&2
  exit 2
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
{
  echo "# Measured on a GPU"
  echo
  echo "Written by \`scripts/gpu_check.sh\` on $(date -u +%F) at commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown):"
  echo "$device. Single runs of few examples: they show that it works, and speeds within some tens of percent."
} >"$folder/report"

# part TITLE SECONDS COMMAND...: at most so long, and what is left of all
part() {
  local title=$1 most=$2 left=$((seconds - SECONDS)) code=0 began=$SECONDS
  shift 2
  [ "$left" -lt "$most" ] && most=$left
  echo "$title: at most $most s" >&2
  if [ "$most" -lt 5 ]; then
    echo "no time was left" >"$folder/output"
    code=124
  else
    timeout --kill-after=10 "$most" "$@" >"$folder/output" 2>&1 || code=$?
  fi
  local said=passed
  [ "$code" -eq 0 ] || { said="failed (exit code $code)"; failed=1; }
  [ "$code" -ne 124 ] || said="not finished in $most s"
  echo "$title: $said" >&2
  {
    printf '\n## %s\n\nIt %s, in %s s:\n\n    %s\n\n' "$title" "$said" "$((SECONDS - began))" "$*"
    tail -n 40 "$folder/output" | cut -c -160 | sed 's/^/    /'
  } >>"$folder/report"
}

part "Tests" 210 "$python" -m pytest -q tests/gpu tests/contract/test_engines.py
part "Trainers" 120 "$python" benchmarks/training.py --device cuda --trainers --examples 64 --repeats 1
if command -v "$vllm" >/dev/null; then
  part "Sampling" 90 "$python" benchmarks/sampling.py --device cuda --dtype bfloat16 --vllm "$vllm"
  part "Greedy texts of vLLM" 60 "$vllm" scripts/engine_parity.py greedy w2s:tiny-strong --device cuda --questions 100
else
  part "Sampling" 90 "$python" benchmarks/sampling.py --device cuda --dtype bfloat16
  printf '\nvLLM was not there (VLLM_PYTHON).\n' >>"$folder/report"
fi

mv "$folder/report" "$report"
echo "$report" >&2
exit "$failed"
