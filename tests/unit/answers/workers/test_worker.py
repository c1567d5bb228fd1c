"""The worker process by itself: its protocol and its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import w2s
from w2s.answers.workers import pool

pytestmark = pytest.mark.skipif(not pool.available(), reason="needs the extra `math`")

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(w2s.__file__).parents[1])}


def test_requests_and_replies_are_lines_of_json_and_it_ends_with_its_input() -> None:
    answers = [r"\int_0^1 x^2\,dx", "\ud800 lone surrogate", "a lot of words", r"\lim_{x\to 0}\frac{\sin x}{x}"]
    done = subprocess.run(
        [sys.executable, "-m", "w2s.answers.workers.worker", "5"],
        input="".join(json.dumps(answer) + "\n" for answer in answers),
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=60,
    )
    ready, *replies = done.stdout.splitlines()
    assert ready == "ready"
    assert [json.loads(reply) for reply in replies] == [["1/3", True], [None, True], [None, True], ["1", True]]
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_the_module_is_light() -> None:
    code = (
        "import sys, w2s.answers.workers.worker, w2s.answers.workers.pool; "
        "print([m for m in ('torch', 'sympy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, timeout=60)
    assert done.stdout == "[]\n"
