"""The rules of strategies, one question each; all numbers by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from w2s.method.selector import Judged, Target
from w2s.recipe.confidence_loss import weak_and_own
from w2s.recipe.filter_recover import recover
from w2s.recipe.majority_sft import own_majority
from w2s.recipe.restrain import all_votes
from w2s.recipe.scpo import most_against_least
from w2s.records import Answered


def answered(key: str | None, sample: int = 0, who: str = "") -> Answered:
    return Answered("q", "How many?", f"{who}{sample} says {key}", key, key, sample)


def samples(keys: Sequence[str | None], who: str = "s") -> list[Answered]:
    return [answered(key, number, who) for number, key in enumerate(keys)]


def texts(result: list[Target] | str) -> list[tuple[str, str]] | str:
    return result if isinstance(result, str) else [(target.source, target.answer.response) for target in result]


@pytest.mark.parametrize(
    ("strong", "votes", "expected"),
    [
        ("5", ["5", "5", "5", "4", None], [("majority", "i0 says 5")]),  # 3 of 5 is 0.6; the greedy text has it
        ("4", ["7", "5", "5", "5", None], [("majority", "s1 says 5")]),  # the first sample that has it
        ("5", ["5", "5", "4", "4", None], "low_confidence"),  # 2 of 5
        (None, [None, None], "no_answer"),
    ],
)
def test_majority_sft_learns_a_text_of_the_majority(
    strong: str | None, votes: list[str | None], expected: object
) -> None:
    question = Judged({"strong": answered(strong, who="i")}, samples(votes))
    assert texts(own_majority(question, confidence=0.6)) == expected


@pytest.mark.parametrize(
    ("weak", "strong", "expected"),
    [
        (["5", "5", "5", "4", "4"], [], [("weak", "w0 says 5")]),  # 3 of 5 is 0.6
        (["4", "5", "5", "6", "7"], ["9", "9", "9", "9", "4"], [("recovered", "s0 says 9")]),  # weak: 2 of 5
        (["4", "5", "5", "6", "7"], ["9", "9", "1", "2", "4"], "low_confidence"),
        ([None, None], [], "low_confidence"),
    ],
)
def test_filter_recover_asks_the_weak_model_first(
    weak: list[str | None], strong: list[str | None], expected: object
) -> None:
    sets = {"weak_samples": samples(weak, "w"), "samples": samples(strong)}
    assert texts(recover(Judged({}, sets["samples"], sets=sets), tau=0.6)) == expected


def test_the_confidence_loss_moves_weight_from_the_weak_text_to_the_own() -> None:
    question = Judged({"weak": answered("4", who="w"), "strong": answered("5", who="i")}, samples(["5", "5", "4"]))
    weak, own = weak_and_own(question, alpha=0.25)
    assert (weak.answer.response, weak.weight, weak.first_weight) == ("w0 says 4", 0.75, 1.0)
    assert (own.answer.response, own.weight, own.first_weight) == ("i0 says 5", 0.25, 0.0)


def test_without_a_majority_or_a_weak_text_there_is_nothing_to_mix() -> None:
    weak = {"weak": answered("4", who="w"), "strong": answered(None, who="i")}
    (alone,) = weak_and_own(Judged(weak, samples([None])), alpha=0.25)
    assert (alone.source, alone.weight, alone.first_weight) == ("weak", 1.0, None)
    empty = Answered("q", "How many?", " ", None, None)
    assert weak_and_own(Judged(weak | {"weak": empty}, samples(["5"])), alpha=0.25) == "weak_empty"


def test_scpo_contrasts_the_majority_with_the_rarest_answer() -> None:
    (pair,) = most_against_least(Judged({}, samples(["4", "5", "5", "5", "6", None])), seed=0, tau=0.5)
    # votes: 4 once, 5 three times, 6 once, none once; of the two rarest the last to come, 6; (3 - 1) / 6
    assert (pair.chosen, pair.rejected, pair.weak_role) == ("s1 says 5", "s4 says 6", None)
    assert (pair.confidence, pair.weight) == (0.5, pytest.approx(1 / 3))


@pytest.mark.parametrize(
    ("votes", "reason"),
    [(["5", "5", "5"], "all_samples_agree"), (["4", "5", "5", "6", "7"], "low_confidence"), ([None], "no_answer")],
)
def test_scpo_drops_what_cannot_be_contrasted(votes: list[str | None], reason: str) -> None:
    assert most_against_least(Judged({}, samples(votes)), seed=0, tau=0.5) == reason


def test_restrain_weighs_each_answer_by_its_votes_and_the_base() -> None:
    sets = {"samples": samples(["5", "5", "4", "4", "4", "6"]), "base_samples": samples(["4", "4", "5", "4"], "b")}
    pairs = all_votes(Judged({}, sets["samples"], sets=sets), seed=0, kappa=0.3, sigma=0.5)
    # shares: 5 has 1/3, 4 has 1/2, 6 has 1/6 and is the rarest; the base's majority has 3/4
    bell = {key: math.exp(-2 * (1 - share) ** 2) for key, share in {"5": 1 / 3, "4": 1 / 2, "6": 1 / 6}.items()}
    total = sum(bell.values())
    assert [(pair.chosen, pair.rejected) for pair in pairs] == [
        ("s0 says 5", "s5 says 6"), ("s2 says 4", "s5 says 6"),
    ]  # fmt: skip
    assert [pair.weight for pair in pairs] == [pytest.approx(0.75 * bell[key] / total) for key in "54"]


@pytest.mark.parametrize(
    ("votes", "base", "reason"),
    [
        (["5", "5"], ["5"], "all_samples_agree"),
        (["5", "4"], ["1", "2", "3", "4"], "low_confidence"),  # the base's majority has 1/4
        (["5", "4"], [None], "no_answer"),
    ],
)
def test_restrain_never_prefers_without_consensus(votes: list[str], base: list[str | None], reason: str) -> None:
    sets = {"samples": samples(votes), "base_samples": samples(base, "b")}
    assert all_votes(Judged({}, sets["samples"], sets=sets), seed=0, kappa=0.3, sigma=0.5) == reason
