"""Each decision of `match="equivalent"` that differs from the released files, by id, with who is right.

`test_released_decisions.py` holds what agrees. docs/results.md, "Answers", has the same lists in words.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from w2s.answers import extract, grade, key

SPELLED_OTHERWISE = {4114, 4123, 4317, 4605, 4666, 4726, 4843, 5213, 6241, 6735, 6854, 6885, 6950}
"""Of the 7,000: released false, and the numbers are equal (0.50 and 0.5). We are right."""

STATED_OTHERWISE = {1500, 4053, 4269, 5167, 5608, 6227}
"""Of the 7,000: released false for want of `####` on the last line, and the answer that the text ends on is right."""

UNFINISHED = {
    1: {789, 1168, 1551, 2703, 4038, 4273, 4735, 6124},
    2: {163, 268, 821, 2703, 2943, 3748, 3864, 4038, 4341, 4735, 6896},
}
"""Stage I, by iteration: both texts run into the length limit and state no answer; the release kept "" equal to ""."""

EQUAL_PAIRS = {4101, 4114, 4302, 4307, 4317, 4322, 4486, 4602, 4605, 4655, 4843, 4914, 5213, 5236, 5761, 6741}
"""Stage II, GSM8K: chosen and rejected state the same number in two spellings. The release took them for different."""

EQUAL_MATH_PAIRS = {
    781, 953, 1121, 1297, 2013, 2188, 2496, 2556, 2627, 2773, 2925, 2958, 3945, 4129, 4264, 4404, 4571, 4623, 4652,
    4813, 5432, 5437, 5633, 5901, 5910,
}  # fmt: skip
"""Stage II, MATH: the same (5/6 and \\frac{5}{6}, 3^3 and 27)."""

RELEASE_TOO_STRICT = {
    "icl": {51, 128, 148, 1233, 1272, 2262, 2958, 3717, 3809, 4030, 4129, 4404, 4540, 4876, 5301, 5465, 5829},
    "weak": {152, 716, 1924, 2300, 2958, 3717, 4129, 4404},
}
"""MATH predictions that the release calls wrong and that equal the gold answer. We are right."""

BOTH_TOO_STRICT = {"icl": {3210, 3867, 5289}, "weak": set[int]()}
"""MATH predictions that a reader of the question accepts, and neither we nor the release do.

3210 and 3867: the base is missing ("1101001" for 1101001_2), and it is part of the answer. 5289: the release stores
gold in its string form, which has lost half of "centimeters".
"""


GOLD_CUT = {"icl": {1202, 1557, 3177, 4914}, "weak": {1202, 1557, 2063, 3177, 4914}}
"""Released-true MATH rows whose gold and prediction are equations "... = 0", both cut to "0" by the release.

