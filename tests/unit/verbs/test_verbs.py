from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from response_files import again, agree, gold_file, grade, lines, pairs, said, written

from w2s.answers import AnswerRule, answered
from w2s.answers.workers import pool
from w2s.errors import UserError
from w2s.method import agreement
from w2s.method import pairs as method
from w2s.method.selector import Judged, Selected
from w2s.method.voting import PairRule
from w2s.records import Response


def test_grade_counts_and_keeps_fields(tmp_path: Path) -> None:
    """2.0 is 2 and 0.50 is 1/2, so 1, 2 and 3 are correct; 4 has no answer. 3/4 = 75 %.

    Wilson for 3 of 4 (z = 1.96): centre (0.75 + 3.8415/8) / (1 + 3.8415/4) = 0.6275; margin 0.3268: 0.3006 to 0.9544.
    """
    gold = gold_file(tmp_path, 1, 2, "1/2", 4)
    given = written(tmp_path / "r.jsonl", said("3", "0.50"), said(1, 1, model="m"), said(2, "2.0"), said(4, None))
    out = tmp_path / "o.jsonl"
    summary = grade(gold, given, out, task="gsm8k")
    assert (summary.correct, summary.n, summary.no_answer, summary.undecided, summary.questions) == (3, 4, 1, 0, 4)
    assert summary.accuracy == 0.75
    assert summary.ci95 == pytest.approx((0.3006, 0.9544), abs=1e-4)
    assert summary.pass_at == {} and summary.maj_at == {}
    assert lines(out)[1] == {
        **said(1, 1, model="m"), "prediction": "1", "verdict": "correct", "verdict_string": "correct",
    }  # fmt: skip
    assert [(row["id"], row["verdict"]) for row in lines(out)] == [
        ("3", "correct"), (1, "correct"), (2, "correct"), (4, "no_answer"),
    ]  # fmt: skip
    assert lines(out)[3]["prediction"] is None
    assert summary.lines()[0] == "accuracy   75.00%  (95% CI 30.06% to 95.44%; 3 of 4)"
    assert json.loads(json.dumps(summary.as_dict()))["correct"] == 3


def test_grade_of_several_samples(tmp_path: Path) -> None:
    """Question 1: right, right, wrong; question 2: wrong, wrong (the same), right; rows out of order.

    Accuracy 3/6. pass@1 = 1/2; pass@3 = 1. maj@3: question 1 right, question 2 wrong: 1/2. The intervals are of 2
    questions, not of 6 rows: 1/2 -+ 3.182 * sqrt((14/9 / 4 - 1/4) / 3) = 1/2 -+ 0.685, so they say nothing.
    """
    gold = gold_file(tmp_path, 5, 6)
    answers = {(1, 0): 5, (2, 2): 6, (1, 2): 8, (2, 0): 9, (1, 1): 5, (2, 1): 9}
    given = written(tmp_path / "r.jsonl", *(said(i, a, sample=s) for (i, s), a in answers.items()))
    summary = grade(gold, given, task="gsm8k")
    assert (summary.correct, summary.n, summary.questions) == (3, 6, 2)
    assert summary.pass_at == pytest.approx({1: 0.5, 3: 1.0})
    assert summary.maj_at == {3: 0.5}
    assert summary.ci95 == (0, 1)
    assert summary.pass_at_ci95 == {1: (0, 1), 3: (0, 1)} and summary.maj_at_ci95 == {3: (0, 1)}
    assert summary.lines()[4:7] == [
        "pass@1     50.00%  (95% CI 0.00% to 100.00%)",
        "pass@3     100.00%  (95% CI 0.00% to 100.00%)",
        "maj@3      50.00%  (95% CI 0.00% to 100.00%)",
    ]


