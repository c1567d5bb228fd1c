"""Where a run goes, and that it goes over none of its inputs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import w2s
from w2s import recipe
from w2s.config import load
from w2s.config.schema import Runtime
from w2s.errors import UserError
from w2s.flow import runner
from w2s.flow.step import Step
from w2s.steps import settings


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe that only writes itself, and a model."""
    step = Step("m_plus", lambda context: {}, output="models/m_plus")
    monkeypatch.setattr(recipe, "build", lambda run, planning: [settings.step(run), step])


@pytest.mark.parametrize(
    ("options", "folder"),
    [
        ({}, "runs/tiny"),
        ({"limit": 7}, "runs/tiny-limit-7"),
        ({"overrides": ["limit=7", "name=mine"]}, "runs/mine-limit-7"),
        ({"limit": 7, "out": "here"}, "here"),
        ({"seed": 3}, "runs/tiny"),
    ],
)
@pytest.mark.usefixtures("few_steps")
def test_a_limited_run_has_a_folder_of_its_own(options: dict, folder: str) -> None:
    assert recipe.prepare("tiny", **options).folder == Path(folder)


@pytest.mark.parametrize(
    "name",
    ["../../OUTSIDE", "..", ".", "", " ", "a/b", "/tmp/x", "a\\b", ".hidden", "a\nb", "a\0b", "\ud800", "n" * 101],
)
def test_a_name_is_one_part_of_a_path(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\[name\]"):
        load.load("tiny", [f"name={load.yaml.safe_dump(name)}"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["tiny", "Weak-to-strong 2", "größe", "v1.5_b", "n" * 100])
def test_usual_names_are_names(name: str) -> None:
    assert load.load("tiny", [f"name={name}"]).recipe.name == name


def test_a_name_in_a_file_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("extends: tiny\nname: ../../OUTSIDE\n")
    with pytest.raises(UserError, match=r"mine.yaml:2 \[name\]: a name must be one part of a path"):
        load.load("mine.yaml")


@pytest.mark.usefixtures("few_steps")
def test_a_model_that_a_step_would_replace_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "runs" / "tiny" / "models" / "m_plus"
    shutil.copytree(Path(w2s.__file__).parent / "assets" / "tiny-weak", model)
    (tmp_path / "link").symlink_to(model)
    for reference in ("runs/tiny/models/m_plus", "link", "runs/tiny/models/m_plus#layers=0"):
        with pytest.raises(UserError, match=r"runs/tiny \[strong\]: the run would be written over its input"):
            recipe.prepare("tiny", [f"strong={reference}"])
        recipe.prepare("tiny", [f"strong={reference}"], out="elsewhere")


@pytest.mark.usefixtures("few_steps")
def test_a_recipe_file_of_a_user_s_own_is_not_written_over(tmp_path: Path) -> None:
    """The one that a run wrote may be run again in its folder, with overrides too: its record knows it."""
    mine = tmp_path / "recipe.yaml"
    mine.write_text("# my notes\nextends: tiny\n")
    with pytest.raises(UserError, match="written over its own recipe file"):
        recipe.prepare("./recipe.yaml", out=".")
    prepared = recipe.prepare("./recipe.yaml", out="run")
    runner.run(prepared.steps[:1], prepared.folder, Runtime())
    recipe.prepare("run/recipe.yaml", ["seed=3"], out="run")
    with open("run/recipe.yaml", "a") as file:
        file.write("# my notes\n")
    with pytest.raises(UserError, match="written over its own recipe file"):
        recipe.prepare("run/recipe.yaml", out="run")


def test_the_inputs_of_a_recipe_are_the_files_and_models_that_are_here(tmp_path: Path) -> None:
    for name in ("train.jsonl", "gold.jsonl"):
        (tmp_path / name).touch()
    run = load.load(
        "tiny", ["task.name=jsonl", "task.train_1=train.jsonl", "task.test=none.jsonl", "task.gold.test=gold.jsonl"]
    )
    assert recipe.inputs(run) == {"task.train_1": Path("train.jsonl"), "task.gold.test": Path("gold.jsonl")}
