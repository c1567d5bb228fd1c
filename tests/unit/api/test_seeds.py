"""The plans of several seeds: those that nothing distinguishes are made once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import w2s
from w2s import recipe
from w2s.api import seeds
from w2s.cli import outlook
from w2s.cli.verbs import app
from w2s.errors import UserError

SMALL = ("task.train_1=12", "task.train_2=12", "task.test=4", "strategies=all", "sampling.n=2")


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds whose recipes were built."""
    built: list[int] = []
    prepare = recipe.prepare

    def noted(*arguments: Any, **options: Any) -> recipe.Prepared:
        built.append(options["seed"])
        return prepare(*arguments, **options)

    monkeypatch.setattr(recipe, "prepare", noted)
    return built


def plans(out: Path, *overrides: str, of: range = range(1000)) -> list[tuple[list[str], Any]]:
    made = seeds.plans("tiny", [*SMALL, *overrides], out, None, (None, list(of)))
    return [([folder.name for folder in folders], plan) for plan, folders in made]


def test_a_thousand_new_seeds_are_planned_once(tmp_path: Path, prepared: list[int]) -> None:
    ((folders, plan),) = plans(tmp_path / "study")
    assert folders == [f"seed-{number}" for number in range(1000)] and prepared == [0]
    assert not (tmp_path / "study").exists()
    last = w2s.plan("tiny", *SMALL, out=tmp_path / "last", seed=999)
    assert last.as_dict() == plan.as_dict() | {"disk": last.as_dict()["disk"]}
    assert last.disk == plan.disk and list(last.notes) == list(plan.notes)


def test_a_folder_that_exists_has_a_plan_of_its_own(tmp_path: Path, prepared: list[int]) -> None:
    """Also where its seed is the first: another one stands for those that are new."""
    for number in (0, 3):
        (tmp_path / "study" / f"seed-{number}").mkdir(parents=True)
    found = [folders for folders, _ in plans(tmp_path / "study", of=range(6))]
    assert found == [["seed-0"], ["seed-1", "seed-2", "seed-4", "seed-5"], ["seed-3"]]
    assert prepared == [0, 1, 3]


def test_settings_that_name_the_seed_are_planned_for_each(tmp_path: Path, prepared: list[int]) -> None:
    found = plans(tmp_path / "study", "task.data_seed={seed}", of=range(3))
    assert [folders for folders, _ in found] == [["seed-0"], ["seed-1"], ["seed-2"]]
    with pytest.raises(UserError, match="train_2"):
        plans(tmp_path / "study", "task.train_2={seed}", of=range(3))


def test_seeds_are_not_planned_into_a_run(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("")
    with pytest.raises(UserError, match="holds a run of its own"):
        plans(tmp_path)


def test_what_a_plan_of_several_seeds_costs_is_multiplied(tmp_path: Path) -> None:
    """1,000 times the tokens; JSON has an entry per folder."""
    ((_, plan),) = plans(tmp_path / "study")
    tokens = sum(step.expected_tokens for step in plan.steps)
    same, *_, together = outlook.together(plan, [tmp_path / f"seed-{number}" for number in range(1000)])
    assert same.startswith("the same  seed-1, seed-2, seed-3, seed-4, seed-5, seed-6 and 993 more: ")
    assert together.startswith(f"together  1,000 seeds: {1000 * tokens:,} tokens, disk ")
    command = ["plan", "tiny", *SMALL, "--seeds", "0-9", "--out", str(tmp_path / "study")]
    entries = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert [entry.pop("folder") for entry in entries] == [str(tmp_path / "study" / f"seed-{n}") for n in range(10)]
    assert all(entry == entries[0] for entry in entries)
