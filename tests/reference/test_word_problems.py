"""The task `word_problems` on the published sets, as prepared by docs/word_problems.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from w2s import answers, tasks
from w2s.config import schema
from w2s.errors import UserError
from w2s.records import Question
from w2s.tasks import gold, near_duplicates, wording


@pytest.fixture(scope="module")
def folder(reference_data: Path) -> Path:
    place = reference_data / "word_problems"
    if not place.is_dir():
        pytest.skip(f"no word problems at {place}: see docs/word_problems.md")
    return place


@pytest.fixture(scope="module", params=[0, 1])
def task(folder: Path, request: pytest.FixtureRequest) -> schema.WordProblemsTask:
    return schema.WordProblemsTask(folder=str(folder), data_seed=request.param)


@pytest.fixture(scope="module")
def questions(task: schema.WordProblemsTask) -> Iterator[dict[str, list[Question]]]:
    loaded = tasks.load(task)
    yield {split: loaded.questions(split) for split in loaded.splits}


def test_the_splits_have_their_sizes_and_share_no_id(questions: dict[str, list[Question]]) -> None:
    sizes = {split: len(found) for split, found in questions.items()}
    assert sizes == {"train_1": 1500, "train_2": 800, "test": 600, "validation": 600}
    assert len({question.id for found in questions.values() for question in found}) == 3500


def test_so_many_can_be_used_in_so_many_groups(task: schema.WordProblemsTask) -> None:
    """4,385 rows, less 243 whose answer is no whole number, less 85 whose solution ends in another number."""
    everything = task.model_copy(update={"train_1": 4057})
    with pytest.raises(UserError, match="5,457 questions are asked for and 4,057 can be used, in 2,003 groups"):
        tasks.load(everything).questions("test")


def test_the_splits_share_no_masked_text_and_no_near_duplicate(questions: dict[str, list[Question]]) -> None:
    """Every pair from two splits compared, with the formula and not with the search that made the groups."""
    for one, other in [("test", "train_1"), ("test", "train_2"), ("train_2", "train_1"), ("validation", "test")]:
        masked = [{wording.mask(wording.normalise(q.question)) for q in questions[split]} for split in (one, other)]
        assert not masked[0] & masked[1]
        sets = [[near_duplicates.words(question.question) for question in questions[split]] for split in (one, other)]
        nearest = max(len(mine & theirs) / len(mine | theirs) for mine in sets[0] for theirs in sets[1])
        assert 0.5 < nearest < near_duplicates.SHARE


def test_no_split_overlaps_another(task: schema.WordProblemsTask) -> None:
    overlap = tasks.prepare(task).overlap
    assert overlap.masked and not any(overlap.shared.values()) and not any(overlap.other_numbers.values())
    # Groups compare the different words, near duplicates all of them: 5 and 3 of 2,300 questions are near.
    assert sum(map(len, overlap.near.values())) <= 5


def test_the_same_files_in_another_order_give_the_same_splits(
    task: schema.WordProblemsTask, questions: dict[str, list[Question]], tmp_path: Path
) -> None:
    assert task.folder is not None
    for name in task.sets:
        lines = (Path(task.folder) / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        (tmp_path / f"{name}.jsonl").write_text("\n".join(reversed(lines)) + "\n", encoding="utf-8")
    again = tasks.load(task.model_copy(update={"folder": str(tmp_path), "sets": task.sets[::-1]}))
    assert {split: again.questions(split) for split in again.splits} == questions


def test_questions_have_no_room_for_gold_and_gold_is_whole_numbers(
    task: schema.WordProblemsTask, questions: dict[str, list[Question]]
) -> None:
    for split, found in questions.items():
        table = gold.load(task, split)
        assert list(table) == [question.id for question in found]
        assert {field.name for question in found for field in fields(question)} == {"id", "question"}
        for right in table.values():
            assert right.answer.lstrip("-").isdigit()
            assert answers.extract(gold.completion(right, "gsm8k"), "gsm8k", flexible=False) == right.answer
