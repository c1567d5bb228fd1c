"""What a person should know before anything is computed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import w2s
from w2s import cli, recipe
from w2s.errors import UserError
from w2s.flow import runner


def files(folder: Path, **gold: list[dict[str, str]]) -> list[str]:
    """A task of own files: two questions per split, with these gold fields."""
    settings = ["task.name=jsonl"]
    for split, rows in gold.items():
        lines = [json.dumps({"id": n, "question": f"{split} {'ab'[n]}?"} | row) for n, row in enumerate(rows)]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
        settings.append(f"task.{split}={folder}/{split}.jsonl")
    return settings


def notes(prepared: recipe.Prepared) -> list[str]:
    """Fields and problems of what was found while the steps were built."""
    found = next(step for step in prepared.steps if step.name == "overlap").resources.findings
    assert not any(finding.refusal for finding in found)
    return [f"{finding.field}: {finding.problem}" for finding in found]


def words(text: str) -> str:
    return " ".join(text.split())


SMALL = ["task.train_1=5", "task.train_2=5", "task.test=5"]
ANSWERS = [{"answer": "12"}, {"answer": "7"}]


def test_gold_without_solutions_is_told_with_what_would_be_learnt(tmp_path: Path, capsys) -> None:
    train = [{"answer": "12"}, {"answer": "7", "solution": "3 + 4 = 7"}]
    settings = files(tmp_path, train_1=train, train_2=[ANSWERS[0], train[1]], test=ANSWERS)
    weak = (
        "task.train_1: 1 of 2 train_1 questions have an answer and no solution: the weak model learns to write only "
        "'#### 12', and M learns from that"
    )
    ceiling = (
        "task.train_2: 1 of 2 train_2 questions have an answer and no solution: the ceiling learns to write only "
        "'#### 12', so PGR compares with a low ceiling"
    )
    assert notes(recipe.prepare("tiny", settings, planning=True)) == [weak, ceiling]
    assert notes(recipe.prepare("tiny", [*settings, "baselines=[weak_floor]"], planning=True)) == [weak]
    assert cli.main(["plan", "tiny", *settings, "--out", str(tmp_path / "run")]) == 0
    printed = words(capsys.readouterr().out)
    assert f"note {weak} (add solutions, or leave train_1 out" in printed and ceiling in printed


def test_without_train_1_the_weak_model_is_taken_as_it_comes(tmp_path: Path, capsys) -> None:
    solved = [{"answer": "12", "solution": "5 + 7 = 12"}] * 2
    settings = files(tmp_path, train_2=solved, test=ANSWERS)
    prepared = recipe.prepare("tiny", settings, planning=True)
    steps = {step.name: step for step in prepared.steps}
    assert "weak_floor" not in steps and {"test_weak_floor", "m_plus"} <= steps.keys()
    assert steps["weak_answers"].resources.model is not None  # the base itself, without demonstrations
    assert "model" not in steps["weak_answers"].inputs and "demonstrations" not in steps["weak_answers"].inputs
    floor = next(model for model in steps["models"].params.models if model.name == "weak_floor")
    assert floor.what == "weak model as it comes: the task has no train_1"
    note = "there is no train_1: the weak model is taken as it comes, answers train_2 zero-shot and is the weak floor"
    assert notes(prepared) == [f"task.train_1: {note}"]
    assert cli.main(["plan", "tiny", *settings, "--out", str(tmp_path / "run")]) == 0
    assert note in words(capsys.readouterr().out)


def test_without_gold_for_train_2_what_is_not_measured_is_told(tmp_path: Path, capsys) -> None:
    solved = [{"answer": "12", "solution": "5 + 7 = 12"}] * 2
    settings = files(tmp_path, train_1=solved, train_2=[{}, {}], test=ANSWERS)
    assert cli.main(["plan", "tiny", *settings, "--out", str(tmp_path / "run")]) == 0
    printed = words(capsys.readouterr().out)
    assert "task.train_2: no ceiling, no PGR and no precision of selections: no gold for train_2" in printed


def test_a_run_tells_its_notes_before_its_first_step(tmp_path: Path, monkeypatch, caplog) -> None:
    def stop(*arguments: object, **options: object) -> None:
        assert any("the weak model learns to write only '#### 12'" in told for told in caplog.messages)
        raise UserError("the first step is due")

    monkeypatch.setattr(runner, "run", stop)
    solved = [{"answer": "12", "solution": "5 + 7 = 12"}] * 2
    settings = files(tmp_path, train_1=ANSWERS, train_2=solved, test=ANSWERS)
    with pytest.raises(UserError, match="the first step is due"):
        w2s.run("tiny", *settings, out=tmp_path / "run")


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_without_gold_for_test_nothing_starts(tmp_path: Path, capsys, verb: str) -> None:
    settings = files(tmp_path, train_1=ANSWERS, train_2=ANSWERS, test=[{}, {}])
    assert cli.main([verb, "tiny", *settings, "--out", str(tmp_path / "run")]) == 2
    assert "[task.test]: no gold for test" in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_one_sample_per_question_is_told() -> None:
    (note,) = notes(recipe.prepare("tiny", [*SMALL, "sampling.n=1"]))
    assert note.startswith("sampling.n: every vote of one sample is certain (1.0)")
    assert not notes(recipe.prepare("tiny", [*SMALL, "sampling.n=1", "preference.losses=[]"]))


def test_an_unknown_model_to_be_sampled_is_refused() -> None:
    with pytest.raises(UserError, match=r"\[evaluation\.models\]: this run evaluates no model 'foo'"):
        recipe.prepare("tiny", [*SMALL, "evaluation.models=[m_plus, foo]"])
    recipe.prepare("tiny", [*SMALL, "preference.losses=[]"])  # the default names a model of Stage II
