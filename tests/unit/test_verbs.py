from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from w2s import verbs
from w2s.errors import UserError


def written(file: Path, *rows: object) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def said(identity: object, answer: object, **more: Any) -> dict[str, Any]:
    response = "I do not know." if answer is None else f"So it is {answer}.\n#### {answer}"
    return {"id": identity, "question": f"How many, {identity}?", "response": response, **more}


def gold_file(folder: Path, *answers: object) -> Path:
    return written(folder / "gold.jsonl", *({"id": n, "answer": f"{a}"} for n, a in enumerate(answers, 1)))


def test_grade_counts_and_keeps_fields(tmp_path: Path) -> None:
    """2.0 is 2 and 0.50 is 1/2, so 1, 2 and 3 are correct; 4 has no answer. 3/4 = 75 %.

    Wilson for 3 of 4 (z = 1.96): centre (0.75 + 3.8415/8) / (1 + 3.8415/4) = 0.6275; margin 0.3268: 0.3006 to 0.9544.
    """
    gold = gold_file(tmp_path, 1, 2, "1/2", 4)
    given = written(tmp_path / "r.jsonl", said("3", "0.50"), said(1, 1, model="m"), said(2, "2.0"), said(4, None))
    out = tmp_path / "o.jsonl"
    summary = verbs.grade(gold, given, out, task="gsm8k")
    assert (summary.correct, summary.n, summary.no_answer, summary.undecided, summary.questions) == (3, 4, 1, 0, 4)
    assert summary.accuracy == 0.75
    assert summary.ci95 == pytest.approx((0.3006, 0.9544), abs=1e-4)
    assert summary.pass_at == {} and summary.maj_at == {}
    assert lines(out)[1] == {**said(1, 1, model="m"), "prediction": "1", "verdict": "correct"}
    assert [(row["id"], row["verdict"]) for row in lines(out)] == [
        ("3", "correct"), (1, "correct"), (2, "correct"), (4, "no_answer"),
    ]  # fmt: skip
    assert lines(out)[3]["prediction"] is None
    assert summary.lines()[0] == "accuracy   75.00%  (95% CI 30.06% to 95.44%; 3 of 4)"
    assert json.loads(json.dumps(summary.as_dict()))["correct"] == 3


def test_grade_by_string_is_stricter(tmp_path: Path) -> None:
    gold, given = gold_file(tmp_path, "1/2"), written(tmp_path / "r.jsonl", said(1, "0.50"))
    assert verbs.grade(gold, given, task="gsm8k", match="string").correct == 0


def test_grade_of_several_samples(tmp_path: Path) -> None:
    """Question 1: right, right, wrong; question 2: wrong, wrong (the same), right; rows out of order.

    Accuracy 3/6. pass@1 = 1/2; pass@3 = 1. maj@3: question 1 right, question 2 wrong: 1/2. The interval is of 1 in 2
    questions, not of 3 in 6 rows.
    """
    gold = gold_file(tmp_path, 5, 6)
    answers = {(1, 0): 5, (2, 2): 6, (1, 2): 8, (2, 0): 9, (1, 1): 5, (2, 1): 9}
    given = written(tmp_path / "r.jsonl", *(said(i, a, sample=s) for (i, s), a in answers.items()))
    summary = verbs.grade(gold, given, task="gsm8k")
    assert (summary.correct, summary.n, summary.questions) == (3, 6, 2)
    assert summary.pass_at == pytest.approx({1: 0.5, 3: 1.0})
    assert summary.maj_at == {3: 0.5}
    assert summary.ci95 == pytest.approx((0.0945, 0.9055), abs=1e-4)
    assert any("maj@3" in line for line in summary.lines())


@pytest.mark.parametrize("ids, says", [
    ([1, 2, 3], r"r\.jsonl:3 \[id\]: id '3' is not in .*gold\.jsonl"),
    ([1], r"gold\.jsonl:2 \[id\]: id '2' is not in .*r\.jsonl"),
])  # fmt: skip
def test_grade_refuses_an_id_in_one_file_only(tmp_path: Path, ids: list[int], says: str) -> None:
    gold, given = gold_file(tmp_path, 1, 2), written(tmp_path / "r.jsonl", *(said(i, 1) for i in ids))
    with pytest.raises(UserError, match=says):
        verbs.grade(gold, given, tmp_path / "o.jsonl", task="gsm8k")
    assert not (tmp_path / "o.jsonl").exists()


