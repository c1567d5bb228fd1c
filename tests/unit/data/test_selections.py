"""Files joined by id: what a selection gets of each question, whatever the order of the rows."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from response_files import said, written

from w2s.config.choices import AnswerRule
from w2s.data import selections
from w2s.data.selections import SelectionCounts
from w2s.errors import UserError
from w2s.method import agreement
from w2s.method.selector import Judged, Selected
from w2s.method.voting import vote

RULE = AnswerRule("gsm8k")


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, Path]:
    """Three questions: 1 and 2 agree; two of three samples of each say the number of the question plus 1."""
    samples = [said(i, i + (k != 1), sample=k) for k in range(3) for i in (1, 2, 3)]
    random.Random(0).shuffle(samples)
    return {
        "weak": written(tmp_path / "w.jsonl", said(2, 2), said("1", 1), said(3, 3)),
        "strong": written(tmp_path / "s.jsonl", said(1, 1), said(3, None), said(2, 2)),
        "samples": written(tmp_path / "m.jsonl", *samples),
    }


def select(paths: dict[str, Path], counts: SelectionCounts, *selector: Any, **options: Any) -> list[str | int]:
    with selections.open_files(paths, **options) as files:
        return [
            question.raw.id for question, _ in selections.select(files, RULE, counts, *(selector or [agreement.select]))
        ]


def test_questions_come_in_the_order_of_the_first_file_and_samples_in_that_of_their_numbers(paths: Any) -> None:
    with selections.open_files(paths) as files:
        found = list(selections.questions(files, (RULE, RULE.other)))
    assert [(question.raw.id, question.row.line) for question in found] == [(2, 1), ("1", 2), (3, 3)]
    for question in found:
        for rule in (RULE, RULE.other):
            assert [answer.sample for answer in question.answers[rule]["samples"]] == [0, 1, 2]
    assert [answer.key for answer in found[1].answers[RULE]["samples"]] == ["2", "1", "2"]


def test_agreement_keeps_equal_answers(paths: Any) -> None:
    counts = SelectionCounts()
    assert select(paths, counts) == [2, "1"]
    assert (counts.kept, counts.dropped, counts.same_text) == (2, {"strong_no_answer": 1}, 2)


def test_a_selector_of_ones_own_gets_all_answers_of_a_question_and_gives_its_reasons(paths: Any) -> None:
    """The majority of 1 is 2, of 2 it is 3: kept is what the samples outvote; 3 has no selection."""

    def outvoted(question: Judged) -> Selected | str | None:
        if question.strong.key is None:
            return None
        if question.weak.id == "1":
            return "too_easy"
        assert vote(question.samples).key == "3" and question.answers.keys() == {"weak", "strong"}
        return Selected(question.weak, question.samples[0])

    counts = SelectionCounts()
    assert select(paths, counts, outvoted) == [2]
    assert counts.dropped == {"too_easy": 1, "not_selected": 1}
    assert counts.differ == 0 and counts.same_text == 0


def test_a_question_that_one_file_lacks_is_dropped_where_that_is_allowed(paths: Any, tmp_path: Path) -> None:
    paths = {"weak": paths["weak"], "strong": written(tmp_path / "one.jsonl", said(1, 1), said(9, 9))}
    counts = SelectionCounts()
    assert select(paths, counts, only_shared={"strong"}) == ["1"]
    assert counts.dropped == {"only_in_weak": 2}
    with pytest.raises(UserError, match=r"id '2'.* is not in .*one\.jsonl"):
        select(paths, counts)


@pytest.mark.parametrize("role", ["weak", "strong"])
def test_only_samples_come_several_to_a_question(paths: Any, role: str) -> None:
    with pytest.raises(UserError, match="keep one response of each question"):
        select({**paths, role: paths["samples"]}, SelectionCounts())


def test_the_questions_on_which_the_matches_differ_are_counted(tmp_path: Path) -> None:
    """1/2 and 0.5 are one number and two strings; two texts without an answer agree as strings only."""
    paths = {
        "weak": written(tmp_path / "w.jsonl", said(1, "1/2"), said(2, None), said(3, 3)),
        "strong": written(tmp_path / "s.jsonl", said(1, "0.5"), said(2, None), said(3, 3)),
    }
    counts = SelectionCounts()
    assert select(paths, counts) == [1, 3]
    assert (counts.differ, counts.differ_ids) == (2, [1, 2])
