"""The two matches beside each other: what the verbs say where `string` and `equivalent` decide otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from response_files import agree, gold_file, grade, lines, pairs, said, written


def test_grade_by_string_is_stricter(tmp_path: Path) -> None:
    gold, given = gold_file(tmp_path, "1/2"), written(tmp_path / "r.jsonl", said(1, "0.50"))
    assert grade(gold, given, task="gsm8k", match="string").correct == 0


def test_two_texts_without_an_answer_agree_by_string_only(tmp_path: Path) -> None:
    """Or where it is said. Question 3 has an answer on one side: never kept. Two questions differ by match: 1 and 2.

    By value 1/2 and 0.50 agree and two missing answers do not; by string it is the other way round.
    """
    weak = written(tmp_path / "w.jsonl", said(1, "1/2"), said(2, None), said(3, None))
    strong = written(tmp_path / "s.jsonl", said(1, "0.50"), said(2, None), said(3, 1))
    kept: list[Any] = []
    for match, says in (("equivalent", None), ("string", None), ("equivalent", True), ("string", False)):
        out = tmp_path / "h.jsonl"
        summary = agree(weak, strong, out, task="gsm8k", match=match, nothing_agrees=says)
        kept.append(([row["id"] for row in lines(out)[::2]], summary.dropped, summary.match_differs))
    assert kept == [
        ([1], {"weak_no_answer": 2}, 2),
        ([2], {"disagree": 1, "weak_no_answer": 1}, 2),
        ([1, 2], {"weak_no_answer": 1}, 1),
        ([], {"disagree": 1, "weak_no_answer": 2}, 1),
    ]


@pytest.mark.parametrize("verb", [agree, pairs])
def test_the_first_questions_on_which_the_matches_differ_are_named(tmp_path: Path, verb: Any) -> None:
    """Weak 1/2 and strong 0.50 agree by value only: for `agree` kept or not, for `pairs` nothing to reject or a pair.

    Question 0 is the same by both. Of the 102 others 100 are named.
    """
    weak = written(tmp_path / "w.jsonl", said(0, 1), *(said(i, "1/2") for i in range(1, 103)))
    strong = written(tmp_path / "s.jsonl", said(0, 1), *(said(i, "0.50") for i in range(1, 103)))
    summary = verb(weak, strong, tmp_path / "o", task="gsm8k")
    assert (summary.match_differs, summary.match_differs_ids) == (102, list(range(1, 101)))


def test_grade_says_how_many_are_correct_by_one_match_only(tmp_path: Path) -> None:
    """0.50 is 1/2 by equivalence only; 3 is right by both and 5 by neither."""
    gold = gold_file(tmp_path, "1/2", 3, 4)
    given = written(tmp_path / "r.jsonl", said(1, "0.50"), said(2, 3), said(3, 5))
    for match, correct in (("equivalent", 2), ("string", 1)):
        summary = grade(gold, given, task="gsm8k", match=match)
        assert (summary.correct, summary.match_differs) == (correct, 1)


def test_each_row_has_the_verdict_that_the_other_match_gives(tmp_path: Path) -> None:
    """1: equal by value only. 2: by both. 3: by neither. 4: no answer. 5: by string the last number is no answer.

    The verdict of the other match is that of a grading that asks for it, and one of an earlier grading is not taken
    over.
    """
    gold = gold_file(tmp_path, "1/2", 3, 4, 5, 6)
    last = {**said(5, 6), "response": "So it is 6."}
    asked = [said(1, "0.50", verdict_equivalent="old"), said(2, 3), said(3, 5), said(4, None), last]
    given, found = written(tmp_path / "r.jsonl", *asked), {}
    for match, other in (("equivalent", "string"), ("string", "equivalent")):
        summary = grade(gold, given, tmp_path / match, task="gsm8k", match=match)
        rows = lines(tmp_path / match)
        found[match] = [row["verdict"] for row in rows], [row[f"verdict_{other}"] for row in rows]
        assert not any(f"verdict_{match}" in row for row in rows) and summary.match_differs == 2
    assert found["equivalent"] == found["string"][::-1]
    assert found["equivalent"] == (
        ["correct", "correct", "wrong", "no_answer", "correct"],
        ["wrong", "correct", "wrong", "no_answer", "no_answer"],
    )
