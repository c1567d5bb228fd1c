"""scripts/gpu_check.sh: without a GPU it says so; what it writes, with a stub in the place of Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "scripts" / "gpu_check.sh"

STUB = """#!/bin/bash
echo "$*" >>"$CALLS"
case "$*" in
  -c*) echo "H100, torch, 2.13.0, CUDA, 13.0" ;;
  *pytest*) echo "35 passed" ;;
  *training.py*) echo "ours 1,000 tokens per second"; exit "$TRAINING" ;;
  *) echo "[4 of $*]" ;;
esac
"""


def check(tmp_path: Path, python: str, **environment: str) -> subprocess.CompletedProcess[str]:
    made = {**os.environ, "PYTHON": python, "VLLM_PYTHON": "none", "CALLS": str(tmp_path / "calls"), **environment}
    return subprocess.run([SCRIPT, tmp_path / "gpu.md"], capture_output=True, text=True, env=made)


def stub(tmp_path: Path) -> str:
    (tmp_path / "python").write_text(STUB)
    (tmp_path / "python").chmod(0o755)
    return str(tmp_path / "python")


def test_without_a_gpu_nothing_runs(tmp_path: Path) -> None:
    (tmp_path / "python").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python").chmod(0o755)
    for python, said in ((str(tmp_path / "python"), "no GPU that torch can use"), ("/nowhere/python", "make install")):
        done = check(tmp_path, python)
        assert done.returncode == 2 and said in done.stderr and not (tmp_path / "gpu.md").exists()


def test_this_python_is_asked_for_a_gpu(tmp_path: Path) -> None:
    done = check(tmp_path, sys.executable, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2 and "no GPU that torch can use" in done.stderr and not (tmp_path / "gpu.md").exists()


def test_each_part_is_in_the_report(tmp_path: Path) -> None:
    done = check(tmp_path, stub(tmp_path), TRAINING="0")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "gpu.md").read_text()
    assert "H100, torch, 2.13.0, CUDA, 13.0" in text and "    35 passed\n" in text and "vLLM was not there" in text
    assert text.count("\nIt passed, in ") == 3
    named = [word for call in (tmp_path / "calls").read_text().splitlines() for word in call.split() if "/" in word]
    assert len(named) == 4 and all((ROOT / word).exists() for word in named)


def test_vllm_takes_part_and_a_part_that_fails_is_said(tmp_path: Path) -> None:
    python = stub(tmp_path)
    done = check(tmp_path, python, TRAINING="3", VLLM_PYTHON=python)
    assert done.returncode == 1 and "Trainers: failed (exit code 3)" in done.stderr
    text = (tmp_path / "gpu.md").read_text()
    assert "It failed (exit code 3), in " in text and text.count("\nIt passed, in ") == 3
    assert f"--vllm {python}" in text and "engine_parity.py greedy" in text
