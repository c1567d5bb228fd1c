"""JSON Lines: round trips, places in messages, files that appear whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from w2s import jsonl
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
        (b"[" * 100_000, ":1: is not valid JSON"),
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
