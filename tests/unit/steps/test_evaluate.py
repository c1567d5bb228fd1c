"""Grading steps on small files."""

from __future__ import annotations

from pathlib import Path

from w2s import jsonl
from w2s.config import FilesTask, Runtime
from w2s.flow.step import Context
from w2s.steps import evaluate


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
        assert (found["correct"], found["n"]) == (1, 1)