def test_agree_writes_two_rows_a_kept_question(tmp_path: Path) -> None:
    """Kept: 1 (1/2 and 0.50) and 3. Dropped: 2 (differ), 4 (weak has none), 5 (strong has none). 2 + 3 = 5."""
    weak = written(
        tmp_path / "w.jsonl",
        {**said(1, "1/2"), "model": "w", "answer": "GOLD", "Verdict": "GOLD", "prompt": "odd"},
        said(2, 3),
        said(3, 7),
        said(4, None),
        said(5, 1),
    )
    strong = written(tmp_path / "s.jsonl", said(3, 7), said("1", "0.50"), said(2, 4), said(4, 1), said(5, None))
    out = tmp_path / "h.jsonl"
    summary = verbs.agree(weak, strong, out, task="gsm8k")
    assert (summary.kept, summary.of, summary.rows) == (2, 5, 4)
    assert summary.dropped == {"disagree": 1, "weak_no_answer": 1, "strong_no_answer": 1}
    assert summary.match_differs == 1  # by string 1/2 and 0.50 differ, so question 1 would be dropped
    assert lines(out)[:2] == [
        {"id": 1, "source": "weak", "prompt": "Question: How many, 1?\nAnswer:",
         "completion": " So it is 1/2.\n#### 1/2", "prediction": "1/2", "model": "w"},
        {"id": 1, "source": "icl", "prompt": "Question: How many, 1?\nAnswer:",
         "completion": " So it is 0.50.\n#### 0.50", "prediction": "0.50"},
    ]  # fmt: skip
    assert [(row["id"], row["source"]) for row in lines(out)[2:]] == [(3, "weak"), (3, "icl")]
    assert "kept 2 of 5 questions (40.00%), 4 rows" in summary.lines()


def test_agree_on_nothing_writes_an_empty_file(tmp_path: Path) -> None:
    weak, strong = written(tmp_path / "w.jsonl", said(1, None)), written(tmp_path / "s.jsonl", said(1, None))
    summary = verbs.agree(weak, strong, tmp_path / "h.jsonl", task="gsm8k")
    assert (summary.kept, summary.rows) == (0, 0)
    assert (tmp_path / "h.jsonl").read_bytes() == b""


@pytest.mark.parametrize("verb", [verbs.agree, verbs.pairs])
def test_both_refuse_what_does_not_belong_together(tmp_path: Path, verb: Any) -> None:
    weak, out = written(tmp_path / "w.jsonl", said(1, 1), said(2, 1)), tmp_path / "o.jsonl"
    with pytest.raises(UserError, match=r"w\.jsonl:2 \[id\]: id '2' is not in .*s\.jsonl"):
        verb(weak, written(tmp_path / "s.jsonl", said(1, 1)), out, task="gsm8k")
    no_question = {"id": 2, "response": "a"}
    with pytest.raises(UserError, match=r"s\.jsonl:2 \[question\]"):
        verb(weak, written(tmp_path / "s.jsonl", said(1, 1), no_question), out, task="gsm8k")
    with pytest.raises(UserError, match="standard input can be read once only"):
        verb("-", "-", out, task="gsm8k")
    with pytest.raises(UserError, match="no task 'gms8k'; did you mean"):
        verb(weak, weak, out, task="gms8k")
    assert not out.exists()


def test_pairs_use_the_weak_text_on_either_side(tmp_path: Path) -> None:
    """Five samples each. 1: majority 5 at 4/5 = weak: chosen. 2: majority 6 at 4/5, weak says 7: rejected.

    3: majority at 3/5 < 0.8 and the weak answer is another: unsure. 4: all alike, nothing to reject.
    """
    weak = written(tmp_path / "w.jsonl", said(1, 5, model="w", gold="GOLD"), said(2, 7), said(3, 1), said(4, 2))
    answers = {1: [5, 5, 5, 5, 9], 2: [6, 6, 6, 6, 1], 3: [8, 8, 8, 1, 1], 4: [2] * 5}
    samples = [said(i, a, sample=s) for i, some in answers.items() for s, a in enumerate(some)]
    file, out = written(tmp_path / "s.jsonl", *samples), tmp_path / "p.jsonl"
    summary = verbs.pairs(weak, file, out, task="gsm8k")
    assert (summary.kept, summary.of, summary.rows) == (2, 4, 2)
    assert summary.dropped == {"unsure": 1, "all_samples_agree": 1}
    assert lines(out) == [
        {"id": 1, "prompt": "Question: How many, 1?\nAnswer:", "chosen": " So it is 5.\n#### 5",
         "rejected": " So it is 9.\n#### 9", "weak_role": "chosen", "confidence": 0.8, "model": "w"},
        {"id": 2, "prompt": "Question: How many, 2?\nAnswer:", "chosen": " So it is 6.\n#### 6",
         "rejected": " So it is 7.\n#### 7", "weak_role": "rejected", "confidence": 0.8},
    ]  # fmt: skip
    first = out.read_bytes()
    verbs.pairs(weak, written(file, *reversed(samples)), out, task="gsm8k")
    assert out.read_bytes() == first
    lenient = verbs.pairs(weak, file, out, task="gsm8k", reject_confidence=0.6)
    assert lenient.kept == 3


@pytest.mark.parametrize("options, field", [
    ({"confidence": 1.5}, "--confidence"), ({"reject_confidence": -0.1}, "--reject-confidence"),
    ({"reject_confidence": 1.1}, "--reject-confidence"), ({"max_pairs": 0}, "--max-pairs"),
    ({"confidence": float("nan")}, "--confidence"),
])  # fmt: skip
def test_pairs_refuse_thresholds_without_sense(tmp_path: Path, options: dict[str, Any], field: str) -> None:
    with pytest.raises(UserError, match=rf"\[{field}\]"):
        verbs.pairs(tmp_path / "w", tmp_path / "s", tmp_path / "p", task="gsm8k", **options)
