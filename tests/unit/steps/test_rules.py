"""What a rule of one's own may return, and what its failure says."""

from __future__ import annotations

from pathlib import Path

import pytest

from w2s.errors import UserError
from w2s.method.selector import Judged, Target
from w2s.records import Answered
from w2s.steps import rules

ANSWER = Answered("a", "Q?", "#### 1", "1", "1")
QUESTION = Judged({"weak": ANSWER, "strong": ANSWER})
MODULE = """
from w2s.method.pairs import Pair
from w2s.method.selector import Target

PAIR = Pair("a", "Q?", "1", "2", None, 1.0, 1.0)
"""


def returned(folder: Path, monkeypatch: pytest.MonkeyPatch, expression: str, pairs: bool = False) -> object:
    """What a rule with this expression returns for the question, in a module that no other test has imported."""
    name = f"rule_{abs(hash(folder))}"
    rule = f"def rule(question{', seed' * pairs}):\n    return {expression}\n"
    (folder / f"{name}.py").write_text(f"{MODULE}\n\n{rule}")
    monkeypatch.syspath_prepend(str(folder))
    read = {"style": "gsm8k", "match": "equivalent", "prompt": "?", "by": f"{name}:rule"}
    if pairs:
        return rules.contrast(rules.ContrastBy.model_construct(**read, seed=0))(QUESTION)
    return rules.selector(rules.Agree.model_construct(**read))(QUESTION)


@pytest.mark.parametrize(("expression", "pairs", "says"), [
    ("True", False, r"returns bool for question 'a'.*expected: Selected\(weak, strong\), a list of Target, a reason"),
    ("[question.weak]", False, r"returns a list with Answered .*a list of Target"),
    ("[PAIR]", False, r"returns a list with Pair .*a list of Target"),
    ("[Target(question.weak, 'weak')]", True, r"returns a list with Target .*expected: a list of Pair, a reason"),
    ("None", True, r"returns NoneType .*a list of Pair"),
    ("[]", True, r"returns an empty list .*a reason"),
    ("[Target(question.weak, 'weak', weight=-1.0)]", False, r"returns the weight -1\.0, which is no finite number"),
    ("[Target(question.weak, 'weak', first_weight=float('nan'))]", False, r"returns the weight nan"),
    ("question.answers['third']", False,
     r"\.py:9 .*fails on question 'a' at `return question.*KeyError: 'third'.*has the roles weak, strong"),
    ("1 / 0", True, r"\.py:9 .*fails on question 'a' at `return 1 / 0` \(ZeroDivisionError: division by zero\)$"),
])  # fmt: skip
def test_what_a_rule_may_not_return_is_named_with_what_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expression: str, pairs: bool, says: str
) -> None:
    with pytest.raises(UserError, match=f"(?s){says}"):
        returned(tmp_path, monkeypatch, expression, pairs)


def test_a_rule_may_give_targets_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert returned(tmp_path, monkeypatch, "[Target(question.weak, 'weak', weight=0.0)]") == [
        Target(ANSWER, "weak", 0.0)
    ]
