"""What every task promises, checked on each of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from w2s import answers, tasks
from w2s.config import schema
from w2s.records import Question
from w2s.tasks import gold

Task = schema.Task


def _files(folder: Path, name: str, answer: Callable[[int], dict[str, str]]) -> schema.FilesTask:
    paths = {}
    for place, split in enumerate(tasks.SPLITS):
        rows = [{"id": f"{split}-{n}", "question": f"{split} question {n}?", **answer(n + place)} for n in range(1, 7)]
        paths[split] = str(folder / f"{split}.jsonl")
        Path(paths[split]).write_text("".join(json.dumps(row) + "\n" for row in rows))
    styles = {} if name in ("math", "olympicarena") else {"answer": "gsm8k" if name == "gsm8k" else "number"}
    return schema.FilesTask(name=name, **styles, **paths)  # type: ignore[arg-type]


def _folder(folder: Path) -> schema.WordProblemsTask:
    rows = []
    for n in range(24):  # three words of its own each, for questions that are alike never come into two splits
        word = "".join("abcdefghij"[int(digit)] for digit in f"{n:02}")
        question = f"How many are {n} {word}oks, {word}ubs and {word}ings?"
        rows.append({"id": f"svamp-{n}", "question": question, "answer": str(n), "solution": f"{n} * 1 = {n}"})
    (folder / "svamp.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return schema.WordProblemsTask(folder=str(folder), sets=("svamp",), train_1=6, train_2=6, test=6)


@pytest.fixture(params=tasks.names())
def task(request: pytest.FixtureRequest, tmp_path: Path) -> Task:
    makers: dict[str, Callable[[], Task]] = {
        "arith": lambda: schema.ArithTask(train_1=6, train_2=6, test=6),
        "gsm8k": lambda: _files(tmp_path, "gsm8k", lambda n: {"answer": f"It is <<{n}*1={n}>>{n}.\n#### {n}"}),
        "math": lambda: _files(tmp_path, "math", lambda n: {"solution": f"It is $\\boxed{{\\frac{{{n}}}{{11}}}}.$"}),
        "olympicarena": lambda: _files(tmp_path, "olympicarena", lambda n: {"answer": [str(n)], "answer_type": "NV"}),
        "word_problems": lambda: _folder(tmp_path),
        "jsonl": lambda: _files(tmp_path, "jsonl", lambda n: {"answer": str(n), "solution": f"It is {n}."}),
    }
    return makers[request.param]()


def test_the_task_carries_its_name_and_the_three_splits(task: Task) -> None:
    loaded = tasks.load(task)
    assert loaded.name == task.name
    assert set(tasks.SPLITS) <= set(loaded.splits)


def test_questions_are_the_same_each_time_with_ids_of_their_own(task: Task) -> None:
    for split in tasks.SPLITS:
        questions = tasks.load(task).questions(split)
        assert questions == tasks.load(task).questions(split)
        assert len({question.id for question in questions}) == len(questions) == 6
        assert all(question.question.strip() for question in questions)


def test_questions_have_no_room_for_gold(task: Task) -> None:
    for question in tasks.load(task).questions("train_2"):
        assert {field.name for field in fields(question)} == {"id", "question"}
        assert type(question) is Question


def test_splits_share_nothing(task: Task) -> None:
    prepared = tasks.prepare(task)
    assert not any(prepared.overlap.shared.values())
    assert {split: len(questions) for split, questions in prepared.questions.items()} == dict.fromkeys(tasks.SPLITS, 6)


def test_a_limit_keeps_the_first_questions(task: Task) -> None:
    everything, limited = tasks.prepare(task).questions, tasks.prepare(task, limit=2).questions
    assert limited == {split: questions[:2] for split, questions in everything.items()}


def test_gold_covers_every_question_in_order_and_its_worked_text_reads_back(task: Task) -> None:
    style = tasks.load(task).style
    for split in tasks.SPLITS:
        table = gold.load(task, split)
        assert list(table) == [question.id for question in tasks.load(task).questions(split)]
        for right in table.values():
            stated = answers.extract(gold.completion(right, style), style, flexible=False)
            assert answers.grade(stated, right.answer) == "correct"
            assert "<<" not in (right.solution or "")


def test_poisoned_gold_leaves_questions_and_their_hash_alone(task: Task) -> None:
    if isinstance(task, schema.ArithTask):
        pytest.skip("the gold of arith is computed, not read from a file that could be poisoned")
    if isinstance(task, schema.WordProblemsTask):
        pytest.skip(
            "its rows without a usable answer are left out; tests/unit/tasks/test_word_problems.py has wrong ones"
        )
    before = tasks.prepare(task)
    assert task.train_2 is not None
    file = Path(task.train_2)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps({**row, "answer": ["nonsense"]}) + "\n" for row in rows))
    after = tasks.prepare(task)
    assert after == before
    assert tasks.content_hash(after.questions["train_2"]) == tasks.content_hash(before.questions["train_2"])
