"""A run on a Ray cluster that is stopped: one line, the code of the signal, and the same command goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from chaos import RECIPE, SRC, STOPPED, content

pytest.importorskip("ray", reason="Ray is not installed")

pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.timeout(1200)]

RAY = ("runtime.launcher=ray", "runtime.workers=1", "runtime.threads=1", "runtime.device=cpu")


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "w2s", *RECIPE, *more, "--out", str(folder)]
    environment = os.environ | {"PYTHONPATH": SRC}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def test_a_run_on_a_cluster_is_stopped_by_each_signal_and_goes_on(
    tmp_path: Path, measured: Callable[..., None]
) -> None:
    """While a training and while answers are under way."""
    folder = tmp_path / "run"
    stops = {"weak_floor": signal.SIGTERM, "weak_answers": signal.SIGINT, "m_plus": signal.SIGTERM}
    for step, number in stops.items():
        run = start(folder, *RAY)
        while run.poll() is None and not any(folder.glob(f".work/{step}-*/scratch")):
            assert not (folder / "records" / f"{step}.json").exists(), "the step was over before the run was stopped"
            time.sleep(0.01)
        run.send_signal(number)
        _, said = run.communicate()
        assert run.returncode == 128 + number, said
        assert said.endswith(STOPPED) and said.count(STOPPED) == 1 and "Traceback" not in said, said
    run = start(folder, *RAY)
    _, said = run.communicate()
    assert run.returncode == 0, said
    local = start(tmp_path / "local")
    _, said = local.communicate()
    assert local.returncode == 0, said
    assert content(folder, "models", "data") == content(tmp_path / "local", "models", "data")
    measured("runs on a cluster stopped by a signal", stops=len(stops))
