"""Seeds of several recipes are refused before anything is computed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import w2s
from w2s.api import seeds
from w2s.config import load
from w2s.errors import UserError
from w2s.flow import runner

SMALL = ("task.train_1=12", "task.train_2=12", "task.test=4")


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders whose runs have started."""
    found: list[Path] = []

    def run(steps: object, folder: Path, *_: object, **__: object) -> None:
        found.append(folder)
        raise InterruptedError

    monkeypatch.setattr(runner, "run", run)
    return found


def earlier(out: Path, seed: int, *overrides: str) -> None:
    """A folder of an earlier run, with its recipe."""
    (out / f"seed-{seed}").mkdir(parents=True)
    run = load.load("tiny", [*SMALL, f"seed={seed}", *overrides])
    (out / f"seed-{seed}" / "recipe.yaml").write_text(load.dump(run))


def test_an_override_that_makes_other_recipes_of_seeds(tmp_path: Path, started: list[Path]) -> None:
    message = "would be of several recipes, which differ in task.train_2"
    with pytest.raises(UserError, match=message) as caught:
        w2s.run("tiny", *SMALL, "task.train_2=1{seed}", out=tmp_path / "study", seeds=[2, 3])
    assert caught.value.file == tmp_path / "study" and caught.value.field == "--seeds"
    assert caught.value.hint == "run each by itself, with --seed N and a folder of its own (--out)"
    with pytest.raises(UserError, match=message):
        seeds.plans("tiny", [*SMALL, "task.train_2=1{seed}"], tmp_path / "study", None, (None, [2, 3]))
    assert started == [] and not (tmp_path / "study").exists()


def test_a_folder_of_other_settings_that_stays(tmp_path: Path, started: list[Path]) -> None:
    earlier(tmp_path, 3, "training.epochs=9")
    with pytest.raises(UserError, match=re.escape("which differ in training.epochs")) as caught:
        w2s.run("tiny", *SMALL, out=tmp_path, seeds=[0, 1], replace=True)
    assert caught.value.hint == "give another folder with --out, or all seeds of this folder and --replace"
    assert started == []


def test_folders_of_one_recipe_and_those_to_be_replaced_are_no_reason(tmp_path: Path, started: list[Path]) -> None:
    """Seed 0 is made again, seed 3 differs in seeds only, and seed 4 has no recipe yet."""
    earlier(tmp_path, 0, "training.epochs=9")
    earlier(tmp_path, 3, "task.data_seed=3")
    (tmp_path / "seed-4").mkdir()
    with pytest.raises(InterruptedError):
        w2s.run("tiny", *SMALL, "task.data_seed={seed}", out=tmp_path, seeds=[0, 1], replace=True)
    assert started == [tmp_path / "seed-0"]