The gold equations are lost, so nobody can tell from these files which rows are right. The weak and ICL answers to four
of the questions are two different planes: the release took that for agreement and trains on it.
"""


def read(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)


@pytest.fixture(scope="module")
def gair(reference_data: Path) -> Path:
    return reference_data / "gair"


@pytest.fixture(scope="module")
def outputs(gair: Path) -> list[dict[str, Any]]:
    return read(gair / "outputs" / "gsm8k_train_2_llama2_7b.jsonl")


def test_verdicts_on_the_released_predictions(outputs: list[dict[str, Any]]) -> None:
    """The released `pred` graded by value: 6,987 of 7,000 verdicts as released, 13 mended, none lost."""
    changed = {}
    for row in outputs:
        verdict = grade(row["pred"] or None, row["gold"])
        assert verdict != "undecided"
        if (verdict == "correct") != row["result"]:
            changed[row["id"]] = (verdict, row["pred"], row["gold"])
    assert set(changed) == SPELLED_OTHERWISE
    assert all(verdict == "correct" for verdict, _, _ in changed.values())
    assert all(Fraction(prediction) == Fraction(gold) for _, prediction, gold in changed.values())


def test_verdicts_on_the_released_texts(outputs: list[dict[str, Any]]) -> None:
    """Read flexibly, six texts more are right, and no released-true verdict is lost."""
    verdicts = {row["id"]: grade(extract(row["response"], "gsm8k"), row["gold"]) for row in outputs}
    assert {row["id"] for row in outputs if row["result"] and verdicts[row["id"]] != "correct"} == set()
    mended = {row["id"] for row in outputs if not row["result"] and verdicts[row["id"]] == "correct"}
    assert mended == SPELLED_OTHERWISE | STATED_OTHERWISE


@pytest.mark.parametrize("iteration", [1, 2])
def test_every_stage_1_pair_that_states_answers_agrees(gair: Path, iteration: int) -> None:
    """By `string` and, with the same strict reading, by value; the exceptions never reach a final answer."""
    weak, icl = (read(gair / "train" / f"gsm8k_llama2_7b_iter{iteration}_{side}.json") for side in ("weak", "icl"))
    assert [row["id"] for row in weak] == [row["id"] for row in icl]
    for match in ("string", "equivalent"):
        without, disagree = set(), set()
        for one, other in zip(weak, icl, strict=True):
            keys = [key(extract(row["output"], "gsm8k", flexible=False), match) for row in (one, other)]
            if keys == [None, None]:
                without.add(int(one["id"]))
                assert "####" not in one["output"] + other["output"]
            elif keys[0] != keys[1]:
                disagree.add(int(one["id"]))
        assert (without, disagree) == (UNFINISHED[iteration], set())


@pytest.mark.parametrize("iteration", [1, 2])
def test_read_flexibly_only_unfinished_stage_1_texts_disagree(gair: Path, iteration: int) -> None:
    """One agreement among the unfinished is by chance: question 6124, both texts break off after a "1"."""
    weak, icl = (read(gair / "train" / f"gsm8k_llama2_7b_iter{iteration}_{side}.json") for side in ("weak", "icl"))
    agree = set()
    for one, other in zip(weak, icl, strict=True):
        keys = [key(extract(row["output"], "gsm8k")) for row in (one, other)]
        if keys[0] is not None and keys[0] == keys[1]:
            agree.add(int(one["id"]))
    assert {int(row["id"]) for row in weak} - agree <= UNFINISHED[iteration]
    assert agree & UNFINISHED[iteration] <= {6124}


@pytest.mark.parametrize(
    ("name", "style", "equal"),
    [
        ("gsm8k_llama2_7b_iter2_hybrid_paired", "gsm8k", EQUAL_PAIRS),
        ("math_gemma_2b_iter1_hybrid_paired", "math", EQUAL_MATH_PAIRS),
    ],
)
def test_stage_2_pairs_disagree(gair: Path, name: str, style: str, equal: set[int]) -> None:
    """By `string` every pair disagrees; by value these do not: the rejected text states the chosen answer."""
    strings, values = set(), set()
    for row in read(gair / "train" / f"{name}.json"):
        chosen, rejected = (extract(text, style, flexible=False) for text in row["output"])  # type: ignore[arg-type]
        assert chosen is not None
        if key(chosen, "string") == key(rejected, "string"):
            strings.add(int(row["id"]))
        if key(chosen) == key(rejected):
            values.add(int(row["id"]))
    assert (strings, values) == (set(), equal)


@pytest.mark.parametrize(("side", "graded"), [("icl", 999), ("weak", 999)])
def test_verdicts_on_the_released_math_predictions(gair: Path, side: str, graded: int) -> None:
    """999 of 1,000 rows per file have a gold answer; the verdicts are as released but for the listed ids."""
    pytest.importorskip("math_verify")
    rows = [row for row in read(gair / "train" / f"math_gemma_2b_iter1_{side}.json") if row["gold"]]
    verdicts = {int(row["id"]): grade(row["pred"], row["gold"]) for row in rows}
    assert len(rows) == len(verdicts) == graded
    assert "no_answer" not in verdicts.values()
    open_ones = {int(row["id"]): row["result"] for row in rows if verdicts[int(row["id"])] == "undecided"}
    assert len(open_ones) <= 5 and not any(open_ones.values())  # a wall clock decides: none on a quiet machine
    changed = {int(row["id"]) for row in rows if (verdicts[int(row["id"])] == "correct") != row["result"]}
    assert changed == RELEASE_TOO_STRICT[side]
    assert all(verdicts[i] == "wrong" for i in BOTH_TOO_STRICT[side])


def test_released_true_math_texts_stay_true_where_gold_is_whole(gair: Path) -> None:
    """Read from the text and graded by value; gold with a damaged infinity or bracket is left out.

    4050: the release reads the 5 of "The answer is $\\binom{5}{2} = 10$". Gold is 5, the answer of the text is 10.
    """
    for side, more in (("icl", set[int]()), ("weak", {4050})):
        rows = read(gair / "train" / f"math_gemma_2b_iter1_{side}.json")
        whole = [row for row in rows if row["result"] and "iny" not in row["gold"] and r"\le" not in row["gold"]]
        lost = {int(row["id"]) for row in whole if grade(extract(row["output"], "math"), row["gold"]) != "correct"}
        assert lost == GOLD_CUT[side] | more


def test_stage_1_math_pairs_agree_but_for_different_planes(gair: Path) -> None:
    """448 questions: besides the planes, 4050 (above), and 4339, where the release holds "1,2" equal to "12"."""
    weak, icl = (read(gair / "train" / f"math_gemma_2b_iter1_{side}_wo_aug.json") for side in ("weak", "icl"))
    keys = [[key(extract(row["output"], "math")) for row in rows] for rows in (weak, icl)]
    apart = {int(row["id"]) for row, one, other in zip(weak, *keys, strict=True) if one is None or one != other}
    assert (len(weak), apart) == (448, GOLD_CUT["icl"] | {4050, 4339})
