from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from w2s import answers, tasks
from w2s.config import schema
from w2s.errors import UserError
from w2s.records import Question


def files(folder: Path, **texts: list[str]) -> schema.FilesTask:
    paths = {}
    for split, questions in texts.items():
        paths[split] = str(folder / f"{split}.jsonl")
        lines = [json.dumps({"id": f"{split}{n}", "question": text}) for n, text in enumerate(questions)]
        Path(paths[split]).write_text("\n".join(lines) + "\n")
    return schema.FilesTask(name="jsonl", **paths)  # type: ignore[arg-type]


def test_prepare_resolves_the_overlap_then_limits(tmp_path: Path) -> None:
    """train_2 loses "b" (in train_1) first, so its first two questions are c and d."""
    task = files(tmp_path, train_1=["a", "b", "e"], train_2=["B!", "c", "d"], test=["t"])
    prepared = tasks.prepare(task, limit=2)
    assert [q.question for q in prepared.questions["train_2"]] == ["c", "d"]
    assert [q.question for q in prepared.questions["train_1"]] == ["a", "b"]
    assert list(prepared.questions) == list(tasks.SPLITS)
    assert prepared.overlap.dropped["train_2"] == {"in_train_1": ("train_20",)}
    assert len(tasks.load(task).questions("train_2")) == 3


def test_prepare_follows_the_policy(tmp_path: Path) -> None:
    task = files(tmp_path, train_1=["a"], train_2=["A"], test=["t"])
    with pytest.raises(UserError, match="splits share questions"):
        tasks.prepare(task.model_copy(update={"overlap": "refuse"}))
    assert len(tasks.prepare(task.model_copy(update={"overlap": "allow"})).questions["train_2"]) == 1
    with pytest.raises(UserError, match="all 1 questions of train_2 are also in an earlier split"):
        tasks.prepare(task)


def test_the_content_hash_is_of_ids_questions_and_order() -> None:
    one, other = Question("a", "x"), Question("b", "y")
    assert tasks.content_hash([one, other]) == tasks.content_hash([Question("a", "x"), Question("b", "y")])
    different = [[other, one], [one], [Question("ax", ""), other], [one, Question("b", "z")]]
    assert len({tasks.content_hash(questions) for questions in [[one, other], *different]}) == 5


def test_styles_go_by_task_and_by_style_name() -> None:
    names = ("arith", "gsm8k", "jsonl", "math", "number", "text")
    assert [tasks.style(name) for name in names] == ["gsm8k", "gsm8k", "gsm8k", "math", "number", "text"]
    with pytest.raises(UserError, match=r"\[--task\]: no task is called 'gsm8' \(did you mean 'gsm8k'\?\)"):
        tasks.style("gsm8")


def test_own_files_are_read_alike_by_a_recipe_and_by_the_verbs() -> None:
    """Of this text the style gsm8k takes the #### line, and number the sentence."""
    text = "The answer is 5.\n#### 6"
    assert answers.extract(text, tasks.style("jsonl")) == "6" != answers.extract(text, "number")
    assert schema.FilesTask(name="jsonl").answer == tasks.style("jsonl")


def test_every_style_is_described_and_can_be_asked_for() -> None:
    assert set(tasks.styles()) == set(get_args(answers.Style))
    assert all(tasks.style(name) == name and told for name, told in tasks.styles().items())


def test_a_task_by_its_name_has_the_defaults_of_a_recipe() -> None:
    assert tasks.by_name("arith") == schema.ArithTask()
    assert tasks.by_name("arith", 7) == schema.ArithTask(train_1=7, train_2=7, test=7)
    assert tasks.by_name("math", 7) == schema.FilesTask(name="math", answer="math")
    with pytest.raises(UserError, match=r"no task is called 'aritm' \(did you mean 'arith'"):
        tasks.by_name("aritm")


def test_arith_test_split_may_be_drawn_from_validation() -> None:
    task = schema.ArithTask(train_1=3, train_2=3, test=4, test_split="validation")
    loaded = tasks.load(task)
    assert loaded.questions("test") == loaded.questions("validation")
    assert len(loaded.questions("test")) == 4
    assert loaded.questions("test") != tasks.load(schema.ArithTask(test=4)).questions("test")


def test_every_name_is_described() -> None:
    assert tasks.names() == ["arith", "gsm8k", "math", "olympicarena", "word_problems", "jsonl"]
    assert all(tasks.describe(name) for name in tasks.names())


def test_splits_without_file_come_from_the_hub_but_for_tasks_that_are_not_there() -> None:
    assert tasks.from_hub(schema.FilesTask(name="math", test="m.jsonl")) == ["train_1", "train_2"]
    assert tasks.from_hub(schema.FilesTask(name="olympicarena")) == ["train_2", "test"]
    assert tasks.from_hub(schema.FilesTask(name="jsonl")) == tasks.from_hub(schema.ArithTask()) == []