def test_each_question_weighs_the_same_in_part_right_or_with_more_samples(tmp_path: Path) -> None:
    """Of 8 questions 4 of 10 samples are right. Scores 0.4 eight times, 0 and 1: mean 4.2 / 10 = 0.42, mean of squares
    2.28 / 10, variance 0.228 - 0.1764 = 0.0516, / 9 = 0.0057333; 2.26216 * 0.0757188 = 0.171288.

    Question 1 is right once in 1, question 2 never in 3: a mean of 1/2, not 1/4.
    """
    rows = [said(n, 5 if k < 4 else 6, sample=k) for n in range(1, 9) for k in range(10)]
    summary = grade(gold_file(tmp_path, *[5] * 8), written(tmp_path / "r.jsonl", *rows), task="gsm8k")
    assert (summary.accuracy, summary.correct, summary.n) == (0.4, 32, 80)
    assert summary.ci95 == summary.pass_at_ci95[1] == pytest.approx((0.248712, 0.591288), abs=1e-6)
    uneven = written(tmp_path / "r.jsonl", said(1, 5), *(said(2, 7, sample=k) for k in range(3)))
    summary = grade(gold_file(tmp_path, 5, 6), uneven, task="gsm8k")
    assert (summary.accuracy, summary.correct, summary.n, summary.questions) == (0.5, 1, 4, 2)


@pytest.mark.parametrize("ids, says", [
    ([1, 2, 3], r"r\.jsonl:3 \[id\]: id '3' is not in .*gold\.jsonl"),
    ([1], r"gold\.jsonl:2 \[id\]: id '2' is not in .*r\.jsonl"),
])  # fmt: skip
def test_grade_refuses_an_id_in_one_file_only(tmp_path: Path, ids: list[int], says: str) -> None:
    gold, given = gold_file(tmp_path, 1, 2), written(tmp_path / "r.jsonl", *(said(i, 1) for i in ids))
    with pytest.raises(UserError, match=says):
        grade(gold, given, tmp_path / "o.jsonl", task="gsm8k")
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
    summary = agree(weak, strong, out, task="gsm8k", keep=["model"])
    assert (summary.kept, summary.of, summary.rows) == (2, 5, 4)
    assert summary.dropped == {"disagree": 1, "weak_no_answer": 1, "strong_no_answer": 1}
    assert summary.match_differs == 1  # by string 1/2 and 0.50 differ, so question 1 would be dropped
    assert json.loads(json.dumps(summary.as_dict()))["match_differs_ids"] == [1]
    assert lines(out)[:2] == [
        {"id": 1, "source": "weak", "prompt": "Question: How many, 1?\nAnswer:",
         "completion": " So it is 1/2.\n#### 1/2", "prediction": "1/2", "model": "w"},
        {"id": 1, "source": "icl", "prompt": "Question: How many, 1?\nAnswer:",
         "completion": " So it is 0.50.\n#### 0.50", "prediction": "0.50"},
    ]  # fmt: skip
    assert [(row["id"], row["source"]) for row in lines(out)[2:]] == [(3, "weak"), (3, "icl")]
    assert summary.lines()[:2] == [
        "kept 2 of 5 questions (40.00%; 95% CI 11.76% to 76.93%), 4 rows",
        "of these 1 have one and the same text",  # question 3
    ]
    assert summary.as_dict()["same_text"] == 1
    assert (summary.quality, summary.rejected) == (None, None)


