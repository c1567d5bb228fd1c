from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from w2s import tasks
from w2s.config import schema
from w2s.errors import UserError
from w2s.tasks import gold, near_duplicates, word_problems
from w2s.verbs import sampling

Row = dict[str, Any]


def row(n: int, **change: Any) -> Row:
    """A problem that is alike to no other: three words of its own among eight."""
    word = "".join("abcdefghij"[int(digit)] for digit in f"{n:02}")
    question = f"How many are {n} {word}oks, {word}ubs and {word}ings?"
    return {"id": f"q-{n}", "question": question, "answer": str(n), "solution": f"{n} * 1 = {n}", **change}


def task(folder: Path, rows: list[Row], *, name: str = "svamp", **fields: Any) -> schema.WordProblemsTask:
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(found) + "\n" for found in rows))
    sizes = {"train_1": 2, "train_2": 2, "test": 2}
    return schema.WordProblemsTask(**{"folder": str(folder), "sets": (name,), **sizes, **fields})


def ids(task: schema.WordProblemsTask, *splits: str) -> list[str]:
    loaded = tasks.load(task)
    return [question.id for split in splits for question in loaded.questions(split)]


def test_the_order_of_the_file_does_not_count_and_the_seed_does(tmp_path: Path) -> None:
    rows = [row(n) for n in range(30)]
    fields = {"train_1": 8, "train_2": 8, "test": 8}
    one = ids(task(tmp_path, rows, **fields), *tasks.SPLITS)
    assert ids(task(tmp_path, rows[::-1], **fields), *tasks.SPLITS) == one
    assert ids(task(tmp_path, rows, data_seed=1, **fields), *tasks.SPLITS) != one
    assert len(set(one)) == 24


def test_test_hangs_on_no_other_size_and_more_only_adds_at_the_end(tmp_path: Path) -> None:
    rows = [row(n) for n in range(30)]
    one = task(tmp_path, rows)
    more = one.model_copy(update={"train_1": 9, "test": 5})
    assert ids(more, "test")[:2] == ids(one, "test")
    assert ids(one.model_copy(update={"train_1": 9}), "test") == ids(one, "test")


def test_near_duplicates_stay_in_one_split_and_the_rest_of_a_cut_group_is_in_none(tmp_path: Path) -> None:
    """Ten groups of three; of 14 questions in each split, the fifth group gives two and its third is in no split."""
    rows = [
        row(n, id=f"{n}-{name}", question=f"{name} says: {row(n)['question']}") for n in range(20) for name in "ABC"
    ]
    loaded = tasks.load(task(tmp_path, rows, train_1=14, train_2=14, test=14))
    groups = {split: [question.id.split("-")[0] for question in loaded.questions(split)] for split in tasks.SPLITS}
    assert [len(found) for found in groups.values()] == [14, 14, 14]
    assert [len(set(found)) for found in groups.values()] == [5, 5, 5]
    assert len(set().union(*groups.values())) == 15


def test_validation_comes_from_what_no_split_uses(tmp_path: Path) -> None:
    rows = [row(n) for n in range(10)]
    drawn = task(tmp_path, rows, test_split="validation", train_1=3, train_2=3)
    assert ids(drawn, "test") == ids(drawn, "validation")
    used = ids(drawn.model_copy(update={"test_split": "test"}), *tasks.SPLITS)
    assert len(used) == len(set(used)) == 8
    assert set(used) | set(ids(drawn, "validation")) == {f"q-{n}" for n in range(10)}


@pytest.mark.parametrize("split, needed", [("test", 10), ("validation", 12)])
def test_too_few_questions_are_an_error_that_says_how_many(tmp_path: Path, split: str, needed: int) -> None:
    asked = task(tmp_path, [row(n) for n in range(9)], test_split=split, train_1=5, train_2=3)
    says = (
        rf"\[task.train_1, task.train_2, task.test\]: {needed} questions are asked for and 9 can be used, in 9 groups"
    )
    with pytest.raises(UserError, match=says):
        tasks.load(asked).questions("train_1")


