"""No record has room for gold."""

from __future__ import annotations

from dataclasses import fields

import pytest

from w2s import records


@pytest.mark.parametrize(
    "record", [records.Question, records.Response, records.Answered, records.Example, records.Preference]
)
def test_no_field_can_hold_gold(record: type) -> None:
    assert not {field.name for field in fields(record)} & {"answer", "gold", "solution", "label", "target"}