def test_answers_that_were_not_read_in_time_are_counted_and_never_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Question 1: one such text twice. Question 2: two plain answers. Question 3: one such text, one plain answer."""
    monkeypatch.setattr(pool, "available", lambda: True)
    monkeypatch.setattr(pool, "read_many", lambda answers, seconds: [pool.UNDECIDED] * len(answers))
    slow = r"\prod_{k=1}^{7} k^{k+1}"
    sides = [
        written(tmp_path / name, *({"id": n, "question": "q", "response": f"The answer is: {a}"} for n, a in rows))
        for name, rows in (("w.jsonl", [(1, slow), (2, 5), (3, slow)]), ("s.jsonl", [(1, slow), (2, 5), (3, 1)]))
    ]
    for says in (None, True):
        summary = agree(*sides, tmp_path / "h.jsonl", task="math", nothing_agrees=says)
        assert (summary.kept, summary.of, summary.undecided) == (1, 3, 2)
        assert summary.dropped == {"weak_no_answer": 2}
        assert "undecided 2: an answer of theirs was not read in time" in summary.lines()
    paired = pairs(*sides, tmp_path / "p.jsonl", task="math")
    assert (paired.kept, paired.undecided) == (0, 2)  # of question 3 the weak text, which may be right, is not rejected
    assert paired.dropped["undecided"] == 1
    assert agree(*sides, tmp_path / "h.jsonl", task="math", match="string").undecided == 0


def test_agree_on_nothing_writes_an_empty_file(tmp_path: Path) -> None:
    weak = written(tmp_path / "w.jsonl", said(1, None))
    summary = agree(weak, again(weak), tmp_path / "h.jsonl", task="gsm8k")
    assert (summary.kept, summary.rows) == (0, 0)
    assert (tmp_path / "h.jsonl").read_bytes() == b""


@pytest.mark.parametrize("verb", [agree, pairs])
def test_both_refuse_what_does_not_belong_together(tmp_path: Path, verb: Any) -> None:
    weak, out = written(tmp_path / "w.jsonl", said(1, 1), said(2, 1)), tmp_path / "o.jsonl"
    with pytest.raises(UserError, match=r"w\.jsonl:2 \[id\]: id '2' is not in .*s\.jsonl"):
        verb(weak, written(tmp_path / "s.jsonl", said(1, 1)), out, task="gsm8k")
    no_question = {"id": 2, "response": "a"}
    blind = written(tmp_path / "b.jsonl", said(1, 1), no_question)
    with pytest.raises(UserError, match=r"b\.jsonl:2 \[question\]: question is missing(.|\n)*--questions"):
        verb(blind, again(blind), out, task="gsm8k")
    with pytest.raises(UserError, match="standard input can be read once only"):
        verb("-", "-", out, task="gsm8k")
    with pytest.raises(UserError, match=r"no task is called 'gms8k' .did you mean"):
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
    summary = pairs(weak, file, out, task="gsm8k", keep=["model"])
    assert (summary.kept, summary.of, summary.rows) == (2, 4, 2)
    assert summary.dropped == {"unsure": 1, "all_samples_agree": 1}
    assert lines(out) == [
        {"id": 1, "prompt": "Question: How many, 1?\nAnswer:", "chosen": " So it is 5.\n#### 5",
         "rejected": " So it is 9.\n#### 9", "weak_role": "chosen", "confidence": 0.8, "model": "w"},
        {"id": 2, "prompt": "Question: How many, 2?\nAnswer:", "chosen": " So it is 6.\n#### 6",
         "rejected": " So it is 7.\n#### 7", "weak_role": "rejected", "confidence": 0.8},
    ]  # fmt: skip
    first = out.read_bytes()
    pairs(weak, written(file, *reversed(samples)), out, task="gsm8k", keep=["model"])
    assert out.read_bytes() == first
    lenient = pairs(weak, file, out, task="gsm8k", reject_confidence=0.6)
    assert lenient.kept == 3


def test_gold_reports_precision_and_changes_nothing(tmp_path: Path) -> None:
    """Kept: 1 and 3, of which 1 is right: 1 of 2, Wilson 0.0945 to 0.9055. Gold may have more questions."""
    weak = written(tmp_path / "w.jsonl", said(1, "1/2"), said(2, 3), said(3, 7), said(4, None))
    strong = written(tmp_path / "s.jsonl", said(1, "0.5"), said(2, 4), said(3, 7), said(4, 4))
    summary = agree(weak, strong, tmp_path / "a", task="gsm8k", gold=gold_file(tmp_path, "0.50", 3, 8, 4, 5))
    blind = agree(weak, strong, tmp_path / "b", task="gsm8k")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert summary.quality is not None
    assert (summary.quality.kept, summary.quality.correct, summary.quality.coverage) == (2, 1, 0.5)
    assert summary.quality.ci95 == pytest.approx((0.0945, 0.9055), abs=1e-4)
    assert "right by gold, kept answers: 50.00% (95% CI 9.45% to 90.55%; 1 of 2)" in summary.lines()
    assert (blind.kept, blind.dropped) == (summary.kept, summary.dropped)
    with pytest.raises(UserError, match=r"w\.jsonl:3 \[id\]: id '3' is not in .*gold\.jsonl"):
        agree(weak, strong, tmp_path / "c", task="gsm8k", gold=gold_file(tmp_path, "0.5", 3))
    assert not (tmp_path / "c").exists()


def test_gold_of_pairs_counts_questions_for_chosen_and_pairs_for_rejected(tmp_path: Path) -> None:
    """Question 1: chosen 5 is right, its two rejected (9, none) are wrong. 2: chosen 6 is wrong, rejected 7 right."""
    weak = written(tmp_path / "w.jsonl", said(1, 5), said(2, 7))
    answers = {1: [5, 5, 5, 9, None], 2: [6, 6, 6, 6, 1]}
    samples = [said(i, a, sample=s) for i, some in answers.items() for s, a in enumerate(some)]
    summary = pairs(
        weak, written(tmp_path / "s.jsonl", *samples), tmp_path / "p", task="gsm8k", max_pairs=2,
        gold=gold_file(tmp_path, 5, 7),
    )  # fmt: skip
    assert summary.quality is not None and summary.rejected is not None
    assert (summary.quality.correct, summary.quality.kept) == (1, 2)
    assert (summary.rejected.correct, summary.rejected.no_answer, summary.rejected.n) == (1, 1, 3)
    assert "right by gold, rejected: 33.33% (95% CI 6.15% to 79.23%; 1 of 3)" in summary.lines()


def test_a_selection_does_not_depend_on_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weak = written(tmp_path / "w.jsonl", *(said(i, i % 5) for i in range(40)))
    rows = [said(i, (i * s) % 5, sample=s) for s in range(6) for i in range(40)]
    samples = written(tmp_path / "s.jsonl", *rows)
    found = []
    for chunk in (1, 13, 4096):
        monkeypatch.setattr("w2s.data.selections.CHUNK", chunk)
        summary = pairs(weak, samples, tmp_path / "p", task="gsm8k", confidence=0.2, reject_confidence=0.3)
        found.append((summary, (tmp_path / "p").read_bytes()))
    assert found[0] == found[1] == found[2] and found[0][0].kept > 0


def test_both_verbs_decide_as_the_method_does(tmp_path: Path) -> None:
    """From records in memory, and from files."""
    weak = [Response(f"{i}", f"How many, {i}?", said(i, i % 4)["response"]) for i in range(30)]
    drawn = [
        Response(f"{i}", f"How many, {i}?", said(i, (i * s) % 4)["response"], s) for i in range(30) for s in range(5)
    ]
    weak_file = written(tmp_path / "w.jsonl", *(said(i, i % 4) for i in range(30)))
    first = written(tmp_path / "f.jsonl", *(said(i, (i * 3) % 4) for i in reversed(range(30))))
    samples = written(tmp_path / "s.jsonl", *(said(i, (i * s) % 4, sample=s) for s in range(5) for i in range(30)))
    rule = AnswerRule("gsm8k", "equivalent")
    ours = [answered(each, rule) for each in weak]
    theirs = {one.id: [answered(each, rule) for each in drawn if each.id == one.id] for one in ours}
    agree(weak_file, first, tmp_path / "a", task="gsm8k")
    selected = [agreement.select(Judged({"weak": one, "strong": theirs[one.id][3]})) for one in ours]
    kept = [each.weak.id for each in selected if isinstance(each, Selected)]
    assert [str(row["id"]) for row in lines(tmp_path / "a")] == [id for id in kept for _ in "wi"]
    options: dict[str, Any] = {"confidence": 0.3, "reject_confidence": 0.5, "max_pairs": 2}
    summary = pairs(weak_file, samples, tmp_path / "p", task="gsm8k", seed=3, **options)
    made = [method.pairs(one, theirs[one.id], PairRule(**options), seed=3) for one in ours]
    assert [(str(row["id"]), row["chosen"].strip(), row["rejected"].strip()) for row in lines(tmp_path / "p")] == [
        (pair.id, pair.chosen, pair.rejected) for each in made if not isinstance(each, str) for pair in each
    ]
    assert summary.dropped == Counter(each for each in made if isinstance(each, str))
    assert summary.kept > 0 and len(summary.dropped) > 1


def test_grade_finds_gold_by_question(tmp_path: Path) -> None:
    """Ids differ; questions 1 and 3 are the same one, in other white space, and have one gold."""
    gold = written(tmp_path / "g.jsonl", {"question": "How  many?", "answer": "4"}, {"problem": "x", "question": "Why?",
                   "answer": "5"}, {"question": "How many? ", "answer": "4.0"})  # fmt: skip
    rows = [{"id": i, "question": q, "response": f"#### {a}"} for i, q, a in ((1, "How many?", 4), (2, "Why?", 6))]
    given = written(tmp_path / "r.jsonl", *rows, {**rows[0], "id": 3, "question": "How\nmany?"})
    summary = grade(gold, given, task="gsm8k", join="question")
    assert (summary.correct, summary.n, summary.questions) == (2, 3, 3)
    assert grade(gold, given, task="gsm8k").correct == 2  # 1, 2 and 3 are the numbers of the gold's rows
    moved = written(tmp_path / "m.jsonl", {**rows[0], "id": 2}, {**rows[1], "id": 1})
    with pytest.raises(UserError, match=r"m\.jsonl:1 \[question\]: id '2' has another question in .*g\.jsonl:2"):
        grade(gold, moved, task="gsm8k", only_shared=True)
    other = written(tmp_path / "r.jsonl", rows[0], {**rows[1], "question": "Who?"})
    with pytest.raises(UserError, match=r"r\.jsonl:2 \[question\]: the question of id '2' is not in .*g\.jsonl"):
        grade(gold, other, task="gsm8k", join="question")
    with pytest.raises(UserError, match=r"g\.jsonl:2 \[question\]: the question is not in .*r\.jsonl"):
        grade(gold, written(tmp_path / "r.jsonl", rows[0]), task="gsm8k", join="question")
    torn = written(tmp_path / "g.jsonl", {"question": "x", "answer": "4"}, {"question": "x ", "answer": "5"})
    with pytest.raises(UserError, match=r"g\.jsonl:2 \[answer\]: the question has another answer in .*g\.jsonl:1"):
        grade(torn, given, task="gsm8k", join="question")


def test_several_ids_with_one_question_have_their_own_majorities(tmp_path: Path) -> None:
    """Ids 1 and 2 ask the same. maj@2: id 1 says 4, 4 (right), id 2 says 5, 5 (wrong): 1/2. pass@2 the same."""
    gold = written(tmp_path / "g.jsonl", {"question": "x?", "answer": "4"})
    rows = [{"id": i, "question": "x?", "response": f"#### {i + 3}", "sample": s} for s in (0, 1) for i in (1, 2)]
    summary = grade(gold, written(tmp_path / "r.jsonl", *rows), task="gsm8k", join="question")
    assert summary.maj_at == {2: 0.5}
    assert summary.pass_at == {1: 0.5, 2: 0.5}


def test_grade_scores_as_the_harness_does(tmp_path: Path) -> None:
    """1: a mark; 2: no mark, but a last number; 3: "18.00" is no "18" for the harness; 4: nothing."""
    gold = gold_file(tmp_path, "Work.\n#### 7", 8, 18, 9)
    texts = {1: "So\n#### 7", 2: "It is $8.", 3: "#### 18.00", 4: "None."}
    given = written(tmp_path / "r.jsonl", *({"id": i, "question": "x?", "response": t} for i, t in texts.items()))
    verdicts = {}
    for scoring in ("lm-eval-strict", "lm-eval-flexible", "w2s"):
        summary = grade(gold, given, tmp_path / "o", task="gsm8k", scoring=scoring)
        verdicts[scoring] = [row["verdict"] for row in lines(tmp_path / "o")]
        assert all(("verdict_string" in row) == (scoring == "w2s") for row in lines(tmp_path / "o"))
        assert (summary.match_differs is None) == (scoring != "w2s")
    assert verdicts == {
        "lm-eval-strict": ["correct", "no_answer", "wrong", "no_answer"],
        "lm-eval-flexible": ["correct", "correct", "wrong", "no_answer"],
        "w2s": ["correct", "correct", "correct", "no_answer"],
    }
    with pytest.raises(UserError, match=r"\[--scoring\]: lm-eval-strict scores GSM8K only"):
        grade(gold, given, task="math", scoring="lm-eval-strict")


def test_olympicarena_answers_are_read_as_their_questions_ask(tmp_path: Path) -> None:
    """Letters in any order; and numbers up to the judge's difference of 1.01e-5."""
    several = "Pick. This is a multiple choice question (more than one correct answer)."
    asked = {1: several.replace("Pick. ", "Pick.\n"), 2: "How far?\nThe answer to this question is a numerical value."}
    gold = written(
        tmp_path / "g.jsonl", *({"id": i, "question": asked[i], "answer": a} for i, a in ((1, "AC"), (2, "2")))
    )
    texts = {1: r"So \boxed{C, A}.", 2: r"So \boxed{2.00001}."}
    given = written(tmp_path / "r.jsonl", *({"id": i, "question": asked[i], "response": t} for i, t in texts.items()))
    for match in ("equivalent", "string"):
        summary = grade(gold, given, tmp_path / "o", task="olympicarena", match=match)
        assert (summary.correct, summary.match_differs) == (2, 0)
    assert agree(given, again(given), tmp_path / "h", task="olympicarena", gold=gold).quality.correct == 2