def test_only_plain_answers_that_the_solution_ends_in_are_used(tmp_path: Path) -> None:
    """Left out: a text, a fraction, a remainder problem whose answer is the quotient, and (unasked) a decimal."""
    rows = [
        *(row(n) for n in range(6)),
        row(6, answer="six"),
        row(7, answer="7/2"),
        row(8, answer="7", solution="47 / 6 = 7 r 5"),
        row(9, answer="2.5", solution="5 / 2 = 2.5"),
        row(10, answer="5", solution="47 / 6 = 7 r 5"),
        row(11, answer="-3", solution="2 - 5 = -3"),
        row(12, answer="12", solution=" "),
    ]
    asked = task(tmp_path, rows, train_1=3, train_2=3)
    with_text = task(tmp_path, [found for found in rows if found["solution"].strip()], train_1=3, train_2=3)
    assert set(ids(with_text, *tasks.SPLITS)) == {*(f"q-{n}" for n in range(6)), "q-10", "q-11"}
    decimals = with_text.model_copy(update={"integers": False, "test": 3})
    assert set(ids(decimals, *tasks.SPLITS)) == {*(f"q-{n}" for n in range(6)), "q-9", "q-10", "q-11"}
    (tmp_path / "svamp.jsonl").write_text("".join(json.dumps(found) + "\n" for found in rows))
    with pytest.raises(UserError, match=r"svamp\.jsonl:13 \[solution\]: solution is empty"):
        tasks.load(asked).questions("test")


def test_a_worked_text_is_the_equation_and_the_answer(tmp_path: Path) -> None:
    asked = task(tmp_path, [row(n) for n in range(6)])
    table = gold.load(asked, "train_1")
    assert list(table) == ids(asked, "train_1")
    for identity, right in table.items():
        n = identity.removeprefix("q-")
        assert gold.completion(right, "gsm8k") == f"{n} * 1 = {n}\n#### {n}"


def test_wrong_gold_moves_no_question(tmp_path: Path) -> None:
    before = tasks.prepare(task(tmp_path, [row(n) for n in range(12)]))
    after = tasks.prepare(task(tmp_path, [row(n, answer="999", solution="0 = 999") for n in range(12)]))
    assert after == before


@pytest.mark.parametrize("field", ["id", "question", "answer", "solution"])
def test_a_row_without_a_field_is_named_by_file_and_line(tmp_path: Path, field: str) -> None:
    broken = {name: value for name, value in row(1).items() if name != field}
    with pytest.raises(UserError, match=rf"asdiv\.jsonl:2 \[{field}\]"):
        tasks.load(task(tmp_path, [row(0), broken], name="asdiv")).questions("test")


def test_one_id_in_two_sets_is_refused(tmp_path: Path) -> None:
    task(tmp_path, [row(1)], name="asdiv")
    with pytest.raises(UserError, match=r"mawps\.jsonl:1 \[id\]: id 'q-1' already stands in .*asdiv\.jsonl:1"):
        tasks.load(task(tmp_path, [row(1)], name="mawps", sets=("asdiv", "mawps"))).questions("test")


def test_no_folder_and_no_file_say_where_the_data_come_from(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\[task.folder\]: there is no folder none\n.*\n.*docs/word_problems.md"):
        tasks.load(schema.WordProblemsTask(folder="none")).questions("test")
    with pytest.raises(UserError, match=r"asdiv\.jsonl \[task.sets\]: there is no such file\n.*\n.*docs/word_problems"):
        tasks.load(task(tmp_path, [], sets=("svamp", "asdiv"))).questions("test")


def test_the_folder_is_the_recipes_then_the_environments_then_here_then_that_of_the_reference_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("W2S_WORD_PROBLEMS", "set")
    monkeypatch.setenv("W2S_REFERENCE_DATA", "reference")
    for name in ("given", "set", "word_problems", "reference/word_problems"):
        (tmp_path / name).mkdir(parents=True)

    def found(folder: str | None = None) -> str:
        return word_problems.folder(schema.WordProblemsTask(folder=folder)).as_posix()

    assert found("given") == "given"
    assert found() == "set"
    monkeypatch.delenv("W2S_WORD_PROBLEMS")
    assert found() == "word_problems"
    (tmp_path / "word_problems").rename(tmp_path / "elsewhere")
    assert found() == "reference/word_problems"
    monkeypatch.delenv("W2S_REFERENCE_DATA")
    with pytest.raises(UserError, match="there is no folder word_problems"):
        found()


def test_sample_reads_a_split_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("W2S_WORD_PROBLEMS", str(tmp_path))
    for name in schema.WordProblemsTask().sets:
        task(tmp_path, [], name=name)
    with pytest.raises(UserError, match="2,900 questions are asked for and 0 can be used"):
        sampling.questions("word_problems", "test", 3)
    with pytest.raises(UserError, match="the word_problems task has no split 'tset'"):
        sampling.questions("word_problems", "tset")


def test_words_of_made_up_rows_are_not_alike() -> None:
    """What the tests above stand on: 5 words shared of 11 are under the threshold."""
    assert len(set(near_duplicates.groups([row(n)["question"] for n in range(30)]))) == 30
