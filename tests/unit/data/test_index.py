from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from response_files import written

from w2s.data import index as files
from w2s.data.index import Index, Reader
from w2s.errors import UserError


def row(identity: object = 1, question: str = "x?", response: Any = "#### 1", **more: Any) -> dict[str, Any]:
    return {"id": identity, "question": question, "response": response, **more}


def log(identity: int, *texts: str, **more: Any) -> dict[str, Any]:
    return {"doc_id": identity, "doc": {"question": "x?"}, "resps": [list(texts)], **more}


def texts(index: Index, identity: str) -> list[tuple[str, int]]:
    return [(raw.response, sample) for raw, sample in index.read(index.ids[identity])]


def test_a_stream_gives_responses_with_their_rows(tmp_path: Path) -> None:
    reader = Reader()
    file = written(tmp_path / "r.jsonl", row(7, model="m", sample=3), row("8"))
    (first, raw), (second, _) = files.responses(file, reader)
    assert (raw.id, raw.sample, raw.rest, first.line, second.line) == (7, 3, {"model": "m"}, 1, 2)
    assert reader.layout.name == "w2s" and reader.notes() == []
    with pytest.raises(UserError, match=r"r\.jsonl: the file has no rows"):
        list(files.responses(written(tmp_path / "r.jsonl"), Reader()))


def test_an_index_reads_what_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weak = written(tmp_path / "w.jsonl", row("b"), row(1))
    rows = [row(1, response="p", sample=1), row("b", response="q", sample=70), row("1", response="r", sample=0)]
    data = "".join(json.dumps(each) + "\n" for each in rows).encode()
    packed, array = tmp_path / "s.jsonl.gz", tmp_path / "s.json"
    packed.write_bytes(gzip.compress(data))
    array.write_text(json.dumps(rows, indent=4))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    with Index(weak) as first:
        for file in (written(tmp_path / "s.jsonl", *rows), packed, array, "-"):
            with Index(file, several=True, beside=first) as second:
                assert list(second.ids) == ["b", "1"]
                assert texts(second, "1") == [("p", 1), ("r", 0)]
                assert texts(second, "b") == [("q", 70)]
                assert second.row(second.ids["b"]).line >= 2


@pytest.mark.parametrize("sample", [0, 63, 64, 10**9])
def test_a_sample_number_comes_once(tmp_path: Path, sample: int) -> None:
    once = [row(sample=sample), row(2, sample=sample), row(sample=sample + 1)]
    Index(written(tmp_path / "r.jsonl", *once), several=True).close()
    twice = written(tmp_path / "r.jsonl", *once, row(sample=sample))
    with pytest.raises(
        UserError, match=rf"r\.jsonl:4 \[id\]: id '1' already stands in .*:1 with sample {sample}\n.*nu"
    ):
        Index(twice, several=True)
    with pytest.raises(UserError, match=r"r\.jsonl:3 \[id\]: id '1' already stands in .*:1\n.*keep one response"):
        Index(twice)


@pytest.mark.parametrize("bad, says", [
    (row(question=" "), r"\[question\]: question is empty"),
    ({"id": 1, "question": "x"}, r"\[response\]: response is missing"),
    (row(response=None), r"\[response\]: response is null"),
    (row(response=["a"]), r"\[response\]: response is a list"),
    (row(sample="0"), r"\[sample\]: '0' is not a sample number"),
    (row(1.5), r"\[id\]: 1.5 is not an id"),
    (row(0, question="y?", sample=1), r"\[question\]: id '0' has another question in .*r\.jsonl:1"),
])  # fmt: skip
def test_bad_rows_are_named(tmp_path: Path, bad: dict[str, Any], says: str) -> None:
    file = written(tmp_path / "r.jsonl", row(0), bad)
    with pytest.raises(UserError, match=rf"r\.jsonl:2 {says}"):
        Index(file, several=True)


def test_an_index_needs_the_questions_of_the_file_beside_it(tmp_path: Path) -> None:
    weak = Index(written(tmp_path / "w.jsonl", row(1), row(2)))
    for rows, says in (
        ([row(3), row("2"), row(4), row("1")], r"s\.jsonl:1 \[id\]: id '3' \(and 1 more ids\) is not in .*w\.jsonl"),
        ([row(2)], r"w\.jsonl:1 \[id\]: id '1' is not in .*s\.jsonl"),
        ([row(2), row(1, "y?")], r"s\.jsonl:2 \[question\]: id '1' has another question in .*w\.jsonl:1"),
    ):
        with pytest.raises(UserError, match=says):
            Index(written(tmp_path / "s.jsonl", *rows), beside=weak)
    Index(written(tmp_path / "s.jsonl", row("2"), row("1", " x?\n")), beside=weak).close()
    weak.close()


def test_responses_without_numbers_are_numbered_in_file_order(tmp_path: Path) -> None:
    pair = {"id": 1, "content": "x?", "output": ["a", "b"]}
    with Index(written(tmp_path / "r.jsonl", pair, {**pair, "output": "c"}), several=True) as index:
        assert texts(index, "1") == [("a", 0), ("b", 1), ("c", 2)]
        assert index.reader.notes() == [
            "read in the layout gair, by its first row",
            "responses without a sample number are numbered in file order",
        ]


def test_rows_without_an_id_are_told_apart_by_their_number(tmp_path: Path) -> None:
    file = written(tmp_path / "r.jsonl", {"prompt": "x?", "completion": "a"}, {"prompt": "y?", "completion": "b"})
    with Index(file) as index:
        assert (texts(index, "1"), texts(index, "2")) == ([("a", 0)], [("b", 0)])
        assert "rows without an id have the number of their row as id" in index.reader.notes()


def test_a_document_logged_for_two_filters_counts_once(tmp_path: Path) -> None:
    rows = [log(n, "a", "b", filter=name) for name in ("strict-match", "flexible-extract") for n in (0, 1)]
    reader = Reader()
    stream = list(files.responses(written(tmp_path / "l.jsonl", *rows), reader))
    assert [(raw.id, raw.sample) for _, raw in stream] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert "a document that is logged once for each filter counts once" in reader.notes()
    with Index(tmp_path / "l.jsonl", several=True) as index:
        assert texts(index, "1") == [("a", 0), ("b", 1)]
    with pytest.raises(UserError, match=r"l\.jsonl:2 \[doc_id\]: document 0 has other responses in .*l\.jsonl:1"):
        Index(written(tmp_path / "l.jsonl", log(0, "a"), log(0, "b")), several=True)
