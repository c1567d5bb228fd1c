"""The whole recipe on real GSM8K questions, which the tiny pair cannot answer: every branch ends in order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.slow
def test_questions_no_one_here_wrote(w2s: Any, reference_data: Path, tmp_path: Path) -> None:
    raw = reference_data / "gair" / "raw"
    files = [f"task.{split}={raw / f'gsm8k_{split}.jsonl'}" for split in ("train_1", "train_2", "test")]
    light = [
        "weak_training.epochs=1",
        "training.epochs=1",
        "sampling.n=3",
        "stage1_variants=false",
        "max_new_tokens=48",
    ]
    light += ["evaluation.samples=0", "baselines=[weak_floor, weak_icl, full_weak_ft, strong_ceiling]"]
    done = w2s("run", "gsm8k-local", *files, *light, "--limit", "16", "--out", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["n_test"] == 16
    assert {"weak_floor", "full_weak_ft", "strong_ceiling"} <= set(results["models"])
    assert (tmp_path / "run" / "report.html").exists()
    for name in ("stage1_iter1", "stage1_iter2", "stage2_pairs"):
        record = (
            json.loads((tmp_path / "run" / "records" / f"{name}.json").read_text())
            if (tmp_path / "run" / "records" / f"{name}.json").exists()
            else None
        )
        if record is not None and record["status"] == "ended":
            assert record["message"] and record["message"] in done.stdout + done.stderr
