"""JSON Lines: round trips, places in messages, files that appear whole or not at all."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from w2s.data import json_text, jsonl
from w2s.errors import UserError

ROWS = st.lists(st.dictionaries(st.text(max_size=8), st.one_of(st.text(), st.integers(), st.none())), max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, suffix=st.sampled_from(["jsonl", "jsonl.gz"]))
def test_what_is_written_is_read_back(tmp_path: Path, rows: list[dict[str, Any]], suffix: str) -> None:
    path = tmp_path / f"rows.{suffix}"
    assert jsonl.write(path, rows) == len(rows)
    assert [row for _, row in jsonl.read(path)] == rows
    first = path.read_bytes()
    jsonl.write(path, rows)
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'{"id": 1}\n{"id": 2', ":2: is not valid JSON"),
        (b'{"id": 1}\n\n[1]\n', ":3: is not a JSON object"),
        (b'{"id": "\xff"}\n', ":1: is not UTF-8"),
        (b"[" * 100_000, ":1: is not a JSON object"),
        (b'{"a":' * 100_000, ":1: is not valid JSON"),
        (b'{"id": 1' + b"0" * 5_000 + b"}\n", ":1: is not valid JSON"),
        (b'\n[\n{"id": 1},\n{"id": 2', ":4: is not valid JSON"),
        (b'[{"id": 1}, 7]', ":1: is not a JSON object"),
        (b'[{"id": 1},\n', ":2: the array has no end"),
        (b'[{"id": 1}]\n{"id": 2}\n', ":1: has something after the array's end"),
        (b'[{"a": ' + b"[" * 100_000, ":1: is not valid JSON"),
        (b'[\n{"id": "\xff"}]', ":2: is not UTF-8"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, content: bytes, place: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError) as raised:
        list(jsonl.read(path))
    assert f"{path}{place}" in str(raised.value)


def test_missing_file_and_unwritable_place(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be opened"):
        list(jsonl.read(tmp_path / "none.jsonl"))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        jsonl.write(tmp_path / "file" / "rows.jsonl", [])


def test_a_failure_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    jsonl.write(path, [{"id": 1}])

    def broken() -> Iterator[dict[str, Any]]:
        yield {"id": 2}
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        jsonl.write(path, broken())
    assert path.read_text() == '{"id": 1}\n'
    assert [file.name for file in tmp_path.iterdir()] == ["rows.jsonl"]


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "bom.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": 1}\n')
    assert list(jsonl.read(path)) == [(1, {"id": 1})]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, indent=st.sampled_from([None, 4]), chunk=st.integers(1, 20))
def test_an_array_is_read_as_its_elements(
    tmp_path: Path, rows: list[dict[str, Any]], indent: int | None, chunk: int
) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows, indent=indent, ensure_ascii=False), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "CHUNK", chunk)  # elements and characters fall across the ends of chunks
        assert [row for _, row in jsonl.read(path)] == rows


def test_an_element_has_the_line_it_begins_in(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('[\n  {\n    "id": 1\n  },\n\n  {"id": 2}, {"id": 3}\n]\n')
    assert [(line, row["id"]) for line, row in jsonl.read(path)] == [(2, 1), (6, 2), (6, 3)]


def test_a_line_without_end_is_refused_before_it_fills_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "LONGEST", 1000)
    path = tmp_path / "long.jsonl"
    path.write_text('{"id": 1}\n{"id": "' + "x" * 1000 + '"}\n')
    with pytest.raises(UserError, match=r"long\.jsonl:2: is longer than 1,000 bytes"):
        list(jsonl.read(path))


def test_half_a_surrogate_pair_survives(tmp_path: Path) -> None:
    path = tmp_path / "half.jsonl"
    path.write_bytes(b'{"id": "\\ud800 \\u0000"}\n')
    rows = [row for _, row in jsonl.read(path)]
    jsonl.write(path, rows)
    assert [row for _, row in jsonl.read(path)] == rows == [{"id": "\ud800 \0"}]


@pytest.mark.parametrize("kind", ["plain", "gzip", "array", "stdin", "bom"])
def test_rows_are_read_again_by_position(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    rows = [{"id": number, "text": "é" * number} for number in range(5)]
    data = b"\n\n" * (kind == "plain") + b"".join(jsonl.encode(row) for row in rows)
    path: Path | str = tmp_path / ("r.jsonl.gz" if kind == "gzip" else "r.jsonl")
    if kind == "array":
        data = json.dumps(rows).encode()
    elif kind == "gzip":
        data = gzip.compress(data)
    elif kind == "bom":
        data = b"\xef\xbb\xbf" + data
    Path(path).write_bytes(data)
    if kind == "stdin":
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        path = "-"
    with jsonl.Rows(path) as file:
        scanned = list(file.scan())
        assert [row for _, _, row in scanned] == rows
        assert [file.at(position) for _, position, _ in reversed(scanned)] == rows[::-1]


def test_a_file_that_changed_between_two_readings_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"id": 1}\n{"id": 2}\n')
    with jsonl.Rows(path) as file:
        positions = [position for _, position, _ in file.scan()]
        path.write_text('{"id": 11111111}\n')
        with pytest.raises(UserError, match="has changed while it was read"):
            file.at(positions[1])


@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz"])
def test_progress_ends_at_the_size_of_the_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    jsonl.write(path, ({"id": number} for number in range(10_000)))
    told: list[tuple[int, int]] = []
    list(jsonl.read(path, lambda done, of: told.append((done, of))))
    assert len(told) == 3  # after rows 4,096 and 8,192 and at the end
    assert told[-1] == (path.stat().st_size,) * 2


@pytest.mark.parametrize(
    ("content", "problem", "hint"),
    [
        (b"name,age\n1,7\n", "is a table without a column that is known", "id,question,response"),
        (b"PAR1\x15\x04\x15", "is no readable Parquet file", "cut off or damaged"),
        (b"PK\x03\x04\x14", "the zip file or spreadsheet cannot be read", "inspect log convert"),
        (b"\x28\xb5\x2f\xfd\x04", "is compressed with zstd", "gzip"),
        (b"\xff\xfe{\x00", "is UTF-16", "UTF-8"),
        (
            b'{\n  "id": 1,\n  "answer": "7"\n}\n',
            "and has no rows; its fields: id, answer",
            "jq -c",
        ),
        (b'{"id": 1}\n{"id": 2\n{"id": 3}\n', ":2: is not valid JSON", "correct it"),
        (b'{"id": 1}\n{"id": 2', ":2: is not valid JSON", "torn last line"),
        (b'{"id": 1}\n{"id": tru', ":2: is not valid JSON", "torn last line"),
        (b'{"id": 1}\n{"id" 2, "question": "a"}', ":2: is not valid JSON", "correct it"),
        (b'{"id": 2', ":1: is not valid JSON", "it is cut off"),
        (b'{"id":' + b"[" * 100_000, "it is nested too deep", "delete the field"),
        (b'{"id": 1' + b"0" * 5_000 + b"}", "a number has thousands of digits", "as a string"),
        (b"{'id': 1}\n", ":1: is not valid JSON", "double quotes"),
        (b"<!DOCTYPE html><html>", "is a web page", "download the file"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "is a pointer of Git LFS", "git lfs pull"),
        (b"\x80\x04\x95\x10", "is a pickle", "as JSON Lines"),
        (b'{\x00"\x00i\x00', "is UTF-16", "UTF-8"),
        (b"\x93NUMPY\x01", "is a NumPy array", "as JSON Lines"),
    ],
)
def test_another_format_is_named_with_its_own_hint(tmp_path: Path, content: bytes, problem: str, hint: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError) as raised:
        list(jsonl.read(path))
    told, _, hinted = str(raised.value).partition("hint: ")
    assert problem in told and hint in hinted


def test_gzip_is_read_whatever_the_file_is_called(tmp_path: Path) -> None:
    packed, plain = tmp_path / "packed.jsonl", tmp_path / "plain.jsonl.gz"
    packed.write_bytes(gzip.compress(b'{"id": 1}\n{"id": 2}\n'))
    plain.write_bytes(b'{"id": 1}\n{"id": 2}\n')
    assert [row for _, row in jsonl.read(packed)] == [row for _, row in jsonl.read(plain)] == [{"id": 1}, {"id": 2}]
    with jsonl.Rows(packed) as rows:
        positions = [position for _, position, _ in rows.scan()]
        assert [rows.at(position) for position in reversed(positions)] == [{"id": 2}, {"id": 1}]


def test_a_file_that_the_disk_refuses_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    script = f"""
import resource
from w2s.data import json_text, jsonl
from w2s.errors import UserError
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    jsonl.write({str(tmp_path / "out.jsonl")!r}, ({{"id": n}} for n in range(100_000)))
except UserError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"{tmp_path}/out.jsonl: cannot be used (File too large)")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["NaN", "1", '"x"'])
@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a": ', "}")])
def test_a_row_that_is_read_can_be_written(tmp_path: Path, opened: str, closed: str, value: str) -> None:
    """The row itself and 199 levels in it are read; Python's own limit is reached sooner in writing than in reading."""

    def row(depth: int) -> bytes:
        return b'{"id": 1, "x": ' + (opened * depth + value + closed * depth).encode() + b"}\n"

    (tmp_path / "in.jsonl").write_bytes(row(199))
    assert jsonl.write(tmp_path / "out.jsonl", (each for _, each in jsonl.read(tmp_path / "in.jsonl"))) == 1
    for depth in (200, 900):
        for text in (row(depth), b"[" + row(depth) + b"]", b'{\n"samples": [' + row(depth) + b"]}"):
            (tmp_path / "deep.jsonl").write_bytes(text)
            with pytest.raises(UserError, match=r"deep\.jsonl:[12]: is nested more than 200 levels deep"):
                list(jsonl.read(tmp_path / "deep.jsonl"))


def test_a_failure_leaves_no_folder_that_was_made_for_the_file(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    for place in ("new/deep", "old/deep"):
        with pytest.raises(ZeroDivisionError):
            jsonl.write(tmp_path / place / "out.jsonl", ({"id": 1 // n} for n in (1, 0)))
    assert [path.name for path in tmp_path.rglob("*")] == ["old"]


def test_what_json_does_not_have_is_written_as_null(tmp_path: Path) -> None:
    """RFC 8259 has neither NaN nor infinity; Python reads 1e999 as infinity."""
    (tmp_path / "in.jsonl").write_text(
        '{"a": NaN, "b": [1e999, {"c": -Infinity}], "d": 1e308, "e": "NaN", "f": "\\ud800"}\n'
    )
    rows = [row for _, row in jsonl.read(tmp_path / "in.jsonl")]
    jsonl.write(tmp_path / "out.jsonl", rows)

    def refuse(name: str) -> None:
        raise AssertionError(name)

    written = json.loads((tmp_path / "out.jsonl").read_text(), parse_constant=refuse)
    assert written == {"a": None, "b": [None, {"c": None}], "d": 1e308, "e": "NaN", "f": "\ud800"}
