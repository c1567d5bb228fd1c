"""Trackers' real clients, where they are installed: they write on this machine, and are read back."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from w2s.config.schema import Runtime
from w2s.flow import track
from w2s.flow.observer import StepOutcome, measured
from w2s.flow.step import Step


def nothing(context: Any) -> dict[str, Any]:
    return {}


TRAIN, EVALUATE = Step("m_plus", nothing, kind="train"), Step("evaluate_m_plus", nothing, kind="evaluate")


pytestmark = pytest.mark.usefixtures("no_tracker_settings")


def told(tracker: track.Tracker) -> None:
    measured(tracker, TRAIN, 1, {"loss": 0.5, "grad_norm": math.inf})
    tracker.finished(TRAIN, StepOutcome("done", {"loss_last": 0.25, "curve": [1.0], "first_example": {}}, 2.0))
    tracker.finished(EVALUATE, StepOutcome("done", {"accuracy": 0.75, "model": "m_plus", "ok": True}, 1.0))
    tracker.close()


NUMBERS = {
    "m_plus/loss": 0.5, "m_plus/loss_last": 0.25, "m_plus/seconds": 2.0,
    "evaluate_m_plus/accuracy": 0.75, "evaluate_m_plus/seconds": 1.0,
}  # fmt: skip
"""What `told` tells."""


def client(name: str) -> Any:
    return pytest.importorskip(name, reason=f"the extra `{name}` is not installed", exc_type=ImportError)


def two_seeds(name: str, folder: Path) -> None:
    """One ends, one is stopped."""
    runtime = Runtime(track=(name,), offline=True)  # type: ignore[arg-type]
    told(track.start(runtime, folder / "study" / "seed-1", {"seed": 1}))
    with pytest.raises(KeyboardInterrupt), track.start(runtime, folder / "study" / "seed-2", {"seed": 2}) as tracker:
        measured(tracker, TRAIN, 1, {"loss": 0.125})
        raise KeyboardInterrupt


@pytest.mark.slow
def test_mlflow_s_runs_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = client("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/store.db")
    two_seeds("mlflow", tmp_path)
    reader = mlflow.MlflowClient()
    experiment = reader.get_experiment_by_name("w2s").experiment_id
    second, first = reader.search_runs([experiment])
    assert [(run.info.run_name, run.info.status) for run in (first, second)] == [
        ("study/seed-1", "FINISHED"), ("study/seed-2", "FAILED"),
    ]  # fmt: skip
    assert first.data.metrics == NUMBERS and second.data.metrics == {"m_plus/loss": 0.125}
    assert [point.step for point in reader.get_metric_history(first.info.run_id, "m_plus/loss")] == [1]
    recipe = reader.download_artifacts(first.info.run_id, "recipe.json", str(tmp_path))
    assert json.loads(Path(recipe).read_text()) == {"seed": 1}


@pytest.mark.slow
def test_trackio_s_runs_can_be_read(tmp_path: Path) -> None:
    """In a process of its own: trackio reads TRACKIO_DIR once, on import, and works at exit."""
    client("trackio")
    lines = [
        "import test_track_clients, pathlib, sys",
        "test_track_clients.two_seeds('trackio', pathlib.Path(sys.argv[1]))",
    ]
    seen = _python(lines, tmp_path, TRACKIO_DIR=str(tmp_path / "trackio"))
    assert seen.stdout == ""
    with sqlite3.connect(tmp_path / "trackio" / "w2s.db") as base:
        rows = base.execute("select run_name, metrics from metrics order by id").fetchall()
        configs = base.execute("select run_name, config from configs order by run_name").fetchall()
    values: dict[str, dict[str, float]] = {}
    for name, metrics in rows:
        values.setdefault(name, {}).update(json.loads(metrics))
    assert values == {
        "study/seed-1": NUMBERS | {"m_plus/step": 1}, "study/seed-2": {"m_plus/loss": 0.125, "m_plus/step": 1},
    }  # fmt: skip
    assert [(name, json.loads(config)["seed"]) for name, config in configs] == [
        ("study/seed-1", 1),
        ("study/seed-2", 2),
    ]


@pytest.mark.slow
def test_wandb_s_runs_can_be_read(tmp_path: Path) -> None:
    """W&B's own reader of a run's file, `wandb sync`, needs the network: the records are read here.

    They lie as in LevelDB's log: after 7 bytes, pieces of checksum (4 bytes), length (2), kind (1) and content, none of
    which crosses a border of 32 KiB; kinds 1 and 4 end a record.
    """
    client("wandb")
    lines = [
        "import test_track_clients, pathlib, sys",
        "test_track_clients.two_seeds('wandb', pathlib.Path(sys.argv[1]))",
    ]
    seen = _python(lines, tmp_path)
    assert seen.stdout == ""
    found = {}
    for file in sorted((tmp_path / "wandb").glob("offline-run-*/*.wandb")):
        numbers: dict[str, float] = {}
        for record in _records(file.read_bytes()):
            if record.WhichOneof("record_type") == "run":
                run = (record.run.project, record.run.display_name)
                (seed,) = (each.value_json for each in record.run.config.update if each.key == "seed")
            for item in [*record.history.item, *record.summary.update]:
                name = item.key or "/".join(item.nested_key)
                if not name.startswith("_"):
                    numbers[name] = json.loads(item.value_json)
            if record.WhichOneof("record_type") == "exit":
                found[run] = (seed, record.exit.exit_code, numbers)
            assert record.WhichOneof("record_type") not in ("output", "output_raw")
    assert found == {
        ("w2s", "study/seed-1"): ("1", 0, NUMBERS | {"m_plus/step": 1}),
        ("w2s", "study/seed-2"): ("2", 1, {"m_plus/loss": 0.125, "m_plus/step": 1}),
    }


def _python(lines: list[str], folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    command = [sys.executable, "-c", "\n".join(lines), str(folder)]
    environment = os.environ | {"PYTHONPATH": path, **settings}
    seen = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert seen.returncode == 0, seen.stderr
    return seen


def _records(raw: bytes) -> Iterator[Any]:
    from wandb.proto.wandb_internal_pb2 import Record

    block, place, content = 32768, 7, b""
    while place + 7 <= len(raw):
        if (left := block - place % block) < 7:
            place += left
            continue
        size, kind = int.from_bytes(raw[place + 4 : place + 6], "little"), raw[place + 6]
        content += raw[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):
            yield Record.FromString(content)
            content = b""
