"""Grading steps on small files: accuracy by group, and the precision of a selection with and without what was added."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from step_params import params_of

from w2s import verbs
from w2s.config import schema
from w2s.config.schema import Runtime
from w2s.data import jsonl
from w2s.flow.step import Context
from w2s.prompting import Plain
from w2s.steps import evaluate
from w2s.steps.params import Resources

TASK_ROWS = [
    {"id": "a", "question": "Qa", "answer": "1", "level": "Level 1", "subject": "Algebra"},
    {"id": "b", "question": "Qb", "answer": "2", "level": "Level 5", "subject": "Algebra"},
    {"id": "c", "question": "Qc", "answer": "3", "level": "Level 5", "subject": "Geometry"},
    {"id": "d", "question": "Qd", "answer": "4"},
]


def context(folder: Path, role: str, rows: list[dict[str, Any]], **params: Any) -> Context[Any]:
    jsonl.write(folder / "task.jsonl", TASK_ROWS)
    jsonl.write(folder / f"{role}.jsonl", rows)
    file = str(folder / "task.jsonl")
    return Context(
        params=params_of(evaluate.sampled_accuracy, {"style": "math", "match": "equivalent", "model": "m", **params}),
        inputs={role: folder / f"{role}.jsonl", "questions": folder / "task.jsonl"},
        results={},
        output=folder / "out.jsonl",
        scratch=folder,
        runtime=Runtime(),
        progress=lambda done, total, tokens=0: None,
        resources=Resources(task=schema.FilesTask(name="math", train_2=file, test=file)),
    )


def test_accuracy_is_told_by_level_and_by_subject(tmp_path: Path) -> None:
    """a and c are right; b, of level 5 and Algebra, is not; d, right, has neither level nor subject.

    Wilson, z^2 = 3.8415. 1 of 1: from 1 / (1 + z^2) = 0.2065 to 1.
    1 of 2: 1/2 -+ z / (2 sqrt(2 + z^2)) = 1/2 -+ 0.4055.
    """
    said = {"a": 1, "b": 9, "c": 3, "d": 4}
    rows = [{"id": i, "question": f"Q{i}", "response": f"The answer is: {n}"} for i, n in said.items()]
    found = evaluate.accuracy(context(tmp_path, "responses", rows))
    assert (found["correct"], found["n"]) == (3, 4)
    one_of_one = {"correct": 1, "n": 1, "ci95": pytest.approx([0.2065, 1], abs=1e-4)}
    one_of_two = {"correct": 1, "n": 2, "ci95": pytest.approx([0.0945, 0.9055], abs=1e-4)}
    assert found["per_level"] == {"1": one_of_one, "5": one_of_two}
    assert found["per_subject"] == {"Algebra": one_of_two, "Geometry": one_of_one}
    written = [row for _, row in jsonl.read(tmp_path / "out.jsonl")]
    assert [row["gold"] for row in written] == ["1", "2", "3", "4"]
    assert [(row["level"], row["subject"]) for row in written] == [
        (1, "Algebra"), (5, "Algebra"), (5, "Geometry"), (None, None),
    ]  # fmt: skip


@pytest.mark.parametrize("match, verdicts", [
    ("equivalent", ["correct", "correct", "wrong", "no_answer"]),
    ("string", ["correct", "no_answer", "wrong", "no_answer"]),
])  # fmt: skip
def test_an_answer_is_read_as_strictly_as_the_match_says_and_as_the_verb_reads_it(
    tmp_path: Path, match: str, verdicts: list[str]
) -> None:
    """b says its 2 in a box, which the released code does not read; c says 4 where 3 is right, d says nothing."""
    said = {"a": "The answer is: 1", "b": r"So \boxed{2}.", "c": "The answer is: 4", "d": "I do not know."}
    rows = [{"id": i, "question": f"Q{i}", "response": text} for i, text in said.items()]
    step = context(tmp_path, "responses", rows, match=match)
    found = evaluate.accuracy(step)
    assert [row["verdict"] for _, row in jsonl.read(step.output)] == verdicts
    assert found["no_answer"] == verdicts.count("no_answer") / 4
    files = tmp_path / "task.jsonl", tmp_path / "responses.jsonl", tmp_path / "graded.jsonl"
    verbs.grade(*files, rule=verbs.AnswerRule("math", match))  # type: ignore[arg-type]
    assert [row["verdict"] for _, row in jsonl.read(files[2])] == verdicts
    sampled = evaluate.sampled_accuracy(replace(step, params=step.params.model_copy(update={"k": (1,)})))
    assert sampled["pass_at_k"] == {"1": found["accuracy"]}
    judged = evaluate.precision(context(tmp_path, "selection", rows, match=match))
    assert (judged["correct"], judged["n"]) == (verdicts.count("correct"), 4)


class Turns(Plain):
    """A format that ends each turn with a mark of its own."""

    def completion(self, response: str) -> str:
        return f"{super().completion(response)}<end>\n"

    def stop(self, demonstrated: bool) -> tuple[str, ...]:
        return ("<end>",)


@pytest.mark.parametrize("match", ["equivalent", "string"])
def test_the_mark_that_ends_a_turn_is_no_part_of_an_answer(tmp_path: Path, match: str) -> None:
    row = {"id": "a", "chosen": Turns().completion("The answer is: 1")}
    step = context(tmp_path, "selection", [row], match=match)
    assert evaluate.precision(replace(step, resources=replace(step.resources, builder=Turns())))["precision"] == 1.0


def pair(identity: str, weak: int, icl: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"id": identity, "source": source, "prompt": "Question: ?", "completion": f" The answer is: {n}", **more}
        for source, n in (("weak", weak), ("icl", icl))
    ]


def test_the_precision_of_an_agreement_counts_each_question_once(tmp_path: Path) -> None:
    found = evaluate.precision(context(tmp_path, "selection", pair("a", 1, 1) + pair("b", 9, 9)))
    assert found == {"precision": 0.5, "ci95": [pytest.approx(0.0945, abs=1e-4), pytest.approx(0.9055, abs=1e-4)],
                     "correct": 1, "n": 2}  # fmt: skip


def test_what_was_added_has_a_precision_of_its_own(tmp_path: Path) -> None:
    """Kept: a, right. Added: b, whose weak text is wrong (the other one does not count), and c, right: 1 of 2."""
    rows = pair("a", 1, 1) + pair("b", 9, 2, added=True) + pair("c", 3, 8, added=True)
    found = evaluate.precision(context(tmp_path, "selection", rows))
    assert (found["precision"], found["correct"], found["n"]) == (1.0, 1, 1)
    assert (found["added_precision"], found["added_correct"], found["added_n"]) == (0.5, 1, 2)
    assert found["added_ci95"] == [pytest.approx(0.0945, abs=1e-4), pytest.approx(0.9055, abs=1e-4)]


def test_where_nothing_was_kept_its_precision_is_unknown(tmp_path: Path) -> None:
    found = evaluate.precision(context(tmp_path, "selection", pair("a", 1, 1, added=True)))
    assert (found["precision"], found["ci95"], found["added_precision"]) == (None, None, 1.0)


def test_a_sample_is_right_where_the_same_greedy_answer_is(tmp_path: Path) -> None:
    """2.00001 is within 1.01e-5 of 2, and two of three samples say so: pass@1 = 2/3, and the vote is right.

    The verb says the same of the same files.
    """
    question = {"id": "a", "question": "How far?\nThe answer to this question is a numerical value."}
    said = ["2.00001", "2.00001", "5"]
    rows = [{**question, "response": rf"So \boxed{{{text}}}.", "sample": k} for k, text in enumerate(said)]
    step = context(tmp_path, "responses", rows, style="olympicarena", k=[1, 3])
    jsonl.write(tmp_path / "gold.jsonl", [question | {"answer": "2"}])
    task = schema.FilesTask(name="olympicarena", train_2="-", test=str(tmp_path / "gold.jsonl"))
    found = evaluate.sampled_accuracy(replace(step, resources=Resources(task=task)))
    assert found["pass_at_k"] == pytest.approx({"1": 2 / 3, "3": 1.0})
    assert found["maj_at_k"] == {"1": 1.0, "3": 1.0}
    assert found["pass_at_k_ci95"] == {"1": [0, 1], "3": [0, 1]}  # one question
    summary = verbs.grade(tmp_path / "gold.jsonl", tmp_path / "responses.jsonl", rule=verbs.AnswerRule("olympicarena"))
    assert (summary.pass_at, summary.maj_at) == (pytest.approx({1: 2 / 3, 3: 1.0}), {3: 1.0})
    jsonl.write(tmp_path / "responses.jsonl", rows[:1])
    assert evaluate.accuracy(replace(step, resources=Resources(task=task)))["accuracy"] == 1.0


def test_the_intervals_of_pass_and_maj_are_over_questions(tmp_path: Path) -> None:
    """a is right in both of two samples, b in one, c in none; d as c. pass@1: scores 1, 1/2, 0, 0, and 0 and 1 added:
    mean 2.5 / 6 = 0.416667, squares 2.25 / 6 = 0.375, variance 0.201389, / 5 = 0.0402778, root 0.200693, times
    2.57058 = 0.515897: 0 to 0.932564. maj@2: b is a tie, so the same scores.
    """
    said = {"a": (1, 1), "b": (2, 9), "c": (0, 0), "d": (0, 0)}
    rows = [
        {"id": i, "question": f"Q{i}", "response": f"The answer is: {n}", "sample": k}
        for i, two in said.items()
        for k, n in enumerate(two)
    ]
    found = evaluate.sampled_accuracy(context(tmp_path, "responses", rows, k=[1, 2]))
    assert found["pass_at_k"] == {"1": 0.375, "2": 0.5}
    assert found["pass_at_k_ci95"]["1"] == pytest.approx([0, 0.932564], abs=1e-6)
    assert found["maj_at_k_ci95"]["2"] == found["pass_at_k_ci95"]["1"]


def test_precision_reads_an_answer_as_its_question_asks_whatever_the_prompt_looks_like(tmp_path: Path) -> None:
    """T is True where the question asks for True or False; a prompt may hide the line that says so."""
    question = {"id": "a", "question": "This is a True or False question.\nIs it?"}
    jsonl.write(tmp_path / "questions.jsonl", [question])
    jsonl.write(tmp_path / "gold.jsonl", [question | {"answer": "True"}])
    for side in ("chosen", "completion"):
        row = {"id": "a", "prompt": f"[INST] {question['question']} [/INST]", side: r"The final answer is $\boxed{T}$"}
        jsonl.write(tmp_path / "selection.jsonl", [row])
        found = evaluate.precision(
            Context(
                params=params_of(evaluate.precision, {"style": "olympicarena", "match": "equivalent"}),
                inputs={role: tmp_path / f"{role}.jsonl" for role in ("selection", "questions")},
                results={},
                output=tmp_path / "out",
                scratch=tmp_path,
                runtime=Runtime(),
                progress=lambda done, total, tokens=0: None,
                resources=Resources(task=schema.FilesTask(name="olympicarena", train_2=str(tmp_path / "gold.jsonl"))),
            )
        )
        assert (found["correct"], found["n"]) == (1, 1)


def test_graded_rows_say_what_was_cut_and_how_long_it_was(tmp_path: Path) -> None:
    """Of an earlier version's rows the tokens are not known; what it reuses was not cut."""
    rows = [
        {"id": "a", "question": "Qa", "response": "The answer is: 1", "tokens": 5, "cut": True},
        {"id": "b", "question": "Qb", "response": "The answer is: 2"},
    ]
    step = context(tmp_path, "responses", rows)
    evaluate.accuracy(step)
    assert [(row["cut"], row["tokens"], row["verdict"]) for _, row in jsonl.read(step.output)] == [
        (True, 5, "correct"), (False, None, "correct"),
    ]  # fmt: skip
