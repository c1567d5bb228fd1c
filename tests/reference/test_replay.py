"""The paper's Stage I set of Llama2-7b on GSM8K, rebuilt by `w2s agree` from the released texts, question for question.

Released are the weak model's answers to all 7,000 questions, and the ICL answers to the 2,683 that were kept. So it can
be shown that nothing of the released set is missing and that its texts are these; of the other 4,317 questions nobody
can, since their ICL texts are not public.

The released code refuses two texts without an answer (`pred != ''`, in all of its history); the released set holds 8
such questions, all cut off at the token limit: it was made by a rule under which nothing equals nothing.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from w2s import cli
from w2s.answers import AnswerRule, answered
from w2s.data import jsonl
from w2s.method.agreement import select
from w2s.method.selector import Judged, Selected
from w2s.records import Answered, Response

RULE = AnswerRule("gsm8k", "string")
UNFINISHED = {789, 1168, 1551, 2703, 4038, 4273, 4735, 6124}
"""Questions of the released set on which neither text states an answer."""


@pytest.fixture(scope="module")
def outputs(reference_data: Path) -> dict[int, dict[str, Any]]:
    file = reference_data / "gair" / "outputs" / "gsm8k_train_2_llama2_7b.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return {row["id"]: row for row in rows}


@pytest.fixture(scope="module")
def released(reference_data: Path) -> dict[str, list[dict[str, Any]]]:
    folder = reference_data / "gair" / "train"
    return {
        name: json.loads((folder / f"gsm8k_llama2_7b_{name}.json").read_text(encoding="utf-8"))
        for name in ("iter1_weak", "iter1_icl", "iter1_hybrid", "iter2_hybrid_paired")
    }


def string(row: dict[str, Any], field: str) -> Answered:
    return answered(Response(str(row["id"]), "", row[field]), RULE)


def test_the_released_set_is_made_of_the_released_weak_texts(outputs: Any, released: Any) -> None:
    assert len(released["iter1_weak"]) == 2683
    assert all(outputs[row["id"]]["response"] == row["output"] for row in released["iter1_weak"])
    assert all(outputs[row["id"]]["prompt"] == row["content"] for row in released["iter1_weak"])


def test_no_question_is_missing_but_those_without_an_answer_on_either_side(outputs: Any, released: Any) -> None:
    """From all 7,000 weak texts and the ICL texts: 2,675 agree, 8 state nothing twice, 4,317 have no ICL text."""
    icl = {row["id"]: string(row, "output") for row in released["iter1_icl"]}
    weak = {id: string(row, "response") for id, row in outputs.items()}
    assert len(weak.keys() - icl.keys()) == 4317 and icl.keys() <= weak.keys()
    judged = [Judged({"weak": weak[id], "strong": icl[id]}, match="string") for id in weak if id in icl]
    found = [select(each, nothing_agrees=False) for each in judged]
    assert Counter(each for each in found if isinstance(each, str)) == {"weak_no_answer": 8}
    dropped = {int(one.weak.id) for one, each in zip(judged, found, strict=True) if isinstance(each, str)}
    assert dropped == UNFINISHED
    assert [each.weak.id for each in found if isinstance(each, Selected)] == [
        str(row["id"]) for row in released["iter1_weak"] if row["id"] not in UNFINISHED
    ]


def test_where_nothing_equals_nothing_the_released_set_comes_out_whole(outputs: Any, released: Any) -> None:
    """The rule of the released set: the string forms are equal, two empty ones too."""
    kept = [
        row["id"]
        for row in released["iter1_icl"]
        if (string(outputs[row["id"]], "response").key or "") == (string(row, "output").key or "")
    ]
    assert kept == [row["id"] for row in released["iter1_weak"]]
    unfinished = [row for row in released["iter1_icl"] if row["id"] in UNFINISHED]
    assert all(string(row, "output").key is None is string(outputs[row["id"]], "response").key for row in unfinished)


def test_the_verb_rebuilds_the_released_rows(reference_data: Path, released: Any, tmp_path: Path) -> None:
    """`w2s agree` on the released files: all 7,000 weak outputs, and the ICL texts. By string, nothing is nothing."""
    weak = reference_data / "gair" / "outputs" / "gsm8k_train_2_llama2_7b.jsonl"
    icl, out = tmp_path / "icl.jsonl", tmp_path / "hybrid.jsonl.gz"
    jsonl.write(icl, released["iter1_icl"])
    arguments = ["agree", "--task", "gsm8k", "--weak", str(weak), "--strong", str(icl), "--out", str(out)]
    assert cli.main([*arguments, "--match", "string", "--only-shared"]) == 0
    with gzip.open(out, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    expected = released["iter1_hybrid"]
    assert [row["id"] for row in rows] == [row["id"] for row in expected]
    assert [row["source"] for row in rows] == ["weak", "icl"] * 2683
    assert [row["prompt"].strip() for row in rows] == [row["content"].strip() for row in expected]
    assert [row["completion"] for row in rows] == [" " + row["output"].strip() for row in expected]


def test_the_documented_command_rebuilds_the_set(w2s: Any, reference_data: Path, released: Any, tmp_path: Path) -> None:
    """The command of docs/paper.md in a process of its own: its output word for word, and the set row for row."""
    for name in ("outputs", "train"):
        (tmp_path / name).symlink_to(reference_data / "gair" / name)
    page = (Path(__file__).resolve().parents[2] / "docs" / "paper.md").read_text(encoding="utf-8")
    command, output = re.findall(r"```\n(w2s agree .*?)```\n\n```\n(.*?)```", page, re.DOTALL)[0]
    verb, *arguments = command.replace("\\\n", " ").split()
    assert verb == "w2s" and arguments[-2] == "--out"
    done = w2s(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, output), done.stderr
    rows = [row for _, row in jsonl.read(tmp_path / arguments[-1])]
    expected = released["iter1_hybrid"]
    assert len({row["id"] for row in rows}) == 2683
    assert [(row["id"], row["completion"].strip()) for row in rows] == [
        (row["id"], row["output"].strip()) for row in expected
    ]


def test_stage_2_pairs_hold_the_weak_text_once_and_against_another_answer(outputs: Any, released: Any) -> None:
    """2,563 pairs: the weak text is chosen in 866 and rejected in 1,697, and the two answers are never the same."""
    roles = {"chosen": 0, "rejected": 0}
    for row in released["iter2_hybrid_paired"]:
        chosen, rejected = row["output"]
        weak = outputs[row["id"]]
        assert (chosen == weak["response"]) != (rejected == weak["response"])
        roles["chosen" if chosen == weak["response"] else "rejected"] += 1
        keys = [answered(Response("", "", text), RULE).key for text in (chosen, rejected)]
        assert keys[0] is not None and keys[0] != keys[1]
    assert roles == {"chosen": 866, "rejected": 1697}
