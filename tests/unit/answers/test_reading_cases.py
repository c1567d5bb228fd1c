"""Responses whose answer is easily read wrong: reported ones, and neighbours of each kind in both directions."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from w2s.answers import extract, grade

pytestmark = pytest.mark.usefixtures("patient_workers")

FOLDER = Path(__file__).parent
CASES = [json.loads(line) for line in (FOLDER / "reading_cases.jsonl").read_text(encoding="utf-8").splitlines()]
IDS = [f"{case['style']}: {case['text'][:60]} | {case['gold']}" for case in CASES]


def test_each_kind_has_cases_in_both_directions() -> None:
    kinds = Counter((case["kind"], case["correct"]) for case in CASES if not case["kind"].startswith("reported"))
    assert {kind for kind, correct in kinds if correct} == {kind for kind, correct in kinds if not correct}
    assert len(kinds) == 18


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_reading(case: dict[str, Any]) -> None:
    prediction = extract(case["text"], case["style"])
    assert (grade(prediction, case["gold"]) == "correct") is case["correct"], prediction


def formulas() -> list[str]:
    """The answers of the equivalence tables that are one formula of ASCII with a digit, without words."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("equivalence_*.txt")))
    lines = [line.partition("  ;;")[0] for line in text.splitlines() if not line.startswith("#")]
    found = dict.fromkeys(each for line in lines for each in re.split(" === | =/= ", line))
    commands = re.compile(r"\\[a-z]+\{[^{}]*\}")
    other = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}|\$|\{U\+")
    return [
        each
        for each in found
        if each.isascii() and re.search("[0-9]", each) and not other.search(commands.sub("", each))
    ]


@pytest.mark.parametrize("form", ["Thus we get ${}$.", "Thus we get \\[{}\\]", "Thus we get ${}$ as expected."])
def test_a_formula_at_the_end_is_read_whole(form: str) -> None:
    """None is read as one of the numbers in it."""
    assert len(formulas()) > 1000
    wrong = [each for each in formulas() if grade(extract(form.format(each), "math"), each) != "correct"]
    assert wrong == []
