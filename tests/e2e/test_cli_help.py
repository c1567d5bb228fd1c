"""`w2s --help` and the light verbs must answer at once: no torch and no ray behind them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import w2s

HEAVY = ("torch", "ray", "transformers", "trl", "peft", "datasets", "numpy")
VERBS = (
    "run", "plan", "status", "report", "compare", "check", "sample", "grade", "agree", "pairs", "select", "train",
    "tasks", "presets", "doctor",
)  # fmt: skip
PROGRAM = """
import sys
from w2s.cli import main
code = main(sys.argv[1:])
print("HEAVY", *(name for name in {heavy!r} if name in sys.modules))
sys.exit(code)
"""


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(w2s.__file__).parents[1]), "NO_COLOR": "1", "COLUMNS": "120"}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(heavy=HEAVY), *arguments],
        capture_output=True, text=True, env=environment, timeout=120, check=False,
    )  # fmt: skip


def test_help_names_every_verb_and_imports_nothing_heavy():
    done = call("--help")
    assert done.returncode == 0, done.stderr
    assert all(f"  {verb} " in done.stdout for verb in VERBS)
    assert done.stdout.splitlines()[-1] == "HEAVY"


@pytest.mark.parametrize("verb", ["run", "tasks", "presets"])
def test_light_verbs_import_no_deep_learning(verb):
    done = call(verb, "--help") if verb == "run" else call(verb)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "HEAVY"


def test_a_user_error_is_a_message_and_no_traceback():
    done = call("run", "no-such-preset")
    assert done.returncode == 2
    assert "no-such-preset" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.splitlines() == ["HEAVY"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_help_ends_with_an_example_of_its_verb(verb):
    done = call(verb, "--help")
    assert done.returncode == 0
    (example,) = [line for line in done.stdout.splitlines() if line.strip().startswith("Example: ")]
    assert f"Example: w2s {verb} " in f"{example} "
