"""Files whose rows say that a text was cut at a token limit: it is not trained on, and counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import w2s
from w2s.data import jsonl
from w2s.data.rows import Row

QUESTION = {"question": "How many?"}


def written(path: Path, *rows: dict[str, Any]) -> Path:
    jsonl.write(path, [QUESTION | row for row in rows])
    return path


@pytest.mark.parametrize(
    ("fields", "cut"),
    [
        ({"cut": True}, True),
        ({"finish_reason": "length"}, True),
        ({"cut": False, "finish_reason": "stop"}, False),
        ({}, False),
        ({"cut": "brilliant"}, False),  # a field of the user's own
        ({"finish_reason": None}, False),
    ],
)
def test_what_says_that_a_text_is_cut(fields: dict[str, Any], cut: bool) -> None:
    assert Row("f", 1, fields).cut is cut


LAYOUTS = {
    "w2s": lambda id, text: {"id": id, "question": "How many?", "response": text},
    "gair": lambda id, text: {"id": id, "prompt": "How many?", "response": text},
    "trl": lambda id, text: {"id": id, "prompt": "How many?", "completion": text},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mark", [{"cut": True}, {"finish_reason": "length"}])
def test_agree_drops_a_question_with_a_cut_text(tmp_path: Path, layout: str, mark: dict[str, Any]) -> None:
    """a and b agree; of b the strong text is cut."""
    row = LAYOUTS[layout]
    jsonl.write(tmp_path / "weak.jsonl", [row("a", "#### 1"), row("b", "#### 2")])
    jsonl.write(tmp_path / "strong.jsonl", [row("a", "so #### 1"), row("b", "so #### 2") | mark])
    files = tmp_path / "weak.jsonl", tmp_path / "strong.jsonl", tmp_path / "out.jsonl"
    summary = w2s.agree(*files, task="gsm8k")
    assert (summary.kept, summary.of, summary.dropped) == (1, 2, {"cut": 1})
    assert [row["id"] for _, row in jsonl.read(files[2])] == ["a", "a"]
    assert "dropped 1: cut" in summary.lines()


def test_pairs_reject_no_cut_sample_and_count_it_in_the_vote(tmp_path: Path) -> None:
    """Of a the only other answer is cut, of b one of two is; the vote is 2 of 3 and 2 of 4."""
    weak = written(tmp_path / "weak.jsonl", *({"id": id, "response": "#### 1"} for id in "ab"))
    said = [("a", "1"), ("a", "1"), ("a", "2"), ("b", "1"), ("b", "1"), ("b", "2"), ("b", "3")]
    rows = [{"id": id, "response": f"{n} #### {answer}", "sample": n} for n, (id, answer) in enumerate(said)]
    rows[2] |= {"cut": True}
    rows[5] |= {"finish_reason": "length"}
    samples = written(tmp_path / "samples.jsonl", *rows)
    summary = w2s.pairs(weak, samples, tmp_path / "out.jsonl", task="gsm8k", confidence=0.5)
    assert (summary.kept, summary.of, summary.dropped) == (1, 2, {"cut": 1})
    ((_, pair),) = jsonl.read(tmp_path / "out.jsonl")
    assert (pair["id"], pair["rejected"], pair["confidence"]) == ("b", " 6 #### 3", 0.5)


def test_grade_keeps_the_mark(tmp_path: Path) -> None:
    written(tmp_path / "gold.jsonl", {"id": "a", "answer": "1"})
    written(tmp_path / "r.jsonl", {"id": "a", "response": "#### 1", "cut": True, "tokens": 3})
    w2s.grade(tmp_path / "gold.jsonl", tmp_path / "r.jsonl", tmp_path / "out.jsonl", task="gsm8k")
    ((_, row),) = jsonl.read(tmp_path / "out.jsonl")
    assert (row["cut"], row["tokens"], row["verdict"]) == (True, 3, "correct")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"match": "exact"}, "no match is called 'exact'"),
        ({"scoring": "lm-eval"}, r"no scoring is called 'lm-eval' \(did you mean 'lm-eval-"),
        ({"layout": "trll"}, r"no layout is called 'trll' \(did you mean 'trl'"),
        ({"join": "questions"}, r"no join is called 'questions' \(did you mean 'question'"),
    ],
)
def test_a_name_that_does_not_exist_is_no_default(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    gold = written(tmp_path / "gold.jsonl", {"id": "a", "answer": "1"})
    with pytest.raises(w2s.UserError, match=message):
        w2s.grade(gold, gold, task="gsm8k", **options)


def test_nor_is_one_of_the_functions_on_answers() -> None:
    for call in (
        lambda: w2s.answers.key("1", "string_equal"),  # type: ignore[arg-type]
        lambda: w2s.answers.grade("1", "1", "exact"),  # type: ignore[arg-type]
        lambda: w2s.answers.extract("#### 1", "gsm"),  # type: ignore[arg-type]
        lambda: w2s.answers.AnswerRule("gsm8k", "value"),  # type: ignore[arg-type]
    ):
        with pytest.raises(w2s.UserError, match="is called"):
            call()
