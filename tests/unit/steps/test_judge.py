"""What became of each question, on small files: answers, votes and decisions, with gold where there is some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from w2s.config import load, schema
from w2s.config.schema import Runtime
from w2s.data import jsonl
from w2s.errors import BranchEnds
from w2s.flow.step import Context, Step
from w2s.recipe import build
from w2s.records import Response
from w2s.steps import io, judge, rules
from w2s.steps.params import Resources

SHARED = {"style": "gsm8k", "match": "equivalent", "prompt": "?", "prompt_hash": ""}
SELECTIONS = {
    "stage1_iter1": judge.Decided(
        answers={"weak": "weak_answers", "strong": "icl_answers"}, agree=rules.Agree(**SHARED)
    ),
    "stage2_pairs": judge.Decided(
        answers={"weak": "weak_answers", "samples": "m_plus_samples"},
        pairs=rules.Pairs(**SHARED, confidence=0.6, reject_confidence=0.8, max_pairs=1, seed=0),
    ),
}
WEAK = {"a": "#### 1", "b": "#### 2", "c": "#### 3"}
ICL = {"a": "so #### 1", "b": "so #### 9", "c": "so #### 3"}
SAMPLES = {"a": "1 1 2", "b": "2 3 4", "c": "3 3 3"}


def responses(folder: Path, name: str, texts: dict[str, str], cut: str = "") -> Path:
    io.write_responses(folder / name, [Response(id, f"{id}?", t, cut=id in cut) for id, t in texts.items()], False)
    return folder / name


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    """a is kept and chosen; b disagrees, its vote is 1 of 3; the ICL answer of c is cut, and its samples all agree."""
    samples = [
        Response(id, f"{id}?", f"{k} #### {n}", k) for id, said in SAMPLES.items() for k, n in enumerate(said.split())
    ]
    io.write_responses(tmp_path / "samples", samples, True)
    jsonl.write(tmp_path / "agreed", [{"id": "a", "source": "weak"}, {"id": "a", "source": "icl"}])
    jsonl.write(tmp_path / "pairs", [{"id": "a", "weak_role": "chosen"}])
    return {
        "weak_answers": responses(tmp_path, "weak", WEAK),
        "icl_answers": responses(tmp_path, "icl", ICL, cut="c"),
        "m_plus_samples": tmp_path / "samples",
        "stage1_iter1": tmp_path / "agreed",
        "stage2_pairs": tmp_path / "pairs",
    }


def judged(folder: Path, inputs: dict[str, Path], gold: dict[str, Any]) -> dict[str, dict[str, Any]]:
    jsonl.write(
        folder / "task.jsonl",
        [
            {"id": id, "question": f"{id}?"} | (of if isinstance(of := gold.get(id, {}), dict) else {"answer": of})
            for id in "abc"
        ],
    )
    params = judge.Judge(style="gsm8k", match="equivalent", gold="", selections=SELECTIONS)
    context: Context[Any] = Context(
        params=params,
        inputs=inputs,
        results={},
        output=folder / "out.jsonl",
        scratch=folder,
        runtime=Runtime(),
        progress=lambda done, total, tokens=0: None,
        resources=Resources(task=schema.FilesTask(name="jsonl", train_2=str(folder / "task.jsonl"))),
    )
    assert judge.judged(context) == {"of": 3, "vote_share": {}}
    return {row["id"]: row for _, row in jsonl.read(context.output)}


def test_a_row_has_answers_votes_and_decisions(tmp_path: Path, inputs: dict[str, Path]) -> None:
    rows = judged(tmp_path, inputs, {})
    assert {id: row["decisions"] for id, row in rows.items()} == {
        "a": {"stage1_iter1": "kept", "stage2_pairs": "chosen"},
        "b": {"stage1_iter1": "disagree", "stage2_pairs": "low_confidence"},
        "c": {"stage1_iter1": "cut", "stage2_pairs": "all_samples_agree"},
    }
    assert rows["c"] == {
        "id": "c",
        "question": "c?",
        "answers": {
            "weak_answers": {"prediction": "3", "cut": False},
            "icl_answers": {"prediction": "3", "cut": True},
        },
        "votes": {"m_plus_samples": {"prediction": "3", "share": 1.0, "n": 3, "counts": {"3": 3}, "cut": 0}},
        "decisions": rows["c"]["decisions"],
    }
    votes = rows["a"]["votes"]["m_plus_samples"]
    assert (votes["counts"], votes["share"]) == ({"1": 2, "2": 1}, pytest.approx(2 / 3))


def test_gold_says_which_answers_are_right(tmp_path: Path, inputs: dict[str, Path]) -> None:
    """Gold is 1, 9 and 3: of b the ICL answer is right, and the vote, of 2, is wrong."""
    rows = judged(tmp_path, inputs, {"a": "1", "b": "9", "c": "3"})
    verdicts = {
        id: [row["gold"], *(each["verdict"] for each in [*row["answers"].values(), *row["votes"].values()])]
        for id, row in rows.items()
    }
    assert verdicts == {
        "a": ["1", "correct", "correct", "correct"],
        "b": ["9", "wrong", "correct", "wrong"],
        "c": ["3", "correct", "correct", "correct"],
    }


def test_gold_says_level_and_subject_where_it_has_some(tmp_path: Path, inputs: dict[str, Path]) -> None:
    rows = judged(tmp_path, inputs, {"a": {"answer": "1", "level": 2, "subject": "unit"}, "b": "9", "c": "3"})
    found = {id: {name: row.get(name) for name in ("gold", "level", "subject")} for id, row in rows.items()}
    assert found["a"] == {"gold": "1", "level": 2, "subject": "unit"}
    assert found["b"] == {"gold": "9", "level": None, "subject": None} and "level" not in rows["b"]


def test_what_has_ended_is_left_out(tmp_path: Path, inputs: dict[str, Path]) -> None:
    """Stage II made no pair: why is said all the same. Without samples there is no decision on pairs."""
    del inputs["stage2_pairs"]
    assert judged(tmp_path, inputs, {})["b"]["decisions"]["stage2_pairs"] == "low_confidence"
    del inputs["m_plus_samples"]
    rows = judged(tmp_path, inputs, {})
    assert rows["a"]["decisions"] == {"stage1_iter1": "kept"} and rows["a"]["votes"] == {}
    with pytest.raises(BranchEnds, match="no answers"):
        judged(tmp_path, {}, {})


@pytest.fixture
def steps() -> dict[str, Step]:
    sizes = ["task.train_1=5", "task.train_2=5", "task.test=5", "evaluation.samples=2"]
    return {step.name: step for step in build(load.load("tiny", sizes), True)}


def test_the_recipe_judges_every_selection_and_nothing_reads_what_has_gold(steps: dict[str, Step]) -> None:
    made = steps["judged_train_2"]
    assert {"weak_answers", "icl_answers", "m_plus_samples", "stage1_iter2", "stage2_pairs"} <= set(made.inputs)
    assert {*made.params.selections} >= {"stage1_iter1", "stage2_pairs", "control_stage1_iter1"}  # type: ignore[union-attr]
    graded = {name for name, step in steps.items() if step.kind == "evaluate"}
    assert graded >= {"judged_train_2", "evaluate_m_plus", "precision_stage1_iter1", "evaluate_samples_m_plus"}
    assert not [name for name, step in steps.items() if graded & {needed.name for needed in step.inputs.values()}]
