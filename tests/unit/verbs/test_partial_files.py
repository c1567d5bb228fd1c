"""Files that hold less than another: shared questions, rows without ids, one sample per question."""

from __future__ import annotations

from pathlib import Path

import pytest
from response_files import gold_file, grade, lines, pairs, said, written

from w2s.errors import UserError


def test_grade_of_shared_questions_counts_what_it_leaves_out(tmp_path: Path) -> None:
    """Gold of 1 to 4; responses to 2 (right), 3 (wrong) and 9: 1 of 2 shared questions is right."""
    gold = gold_file(tmp_path, 5, 6, 7, 8)
    given, out = written(tmp_path / "r.jsonl", said(2, 6), said(9, 1), said(3, 0)), tmp_path / "o.jsonl"
    with pytest.raises(UserError, match=r"hint: --only-shared leaves out"):
        grade(gold, given, task="gsm8k")
    summary = grade(gold, given, out, task="gsm8k", only_shared=True)
    assert (summary.correct, summary.n, summary.questions, summary.accuracy) == (1, 2, 2, 0.5)
    assert [row["id"] for row in lines(out)] == [2, 3]
    assert summary.notes == [
        f"2 questions that only {gold} has are left out",
        f"1 responses without gold in {gold} are left out",
    ]
    fewer = written(tmp_path / "fewer.jsonl", said(2, 6))
    with pytest.raises(UserError, match=r"id '1' \(and 2 more ids\) is not in .*fewer(?s:.)*hint: --only-shared"):
        grade(gold, fewer, task="gsm8k")
    with pytest.raises(UserError, match="has no question of"):
        grade(gold, written(tmp_path / "none.jsonl", said(9, 1)), task="gsm8k", only_shared=True)


def test_grade_by_question_needs_no_ids(tmp_path: Path) -> None:
    """Two samples of one question (right, wrong) and one of another (right): (1/2 + 1) / 2 = 75 %."""
    gold = written(tmp_path / "g.jsonl", {"question": "a?", "answer": "1"}, {"question": "b?", "answer": "2"})
    rows = [{"question": q, "response": f"#### {n}"} for q, n in (("a?", 1), ("b?", 2), ("a?", 9))]
    summary = grade(gold, written(tmp_path / "r.jsonl", *rows), task="gsm8k", join="question")
    assert (summary.correct, summary.n, summary.questions, summary.accuracy) == (2, 3, 2, 0.75)
    assert "rows without an id are joined by their question" in summary.notes


def test_pairs_of_one_sample_each_are_warned_of(tmp_path: Path) -> None:
    weak = written(tmp_path / "w.jsonl", said(1, 1), said(2, 2))
    single = written(tmp_path / "s.jsonl", said(1, 1), said(2, 3))
    summary = pairs(weak, single, tmp_path / "p.jsonl", task="gsm8k")
    assert summary.notes[-1].startswith("2 of 2 questions have one sample, whose vote is always 1.0")
    several = written(tmp_path / "m.jsonl", *(said(i, 1, sample=s) for i in (1, 2) for s in (0, 1)))
    assert not pairs(weak, several, tmp_path / "p.jsonl", task="gsm8k").notes
