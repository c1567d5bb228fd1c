"""Grading steps on small files."""

from __future__ import annotations

from pathlib import Path

from w2s import jsonl
from w2s.config import FilesTask, Runtime
from w2s.flow.step import Context
from w2s.steps import evaluate


def test_precision_reads_an_answer_as_its_question_asks_whatever_the_prompt_looks_like(tmp_path: Path) -> None:
    """Two letters are an answer to the one question and none to the other; a prompt may hide the line that says so."""
    kinds = {"a": "more than one correct answer", "b": "only one correct answer"}
    questions = [
        {"id": id, "question": f"This is a multiple choice question ({kind}).\nWhich?"} for id, kind in kinds.items()
    ]
    gold = [row | {"answer": answer} for row, answer in zip(questions, (["A", "C"], "A"), strict=True)]
    jsonl.write(tmp_path / "gold.jsonl", gold)
    jsonl.write(tmp_path / "questions.jsonl", questions)
    text = r"The final answer is $\boxed{C, A}$"
    for side in ("chosen", "completion"):
        rows = [{"id": row["id"], "prompt": f"[INST] {row['question']} [/INST]", side: text} for row in questions]
        jsonl.write(tmp_path / "selection.jsonl", rows)
        found = evaluate.precision(
            Context(
                params={"style": "olympicarena", "match": "equivalent"},
                inputs={role: tmp_path / f"{role}.jsonl" for role in ("selection", "questions")},
                results={},
                output=tmp_path / "out",
                scratch=tmp_path,
                runtime=Runtime(),
                progress=lambda done, total, tokens=0: None,
                given={"task": FilesTask(name="olympicarena", train_2=str(tmp_path / "gold.jsonl"))},
            )
        )
        assert (found["correct"], found["n"]) == (1, 2)
