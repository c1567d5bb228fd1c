"""`w2s grade --by` and `--k`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from response_files import gold_file, grade, said, written

from w2s.errors import UserError

ONE_OF_ONE, ONE_OF_TWO = pytest.approx((0.2065, 1), abs=1e-4), pytest.approx((0.0945, 0.9055), abs=1e-4)


def levels(folder: Path) -> Path:
    """Gold of 1 to 4: levels 10, 2, 2 and none, all of one subject but the last."""
    rows = [{"id": n, "question": f"How many, {n}?", "answer": "5", "subject": "Algebra"} for n in range(1, 4)]
    given = [{**row, "level": level} for row, level in zip(rows, (10, "Level 2", 2), strict=True)]
    return written(folder / "gold.jsonl", *given, {"id": 4, "question": "How many, 4?", "answer": "5"})


@pytest.mark.parametrize("options", [{}, {"join": "question"}, {"only_shared": True}])
def test_accuracy_by_level_and_by_subject(tmp_path: Path, options: dict) -> None:
    """1 and 2 are right. Wilson as in `metrics`: 1 of 1 is 0.2065 to 1, 1 of 2 is 0.0945 to 0.9055."""
    given = written(tmp_path / "r.jsonl", *(said(n, a) for n, a in ((4, 6), (2, 5), (3, 6), (1, 5))))
    summary = grade(levels(tmp_path), given, task="gsm8k", by="level", **options)
    found = {name: (group.correct, group.n, group.ci95) for name, group in summary.groups.items()}
    assert list(found) == ["2", "10", "no level"]
    assert found["10"] == (1, 1, ONE_OF_ONE) and found["2"] == (1, 2, ONE_OF_TWO) and found["no level"][:2] == (0, 1)
    assert "level 2: 50.00%  (95% CI 9.45% to 90.55%; 1 of 2)" in summary.lines()
    assert "no level: 0.00%  (95% CI 0.00% to 79.35%; 0 of 1)" in summary.lines()
    as_json = json.loads(json.dumps(summary.as_dict()))
    assert as_json["by"] == "level" and as_json["groups"]["2"]["accuracy"] == 0.5
    summary = grade(levels(tmp_path), given, task="gsm8k", by="subject", **options)
    assert {name: (group.correct, group.n) for name, group in summary.groups.items()} == {
        "Algebra": (2, 3), "no subject": (0, 1),
    }  # fmt: skip


def test_a_group_has_its_own_pass_and_maj(tmp_path: Path) -> None:
    """Question 1: right, right, wrong, wrong; 2: wrong, wrong, wrong, right; 3 and 4 never right.

    pass@2: 1 - C(2,2)/C(4,2) = 5/6, 1 - C(3,2)/C(4,2) = 1/2, 0, 0. maj@3: 1 only; the wrong answers of 2 are one.
    """
    rows = {1: (5, 5, 6, 6), 2: (6, 6, 6, 5), 3: (6, 6, 6, 6), 4: (6, 7, 8, 9)}
    given = written(
        tmp_path / "r.jsonl", *(said(n, a, sample=k) for n, four in rows.items() for k, a in enumerate(four))
    )
    summary = grade(levels(tmp_path), given, task="gsm8k", by="level", k=(3, 2))
    assert summary.pass_at == pytest.approx({2: (5 / 6 + 1 / 2) / 4, 3: (1 + 3 / 4) / 4})
    assert summary.groups["10"].pass_at == pytest.approx({2: 5 / 6, 3: 1})
    assert summary.groups["2"].pass_at == pytest.approx({2: 1 / 4, 3: 3 / 8})
    assert (summary.maj_at[3], summary.groups["10"].maj_at[3], summary.groups["2"].maj_at[3]) == (1 / 4, 1, 0)
    assert "  pass@2     83.33%  (95% CI 0.00% to 100.00%)" in summary.lines()


def test_k_is_what_was_named_and_what_there_are_samples_for(tmp_path: Path) -> None:
    """By default 1 and all; maj@1 is the first sample: right for one of two."""
    rows = [said(n, a, sample=k) for n, two in ((1, (5, 5, 6)), (2, (6, 5, 5))) for k, a in enumerate(two)]
    gold, given = gold_file(tmp_path, 5, 5), written(tmp_path / "r.jsonl", *rows)
    assert list(grade(gold, given, task="gsm8k").pass_at) == [1, 3]
    summary = grade(gold, given, task="gsm8k", k=(1, 2))
    assert summary.pass_at == pytest.approx({1: 2 / 3, 2: 1}) and summary.maj_at == {1: 0.5, 2: 0.75}
    with pytest.raises(UserError, match=r"\[--k\]: a question has 3 samples, which does not give k = 5"):
        grade(gold, given, task="gsm8k", k=(1, 5))


def test_gold_without_levels_is_refused_by_name(tmp_path: Path) -> None:
    given = written(tmp_path / "r.jsonl", said(1, 5))
    with pytest.raises(UserError, match=r"gold\.jsonl \[level\]: no row has a level"):
        grade(gold_file(tmp_path, 5), given, task="gsm8k", by="level")


@pytest.mark.parametrize("only_shared", [False, True])
@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        (["How many, 1?", "How many, 2?", "How many, 3?"], False),
        (["Answer this.\nHow  many, 1? Think.", "How many,\n2?", "many, 3"], False),  # around it, or part of it
        (["How many, 1?", "Who, 2?", "How many, 3?"], False),  # one of three
        (["How many, 1?", "Who, 2?", "Who, 3?"], True),  # two of three
    ],
)
def test_questions_of_one_id_are_one_question(
    tmp_path: Path, asked: list[str], refused: bool, only_shared: bool
) -> None:
    """Rows 0 to 999 of train and of test have the same ids."""
    gold = written(tmp_path / "g.jsonl", *({"id": n, "question": f"How many, {n}?", "answer": 4} for n in (1, 2, 3)))
    rows = ({"id": n, "question": text, "response": "#### 4"} for n, text in enumerate(asked, 1))
    given, out = written(tmp_path / "r.jsonl", *rows), tmp_path / "out.jsonl"
    if refused:
        with pytest.raises(
            UserError, match=r"r\.jsonl \[question\]: most of its ids have other questions in .*g\.jsonl"
        ):
            grade(gold, given, out, task="gsm8k", only_shared=only_shared)
        assert not out.exists()
        gold = gold_file(tmp_path, 4, 4, 4)  # without questions: by id alone
    assert grade(gold, given, out, task="gsm8k", only_shared=only_shared).correct == 3
