"""Features of answers, by hand."""

from __future__ import annotations

import math

import pytest

from w2s.method import features
from w2s.method.selector import Judged
from w2s.records import Answered

QUESTION = "Ann has 3 boxes of 4 pens and gives 25% away. How many are left?"


def answer(key: str | None, text: str, sample: int = 0, **extra: object) -> Answered:
    return Answered("q", QUESTION, text, key, key, sample, extra)


def named(question: Judged, sources: list[str], key: str) -> dict[str, float]:
    vectors = features.vectors(question, sources)
    assert all(len(vector) == len(features.names(sources)) for vector in vectors.values())
    return dict(zip(features.names(sources), vectors[key], strict=True))


def test_whose_answer_it_is() -> None:
    """Of four samples two say 9, one says 12, one nothing."""
    samples = [answer(key, "t", n) for n, key in enumerate(["9", "12", "9", None])]
    found = named(
        Judged({"weak": answer("12", "t"), "icl": answer(None, "t")}, samples), ["weak", "icl", "samples"], "9"
    )
    assert (found["weak says it"], found["weak says another"]) == (0, 1)
    assert (found["icl says it"], found["icl says another"]) == (0, 0)
    assert (found["samples says it"], found["samples says another"]) == (0.5, 0.25)


def test_steps_of_texts() -> None:
    """3 * 4 = 12 and 12 - 3 = 9 are right, 12 / 4 = 2 is not. Of the question's 3, 4, 25 the texts use 2 and 3 of 3."""
    weak = answer("9", "3 * 4 = 12. 12 - 3 = 9")
    icl = answer("9", "3 * 4 = 12, 25% of 12 is 12 / 4 = 2. So 9.")
    found = named(Judged({"weak": weak, "icl": icl}), ["weak", "icl"], "9")
    assert found["steps"] == pytest.approx(math.log(3)) and found["no steps"] == 0
    assert found["false steps"] == 0.5
    assert found["numbers of the question used"] == pytest.approx((2 / 3 + 3 / 3) / 2)
    assert found["shared results"] == pytest.approx(1 / 3)  # {12, 9} and {12, 2}
    assert found["question's numbers"] == pytest.approx(math.log(4)) and found["question's percentages"] == 1


def test_who_calculates_truly() -> None:
    """The weak model's steps are true, the strong one's false; a text without steps shows nothing."""
    question = Judged(
        {"weak": answer("9", "3 * 3 = 9"), "icl": answer("8", "3 * 3 = 8"), "third": answer("9", "It is 9.")},
        [answer("9", "3 * 3 = 9")],
    )
    sources = ["weak", "icl", "third", "samples"]
    found = {key: named(question, sources, key) for key in ("9", "8")}
    said = "{} says it in true steps".format
    assert (found["9"][said("weak")], found["8"][said("weak")]) == (1, 0)
    assert (found["9"][said("icl")], found["8"][said("icl")]) == (0, 0)
    assert (found["9"][said("third")], found["8"][said("third")]) == (0, 0)
    assert said("samples") not in found["9"]


def test_other_answers_texts() -> None:
    """The other text also finds 12, on its way to 9: {12} of {12, 9}."""
    question = Judged({"weak": answer("12", "3 * 4 = 12"), "icl": answer("9", "3 * 4 = 12. 12 - 3 = 9")})
    found = named(question, ["weak", "icl"], "12")
    assert found["shared results with other answers"] == 0.5
    assert found["result in other answers' texts"] == 1
    assert named(question, ["weak", "icl"], "9")["result in other answers' texts"] == 0


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("0", (1, 0, 0.0, 0)),
        ("1/2", (0, 1, math.log10(1.5), 0)),
        ("4", (0, 0, math.log10(5), 1)),
        ("x^2", (0, 0, 0, 0)),
    ],
)
def test_the_answer_itself(key: str, expected: tuple[float, ...]) -> None:
    found = named(Judged({"weak": answer(key, "t")}), ["weak"], key)
    names = ("not above zero", "no integer", "size", "stands in the question")
    assert tuple(found[name] for name in names) == pytest.approx(expected)


def test_log_probabilities_are_taken_where_there_are_any() -> None:
    question = Judged({"weak": answer("9", "a", logprob=-2.0), "icl": answer("9", "b", logprob=-4)})
    assert named(question, ["weak", "icl"], "9")["log-probability"] == -3
    assert named(Judged({"weak": answer("9", "a", logprob="?")}), ["weak"], "9")["log-probability"] == 0


def test_long_and_odd_texts_are_read() -> None:
    odd = "9" * 20_000 + " = " + "1," * 5_000
    vectors = features.vectors(Judged({"weak": answer("9" * 30, odd)}), ["weak"])
    assert all(math.isfinite(value) for vector in vectors.values() for value in vector)
