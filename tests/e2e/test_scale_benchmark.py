"""benchmarks/scale.py, whose stages are the recipe's own steps and verbs, on twenty questions."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "scale.py"
STAGES = ("step all_examples", "step agree", "step sample", "step majority", "step pairs", "verb agree", "verb pairs")


def test_every_stage_runs_on_the_generated_files(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--sizes", "20", "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    results = dict(
        re.findall(r"^\| ((?:step|verb) \w+) \|.*\| ([^|]*of 2\d+[^|]*) \|$", done.stdout, flags=re.MULTILINE)
    )
    assert set(results) == set(STAGES)
    assert results["step sample"].startswith("of 200")  # ten samples per question
    assert list(tmp_path.iterdir()) == []
