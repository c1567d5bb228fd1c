from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from w2s import files
from w2s.errors import UserError
from w2s.records import Question, Response


def written(file: Path, *rows: object) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def row(identity: object = 1, question: str = "x?", response: str = "#### 1", **more: Any) -> dict[str, Any]:
    return {"id": identity, "question": question, "response": response, **more}


def test_unknown_fields_are_kept_apart(tmp_path: Path) -> None:
    (read,) = files.responses(written(tmp_path / "r.jsonl", row(7, response=" so 1 \n", model="m", sample=3)))
    assert read.response == Response("7", "x?", "so 1", 3, {"model": "m"})
    assert read.row.fields["id"] == 7 and read.row.line == 1


def test_gzip_and_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = tmp_path / "r.jsonl.gz"
    data = (json.dumps(row("a")) + "\n").encode()
    packed.write_bytes(gzip.compress(data))
    assert files.responses(packed)[0].response.id == "a"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert files.responses("-")[0].response.id == "a"


def test_samples_are_told_apart_by_their_number(tmp_path: Path) -> None:
    file = written(tmp_path / "r.jsonl", row(sample=0), row(sample=1))
    assert [read.response.sample for read in files.responses(file, several=True)] == [0, 1]
    with pytest.raises(UserError, match=r"r\.jsonl:2 \[id\]: id '1' already stands in .*:1\n.*keep one response"):
        files.responses(file)
    unnumbered = written(tmp_path / "r.jsonl", row(), row())
    with pytest.raises(UserError, match=r'r\.jsonl:2 \[id\].*\n.*number the responses of each question: "sample"'):
        files.responses(unnumbered, several=True)


@pytest.mark.parametrize("bad, says", [
    ({"id": 1, "response": "a"}, r"\[question\]: question is missing"),
    (row(question=" "), r"\[question\]: question is empty"),
    ({"id": 1, "question": "x"}, r"\[response\]: response is missing"),
    (row(response=None), r"\[response\]: response is null"),  # type: ignore[arg-type]
    (row(response=["a"]), r"\[response\]: response is a list"),  # type: ignore[arg-type]
    (row(sample="0"), r"\[sample\]: '0' is not a sample number"),
    (row(1.5), r"\[id\]: 1.5 is not an id"),
])  # fmt: skip
def test_bad_rows_are_named(tmp_path: Path, bad: dict[str, Any], says: str) -> None:
    file = written(tmp_path / "r.jsonl", row(0), bad)
    with pytest.raises(UserError, match=rf"r\.jsonl:2 {says}"):
        files.responses(file, several=True)


def test_an_empty_response_is_a_response_and_an_empty_file_is_not(tmp_path: Path) -> None:
    assert files.responses(written(tmp_path / "r.jsonl", row(response="")))[0].response.response == ""
    with pytest.raises(UserError, match=r"r\.jsonl: the file has no rows"):
        files.responses(written(tmp_path / "r.jsonl"))


def test_questions_may_be_left_out_where_they_are_not_needed(tmp_path: Path) -> None:
    file = written(tmp_path / "r.jsonl", {"id": 1, "response": "a"})
    assert files.responses(file, question_needed=False)[0].response.question == ""


def test_one_id_has_one_question(tmp_path: Path) -> None:
    file = written(tmp_path / "r.jsonl", row(sample=0), row(question="y?", sample=1))
    with pytest.raises(UserError, match=r"r\.jsonl:2 \[question\]: id '1' has another question in .*r\.jsonl:1"):
        files.responses(file, several=True)


def test_match_names_the_first_id_that_only_one_file_has(tmp_path: Path) -> None:
    one = files.responses(written(tmp_path / "w.jsonl", row(1), row(2)))
    other = files.responses(written(tmp_path / "s.jsonl", row(3), row("2"), row(4), row("1")))
    with pytest.raises(UserError, match=r"s\.jsonl:1 \[id\]: id '3' \(and 1 more ids\) is not in .*w\.jsonl"):
        files.match(one, other)
    with pytest.raises(UserError, match=r"s\.jsonl:1 \[id\]"):
        files.match(other, one)
    same = files.responses(written(tmp_path / "s.jsonl", row("2"), row("1")))
    files.match(one, same)


def test_match_refuses_another_question_under_the_same_id(tmp_path: Path) -> None:
    one = files.responses(written(tmp_path / "w.jsonl", row(1)))
    other = files.responses(written(tmp_path / "s.jsonl", row(1, question="another?")))
    with pytest.raises(UserError, match=r"s\.jsonl:1 \[question\]: id '1' has another question in .*w\.jsonl:1"):
        files.match(one, other)


def test_questions_leave_gold_alone(tmp_path: Path) -> None:
    file = written(tmp_path / "q.jsonl", {"id": 1, "question": "x?", "answer": "7"})
    assert files.questions(file) == [Question("1", "x?")]
    assert files.gold_rows(file, "number")["1"][0].answer == "7"
