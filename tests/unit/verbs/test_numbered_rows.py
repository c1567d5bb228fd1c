"""Rows without ids are joined by their number only where nothing else can be meant, with gold and --questions too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from response_files import agree, pairs, said, written

import w2s
from w2s.errors import UserError

APART = "nothing says which belong together"


def rows(first: int, *answers: object, without: tuple[str, ...] = (), **more: Any) -> list[dict[str, Any]]:
    """Responses to the questions `first`, `first` + 1, ..., without some columns."""
    found = [said(first + n, answer, **more) for n, answer in enumerate(answers)]
    return [{name: value for name, value in row.items() if name not in without} for row in found]


def golds(folder: Path, first: int, *answers: int, texts: bool = False) -> Path:
    """Gold without ids."""
    asked = [{"question": f"How many, {first + n}?"} if texts else {} for n in range(len(answers))]
    given = [{**text, "answer": str(answer)} for text, answer in zip(asked, answers, strict=True)]
    return written(folder / "gold.jsonl", *given)


def test_gold_without_ids_is_not_the_neighbour_s(tmp_path: Path) -> None:
    """Ids from 0: id 1 is the second question, and number 1 the first row of gold. Question 0 is not kept."""
    weak = written(tmp_path / "weak.jsonl", *rows(0, 5, 6, 7))
    strong = written(tmp_path / "strong.jsonl", *rows(0, 1, 6, 7, by="strong"))
    samples = written(tmp_path / "samples.jsonl", *rows(1, 9, 9, by="samples"))
    out = tmp_path / "out.jsonl"
    for texts, says in ((False, rf"gold\.jsonl:1 \[id\]: (.|\n)*{APART}"), (True, r"'1' has another question in .*:1")):
        gold = golds(tmp_path, 0, 5, 6, 7, texts=texts)
        with pytest.raises(UserError, match=says):
            agree(weak, strong, out, task="gsm8k", gold=gold)
        with pytest.raises(UserError, match=says):
            pairs(weak, samples, out, task="gsm8k", gold=gold, only_shared=True)
    assert not out.exists()


def test_gold_without_ids_serves_ids_that_are_its_numbers_where_both_have_the_questions(tmp_path: Path) -> None:
    """Kept: 1 and 2, of which 1 is right."""
    weak = written(tmp_path / "weak.jsonl", *rows(1, 5, 6, 7))
    strong = written(tmp_path / "strong.jsonl", *rows(1, 5, 6, 1))
    summary = agree(weak, strong, tmp_path / "out", task="gsm8k", gold=golds(tmp_path, 1, 5, 1, 7, texts=True))
    assert summary.quality is not None and (summary.quality.correct, summary.quality.kept) == (1, 2)


def test_files_and_gold_without_ids_have_equally_many_rows(tmp_path: Path) -> None:
    weak = written(tmp_path / "weak.jsonl", *rows(1, 5, 6, without=("id",)))
    strong = written(tmp_path / "strong.jsonl", *rows(1, 5, 6, without=("id",), by="strong"))
    out = tmp_path / "out.jsonl"
    summary = agree(weak, strong, out, task="gsm8k", gold=golds(tmp_path, 1, 5, 6))
    assert summary.quality is not None and (summary.quality.correct, summary.quality.kept) == (2, 2)
    with pytest.raises(UserError, match=rf"weak\.jsonl:1 \[id\]: .*has another number of rows: {APART}"):
        agree(weak, strong, out, task="gsm8k", gold=golds(tmp_path, 1, 5, 6, 7))


def test_calibration_without_ids_is_not_the_neighbour_s(tmp_path: Path) -> None:
    def select(first: int, gold: Path, *without: str) -> Any:
        answers = {
            by: written(tmp_path / f"{by}.jsonl", *rows(first, 5, 6, 7, 8, without=without, by=by))
            for by in ("weak", "icl")
        }
        return w2s.select(answers, tmp_path / "out.jsonl", task="gsm8k", by="agreement", calibration=gold)

    with pytest.raises(UserError, match=rf"gold\.jsonl:1 \[id\]: (.|\n)*{APART}"):
        select(0, golds(tmp_path, 0, 5, 6))
    with pytest.raises(UserError, match=r"'1' has another question in .*gold\.jsonl:1"):
        select(0, golds(tmp_path, 0, 5, 6, texts=True))
    with pytest.raises(UserError, match=rf"weak\.jsonl:1 \[id\]: .*has another number of rows: {APART}"):
        select(1, golds(tmp_path, 1, 5, 6), "id")
    summary = select(1, golds(tmp_path, 1, 5, 6, texts=True))
    assert (summary.calibration, summary.of) == (2, 2)
    assert select(1, golds(tmp_path, 1, 5, 6, texts=True), "id").calibration == 2


def test_texts_of_questions_do_not_join_files(tmp_path: Path) -> None:
    """The second file has the rows in another order: its ids say so, and the first has none."""
    asked = written(tmp_path / "asked.jsonl", *({"id": n, "question": f"How many, {n}?"} for n in (1, 2)))
    bare = written(tmp_path / "bare.jsonl", *rows(1, 5, 6, without=("id", "question")))
    other = written(tmp_path / "other.jsonl", *rows(1, 5, 6, without=("id", "question"), by="other"))
    named = written(tmp_path / "named.jsonl", *rows(1, 5, 6, without=("question",))[::-1])
    whole = written(tmp_path / "whole.jsonl", *rows(1, 5, 6, by="whole")[::-1])
    given: dict[str, Any] = {"task": "gsm8k", "questions": asked}
    out = tmp_path / "out.jsonl"
    for first, second in ((bare, named), (named, bare), (bare, whole), (whole, bare)):
        with pytest.raises(UserError, match=rf"bare\.jsonl:\d \[id\]: (.|\n)*{APART}"):
            agree(first, second, out, **given)
    assert agree(bare, other, out, **given).kept == 2  # equally many rows
    assert agree(named, whole, out, **given).kept == 2
    gold = golds(tmp_path, 1, 5, 6, texts=True)
    again = written(tmp_path / "again.jsonl", *rows(1, 5, 6, without=("question",)))
    with pytest.raises(UserError, match=rf"gold\.jsonl:\d \[id\]: (.|\n)*{APART}"):
        agree(named, again, out, **given, gold=gold)
    quality = agree(named, whole, out, **given, gold=gold).quality  # the second file has the questions
    assert quality is not None and quality.correct == 2


def test_gold_of_another_split_with_the_same_ids_is_refused(tmp_path: Path) -> None:
    """All three are kept, and all three texts differ: a share that is right would be by chance."""
    weak = written(tmp_path / "weak.jsonl", *rows(0, 5, 6, 7))
    strong = written(tmp_path / "strong.jsonl", *rows(0, 5, 6, 7, by="strong"))
    gold = written(
        tmp_path / "gold.jsonl", *({"id": str(n), "question": f"Who, {n}?", "answer": str(5 + n)} for n in range(3))
    )
    with pytest.raises(UserError, match=r"weak\.jsonl \[question\]: most of its ids have other questions"):
        agree(weak, strong, tmp_path / "out.jsonl", task="gsm8k", gold=gold)
    with pytest.raises(UserError, match="most of its ids have other questions"):
        answers = {"weak": weak, "strong": strong}
        w2s.select(answers, tmp_path / "out.jsonl", task="gsm8k", by="agreement", calibration=gold)
    assert not (tmp_path / "out.jsonl").exists()
