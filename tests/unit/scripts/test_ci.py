"""`.ci/run` with a `make` that does nothing: its exit code is that of the two lanes, its last line pytest's."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / ".ci" / "run"
MAKE = """#!/bin/sh
case "$*" in
  *vllm*) echo "vLLM's output"; exit $VLLM ;;
  *) sleep 0.2; echo "= 3 passed ="; exit $REST ;;
esac
"""


@pytest.mark.parametrize(("vllm", "rest", "code"), [(0, 0, 0), (2, 0, 2), (0, 2, 2), (2, 1, 1)])
def test_the_exit_code_is_that_of_the_lanes(tmp_path: Path, vllm: int, rest: int, code: int) -> None:
    place, programs = tmp_path / "project" / ".ci" / "run", tmp_path / "bin"
    for folder in (place.parent, programs):
        folder.mkdir(parents=True)
    shutil.copy(SCRIPT, place)
    for name, text in {"make": MAKE, "chromium": "#!/bin/sh\n"}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "VLLM": str(vllm), "REST": str(rest)}
    done = subprocess.run([place], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()) == (code, ["vLLM's output", "= 3 passed ="])