def test_a_log_of_lm_eval_is_graded_against_itself(tmp_path: Path) -> None:
    """Two documents with two samples each, logged for two filters: 4 responses, 3 correct."""
    rows = [
        {"doc_id": n, "doc": {"question": f"{n}?", "answer": f"Work.\n#### {n}"}, "target": f"Work.\n#### {n}",
         "resps": [[f"#### {n}", f"#### {n + other}"]], "filtered_resps": [str(n)], "filter": name, "exact_match": 1.0}
        for name in ("strict-match", "flexible-extract")
        for n, other in ((0, 0), (1, 1))
    ]  # fmt: skip
    log, out = written(tmp_path / "samples_gsm8k.jsonl", *rows), tmp_path / "o.jsonl"
    summary = grade(log, log, out, task="gsm8k")
    assert (summary.correct, summary.n, summary.questions, summary.pass_at) == (3, 4, 2, {1: 0.75, 2: 1.0})
    assert lines(out)[3] == {
        "id": 1, "question": "1?", "response": "#### 2", "sample": 1, "target": "Work.\n#### 1",
        "filter": "strict-match", "exact_match": 1.0, "prediction": "2", "verdict": "wrong",
        "verdict_string": "wrong",
    }  # fmt: skip
    single = [{**row, "resps": [row["resps"][0][:1]]} for row in rows]  # type: ignore[index]
    log = written(tmp_path / "l.jsonl", *single)
    assert agree(log, again(log), tmp_path / "h", task="gsm8k", gold=log).kept == 2
    assert {frozenset(row) for row in lines(tmp_path / "h")} == {
        frozenset({"id", "source", "prompt", "completion", "prediction"})
    }


def test_a_repeated_sample_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    given = written(tmp_path / "r.jsonl", said(1, 1, sample=0), said(2, 1), said(1, 1, sample=0))
    with pytest.raises(UserError, match=r"r\.jsonl:3 \[id\]: id '1' already stands in .*r\.jsonl:1 with sample 0"):
        grade(gold_file(tmp_path, 1, 1), given, tmp_path / "o.jsonl", task="gsm8k")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["gold.jsonl", "r.jsonl"]


@pytest.mark.parametrize("options, field", [
    ({"confidence": 1.5}, "--confidence"), ({"reject_confidence": -0.1}, "--reject-confidence"),
    ({"reject_confidence": 1.1}, "--reject-confidence"), ({"max_pairs": 0}, "--max-pairs"),
    ({"confidence": float("nan")}, "--confidence"),
])  # fmt: skip
def test_pairs_refuse_thresholds_without_sense(tmp_path: Path, options: dict[str, Any], field: str) -> None:
    with pytest.raises(UserError, match=rf"\[{field}\]"):
        pairs(tmp_path / "w", tmp_path / "s", tmp_path / "p", task="gsm8k", **options)
