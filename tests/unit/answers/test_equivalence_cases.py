"""The hand-written exam of the answer layer, and what no reader of bare answers can get right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from w2s.answers import grade, key

pytestmark = pytest.mark.usefixtures("patient_workers")


class Case(NamedTuple):
    topic: str
    left: str
    right: str
    equal: bool


def read_cases() -> list[Case]:
    cases, topic = [], ""
    names = ("equivalence_cases.txt", "equivalence_kinds.txt")
    files = [Path(__file__).with_name(name).read_text(encoding="utf-8") for name in names]
    for line in (line for file in files for line in file.splitlines()):
        if line.startswith("## "):
            topic = line[3:]
        elif line and not line.startswith("# "):
            pair = re.sub(r"\{U\+([0-9A-F]{4})\}", lambda found: chr(int(found[1], 16)), line.partition("  ;;")[0])
            equal = " === " in pair
            left, right = pair.split(" === " if equal else " =/= ")
            cases.append(Case(topic, left, right, equal))
    return cases


CASES = read_cases()

KNOWN_LIMITS = [
    # (left, right, what we decide, what a reader of the question would decide, the reason)
    ("5 cm", "5 miles", True, False, "units are not part of the value"),
    ("10 apples", "10 oranges", True, False, "units are not part of the value"),
    ("3 cents", "3 dollars", True, False, "units are not part of the value"),
    ("n", "N", True, False, "a letter alone is folded, as a choice is: n + 1 and N + 1 differ"),
    ("(1,050)", "1050", True, False, "a group of three digits with a 0 before it is a number, (1,50) is a point"),
    ("x + 10^{-70}", "x", True, False, "64 digits of a function are compared"),
    ("50%", "0.5", False, True, "the percent sign is not part of the value: 50% is 50"),
    ("x = 5", "y = 5", True, False, "`x = 5` answers 5, and so does `y = 5`"),
    ("x > 3", "y > 3", True, False, "both are the interval from 3 on"),
    ("x - y = 0", "x", True, False, "`y = x` answers x, and it is the same line as x - y = 0"),
    ("twelve", "12", False, True, "words are text"),
    ("E", "e", True, False, "words and choices are casefolded: a choice (E) against Euler's number"),
]  # fmt: skip


def test_the_table_is_large_balanced_and_without_contradiction() -> None:
    """Nothing that `===` joins, directly or through others, may also stand in a `=/=`."""
    assert len(CASES) >= 500
    assert min(sum(case.equal for case in CASES), sum(not case.equal for case in CASES)) >= 0.4 * len(CASES)
    assert len(set(CASES)) == len(CASES)
    parent: dict[str, str] = {}

    def root(answer: str) -> str:
        while answer in parent:
            answer = parent[answer]
        return answer

    for case in CASES:
        if case.equal and root(case.left) != root(case.right):
            parent[root(case.left)] = root(case.right)
    assert [case for case in CASES if not case.equal and root(case.left) == root(case.right)] == []


@pytest.mark.parametrize("case", CASES, ids=[f"{case.topic}: {case.left} | {case.right}" for case in CASES])
def test_case(case: Case) -> None:
    """Both orders and the keys decide as the table says."""
    expected = "correct" if case.equal else "wrong"
    assert (grade(case.left, case.right), grade(case.right, case.left)) == (expected, expected)
    assert (key(case.left) == key(case.right)) is case.equal


def test_all_cases_at_once() -> None:
    """One readable list of every decision that differs from the table."""
    failures = [
        f"{case.topic}: {case.left!r} and {case.right!r} should {'agree' if case.equal else 'differ'}; "
        f"keys {key(case.left)!r}, {key(case.right)!r}"
        for case in CASES
        if grade(case.left, case.right) != ("correct" if case.equal else "wrong")
    ]
    assert failures == [], f"{len(failures)} of {len(CASES)} cases:\n" + "\n".join(failures)


@pytest.mark.parametrize(("left", "right", "ours", "reader", "reason"), KNOWN_LIMITS)
def test_known_limits(left: str, right: str, ours: bool, reader: bool, reason: str) -> None:
    """Stated policies make these decisions; the test shows when one changes."""
    assert ours is not reader
    assert (key(left) == key(right)) is ours, reason
    assert (grade(left, right) == "correct") is (grade(right, left) == "correct") is ours, reason


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (r"F_n = \sum_{k=0}^{n-1} F_k F_{n-k-1}", r"F_n = \sum_{k=0}^{n-2} F_k F_{n-k-2}"),
        (r"\forall x>0, f(x) = 0", "f(x) = 0"),
        (r"\int_0^1 g(t)\,dt", r"\int_0^2 g(t)\,dt"),
        (r"\lim_{n\to\infty} a_n", r"\lim_{n\to\infty} b_n"),
        ("x is any multiple of 3", "x is any multiple of 6"),
    ],
)
def test_what_cannot_be_read_is_itself_and_nothing_else(left: str, right: str) -> None:
    """Different texts may stay undecided, they are never correct; the same text always is."""
    assert {grade(left, right), grade(right, left)} <= {"wrong", "undecided"}
    assert key(left) != key(right)
    assert grade(left, left) == grade(right, right) == "correct"
