"""The recipe's steps hold neither the texts of all questions nor those of all samples."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from w2s.data import jsonl

CHILD = """
import sys
from pathlib import Path

from w2s.config.schema import Runtime
from w2s.engines import journal
from w2s.engines.scripted import ScriptedEngine
from w2s.flow.step import Context
from step_params import params_of
from w2s.steps import generate, launch, select
from w2s.steps.params import Resources

folder = Path(sys.argv[1])
padding = "First we count. " * 600
launch.engine = lambda *_, **__: ScriptedEngine(lambda request, _: f"{padding}#### {1 + (request.sample > 7)}")
journal.PART = 2000


def run(step, out, **inputs):
    result = step(
        Context(
            params=params_of(step, {
                "n": 10, "max_new_tokens": 10000, "temperature": 1.0, "top_p": 1.0, "stop": [], "seed": 0, "engine": "",
                "dtype": "float32", "trust_remote_code": False, "style": "gsm8k", "match": "equivalent", "max_pairs": 1,
                "confidence": 0.6, "reject_confidence": 0.8,
            }),
            inputs={role: folder / name for role, name in inputs.items()}, results={}, output=folder / out,
            scratch=folder / "scratch", runtime=Runtime(), progress=lambda *_: None,
            resources=Resources(),
        )
    )
    print(out, result.get("kept", result["of"]), file=sys.stderr)


run(generate.answer, "samples", questions="questions")
run(select.majority, "weak", samples="samples")
run(select.all_examples, "examples", weak="weak")
run(select.agree, "agreement", weak="weak", strong="weak")
run(select.build_pairs, "pairs", weak="weak", samples="samples")
print(*(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory from /proc")
def test_memory_does_not_grow_with_the_responses(tmp_path: Path) -> None:
    """200 MB of samples to 2,000 questions, generated, voted on and paired in 200 MB of memory for everything."""
    jsonl.write(tmp_path / "questions", ({"id": f"q{n}", "question": "x?"} for n in range(2000)))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.split() == [
        "samples", "20000", "weak", "2000", "examples", "2000", "agreement", "2000", "pairs", "2000",
    ]  # fmt: skip
    assert (tmp_path / "samples").stat().st_size > 190e6
    assert int(done.stdout) * 1024 < 200e6
