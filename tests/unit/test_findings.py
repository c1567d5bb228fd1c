"""Findings are values; refusals become one error."""

from __future__ import annotations

import pytest

from w2s import findings
from w2s.errors import UserError
from w2s.findings import Finding

NOTE = Finding("is small", "limit")
ERROR = UserError("is missing", file="a.jsonl", line=3, field="model", expected="a model", hint="fetch it")


def test_an_error_is_a_finding_and_back() -> None:
    found = findings.refusal(ERROR)
    assert found == Finding("is missing", "model", "fetch it", "a model", "a.jsonl:3", refusal=True)
    assert str(found) == str(ERROR) == str(found.error())
    assert findings.refusal(ERROR, "strong").field == "strong"
    assert found.as_dict()["refusal"] is True and found.as_dict()["hint"] == "fetch it"


def test_notes_refuse_nothing_and_refusals_come_together() -> None:
    findings.refuse([NOTE])
    one = findings.refusal(ERROR)
    with pytest.raises(UserError) as alone:
        findings.refuse([NOTE, one])
    assert str(alone.value) == str(ERROR)
    with pytest.raises(UserError, match=r"2 things stand in the way:\n- a.jsonl:3 \[model\](.|\n)*\n- \[weak\]: gone"):
        findings.refuse([one, NOTE, Finding("gone", "weak", refusal=True)])
