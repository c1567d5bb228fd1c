from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from w2s.data import rows
from w2s.data.rows import Row
from w2s.errors import UserError


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


def test_a_sample_number_has_63_bits() -> None:
    assert Row("f", 1, {"sample": 2**63 - 1}).count("sample", 0) == 2**63 - 1
    with pytest.raises(UserError, match="is not a sample number"):
        Row("f", 1, {"sample": 10**30}).count("sample", 0)


@pytest.mark.parametrize("value", ["\ud83d half", ["a", "\udfff"]])
def test_half_a_surrogate_pair_is_refused_by_line_and_field(value: Any) -> None:
    with pytest.raises(UserError, match=r"q\.jsonl:3 \[subject\]: subject holds half a surrogate pair"):
        row(subject=value).check_unicode("answer", "subject")
    row(subject="é \U0001f600").check_unicode("subject")
    with pytest.raises(UserError, match=r"\[id\]: id holds half"):
        row(id="\ud800").identity()
