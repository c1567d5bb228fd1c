from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from w2s.errors import UserError
from w2s.tasks import rows
from w2s.tasks.rows import Row


def row(**fields: Any) -> Row:
    return Row("q.jsonl", 3, fields)


@pytest.mark.parametrize("value, identity", [("7", "7"), (7, "7"), (-1, "-1"), ("a b", "a b")])
def test_ids_are_compared_as_strings(value: object, identity: str) -> None:
    assert row(id=value).identity() == identity


@pytest.mark.parametrize("value", [True, 1.5, "", "  ", [1], {"a": 1}, None])
def test_other_ids_are_refused(value: object) -> None:
    with pytest.raises(UserError, match=r"q\.jsonl:3 \[id\].*\n.*expected: a non-empty string or an integer"):
        row(id=value).identity()


def test_a_default_stands_in_for_a_missing_id_only() -> None:
    assert row().identity(default="test-3") == "test-3"
    assert row(id=None).identity(default="test-3") == "test-3"
    with pytest.raises(UserError):
        row(id=2.5).identity(default="test-3")


@pytest.mark.parametrize("fields, says", [
    ({}, "question is missing"), ({"question": None}, "question is null"), ({"question": 3}, "question is a number"),
    ({"question": ["a"]}, "question is a list"), ({"question": " \n"}, "question is empty"),
])  # fmt: skip
def test_text_says_what_is_wrong(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=rf"q\.jsonl:3 \[question\]: {says}"):
        row(**fields).text("question")


def test_text_keeps_control_characters_and_may_be_empty_where_allowed() -> None:
    assert row(question="a\x00\x1b[31m b").text("question") == "a\x00\x1b[31m b"
    assert row(response="").text("response", may_be_empty=True) == ""


@pytest.mark.parametrize("value", [True, -1, 1.0, "1", None])
def test_count_is_an_integer_from_0(value: object) -> None:
    with pytest.raises(UserError, match=r"q\.jsonl:3 \[sample\]"):
        row(sample=value).count("sample", 0)
    assert row(sample=4).count("sample", 0) == 4
    assert row().count("sample", 0) == 0


def test_unique_names_both_lines(tmp_path: Path) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text('{"id": 1}\n\n{"id": "1"}\n')
    with pytest.raises(UserError) as caught:
        rows.unique(rows.read(file), Row.identity)
    assert f"{file}:3 [id]" in str(caught.value)
    assert f"{file}:1" in str(caught.value)
