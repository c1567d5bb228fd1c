"""Labels by rules."""

from __future__ import annotations

import pytest

from w2s.method import labels
from w2s.method.selector import Judged, Label
from w2s.records import Answered


def answer(key: str | None, text: str = "text", sample: int = 0) -> Answered:
    return Answered("q", "?", text, key, key, sample)


@pytest.mark.parametrize(
    ("weak", "icl", "expected"),
    [
        ("7", "7", Label("7", 1.0)),
        ("7", "8", "disagree"),
        (None, "8", "disagree"),
        (None, None, "no_answer"),
    ],
)
def test_all_must_say_it(weak: str | None, icl: str | None, expected: Label | str) -> None:
    assert labels.unanimous(Judged({"weak": answer(weak), "icl": answer(icl)}), ["weak", "icl"]) == expected


def test_what_one_iteration_did_not_keep_is_missing() -> None:
    assert labels.unanimous(Judged({"one": answer("7")}), ["one", "two"]) == "missing"


def test_the_majority_needs_its_share() -> None:
    """3 of 5 say 7, one does not answer: a share of 0.6."""
    samples = [answer(key, sample=n) for n, key in enumerate(["7", "7", "8", None, "7"])]
    assert labels.vote(Judged({}, samples)) == Label("7", 0.6)
    assert labels.vote(Judged({}, samples), 0.61) == "low_confidence"
    assert labels.vote(Judged({}, [answer(None)])) == "no_answer"
    assert labels.labeller("vote", [], 0.7)(Judged({}, samples)) == "low_confidence"


def test_the_weak_text_is_learnt_too_where_it_says_something_else() -> None:
    weak, icl = answer("7", "weak"), answer("7", "icl")
    assert labels.texts(Judged({"weak": weak, "icl": icl}), "7") == {"icl": icl, "weak": weak}
    assert labels.texts(Judged({"weak": answer("8"), "icl": icl}), "7") == {"icl": icl}
    assert labels.texts(Judged({"weak": weak, "icl": answer("8")}), "7") == {"weak": weak}
    assert labels.texts(Judged({"weak": answer("7", "icl"), "icl": icl}), "7") == {"icl": icl}


def test_the_text_is_the_strong_models_if_it_has_one() -> None:
    weak, icl, sample = answer("7", "weak"), answer("8", "icl"), answer("7", "sampled")
    question = Judged({"weak": weak, "icl": icl}, [sample])
    assert labels.text(question, "8") == ("icl", icl)
    assert labels.text(question, "7") == ("samples", sample)
    assert labels.text(Judged({"weak": weak, "icl": icl}), "7") == ("weak", weak)
    with pytest.raises(KeyError):
        labels.text(question, "9")
