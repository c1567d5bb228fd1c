"""`w2s run --seeds` through the real command line."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

FAST = (
    "task.train_1=24", "task.train_2=24", "task.test=8", "weak_training.epochs=1", "training.epochs=1",
    "stage1_iterations=1", "stage1_variants=false", "preference.losses=[]", "evaluation.samples=0", "sampling.n=2",
    "baselines=[weak_floor, weak_icl]", "strategies=[majority_sft]",
)  # fmt: skip


@pytest.mark.slow
def test_each_seed_is_a_run_and_the_same_command_reuses_all(w2s: Any, tmp_path: Path) -> None:
    command = ("run", *FAST, "task.data_seed={seed}", "--seeds", "0,2", "--out", str(tmp_path / "study"))
    tracked = importlib.util.find_spec("tensorboardX") is not None
    done = w2s(*command, *(["runtime.track=tensorboard"] if tracked else []))  # `again` is without: it reuses all
    assert done.returncode == 0, done.stderr
    assert not tracked or len(list((tmp_path / "study" / "seed-2" / "tensorboard").iterdir())) == 1
    assert w2s("check", str(tmp_path / "study" / "seed-2")).returncode == 0
    assert f"run 2 of 2: {tmp_path / 'study' / 'seed-2'}" in done.stderr
    results = json.loads((tmp_path / "study" / "results.json").read_text())
    for seed in (0, 2):
        one = json.loads((tmp_path / "study" / f"seed-{seed}" / "results.json").read_text())
        assert one["seed"] == seed and one["finished"]
        assert results["models"]["majority_sft"]["by_seed"][str(seed)] == one["models"]["majority_sft"]["accuracy"]
    assert "seeds with test questions of their own" in done.stdout and "majority_sft" in done.stdout
    again = w2s(*command)
    assert again.returncode == 0 and "majority_sft: starts" not in again.stderr  # only the recipe, of other trackers
    reused = json.loads((tmp_path / "study" / "results.json").read_text())
    recipe = {"wall_seconds": reused["wall_seconds"]}  # the step that writes the recipe has run again
    assert reused == results | recipe
    (tmp_path / "study" / "results.json").unlink()
    assert w2s("report", str(tmp_path / "study")).returncode == 0
    assert json.loads((tmp_path / "study" / "results.json").read_text()) == reused
    compared = w2s("compare", str(tmp_path / "study" / "seed-0"), str(tmp_path / "study" / "seed-2"))
    assert compared.returncode == 2 and "shares no question with" in compared.stderr
    changed = w2s(*command, "training.epochs=2")
    assert changed.returncode == 2 and "finished work of other settings would be replaced" in changed.stderr
    assert "starts" not in changed.stderr


BAD = {
    ("--seeds", "0,1", "--seed", "3"): "--seed and --seeds are given at once",
    ("seed=3", "--seeds", "0,1"): "--seed and --seeds are given at once",
    ("--seeds", "0,0"): "names seed 0 twice",
    ("--seeds", "4-0"): "is no list of seeds",
    ("training.epoch=1", "--seeds", "0,1"): "training.epoch",
}


@pytest.mark.parametrize("verb", ["run", "plan"])
@pytest.mark.parametrize("arguments", BAD)
def test_bad_seeds_are_refused_before_anything_is_computed(
    w2s: Any, tmp_path: Path, arguments: tuple[str], verb: str
) -> None:
    done = w2s(verb, *arguments, "--out", str(tmp_path / "study"))
    assert done.returncode == 2 and BAD[arguments] in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "study").exists()


def test_a_plan_of_each_seed(w2s: Any, tmp_path: Path) -> None:
    """Each has its folder, and questions of its own: other ones differ in numbers only."""
    command = ("plan", *FAST, "task.data_seed={seed}", "--seeds", "0,2", "--out", str(tmp_path / "study"))
    done = w2s(*command)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("/")] == [
        str(tmp_path / "study" / f"seed-{seed}") for seed in (0, 2)
    ]
    first, second = json.loads(w2s(*command, "--json").stdout)
    assert first["folder"].endswith("seed-0") and second["folder"].endswith("seed-2")
    assert first["overlap"] != second["overlap"] and not (tmp_path / "study").exists()


def test_seeds_do_not_go_into_a_run(w2s: Any, finished_copy: Path) -> None:
    before = (finished_copy / "results.json").read_bytes()
    done = w2s("run", "--seeds", "0,1", "--out", str(finished_copy))
    assert done.returncode == 2 and "holds a run of its own" in done.stderr
    assert (finished_copy / "results.json").read_bytes() == before and not (finished_copy / "seed-0").exists()
