"""The label model: posteriors by hand, and what EM finds."""

from __future__ import annotations

import random

import pytest

from w2s.method import label_model
from w2s.method.label_model import LabelModel, Votes
from w2s.method.selector import Judged
from w2s.records import Answered


def answer(key: str | None, sample: int = 0) -> Answered:
    return Answered("q", "?", "text", key, key, sample)


def simulated(n: int, others: int, seed: int, **sources: tuple[float, int]) -> tuple[list[Votes], list[str]]:
    """Votes of sources (accuracy, answers per question) on questions with `others` wrong answers each."""
    draw = random.Random(seed)
    questions, truth = [], []
    for _ in range(n):
        right = draw.randrange(others + 1)
        wrong = [str(each) for each in range(others + 1) if each != right]
        said: dict[str, dict[str, int]] = {}
        for source, (accuracy, count) in sources.items():
            said[source] = {}
            for _ in range(count):
                key = str(right) if draw.random() < accuracy else draw.choice(wrong)
                said[source][key] = said[source].get(key, 0) + 1
        questions.append(said)
        truth.append(str(right))
    return questions, truth


def test_the_posterior_by_hand() -> None:
    """Accuracies 0.8 and 0.6, 4 other answers; a says x, b says y.

    x: 0.8 * 0.4/4 = 0.08. y: 0.2/4 * 0.6 = 0.03. Three answers that nobody gave: 3 * 0.2/4 * 0.4/4 = 0.015. Sum 0.125.
    """
    model = LabelModel({"a": 0.8, "b": 0.6}, 4)
    posterior = model.posterior({"b": {"y": 1}, "a": {"x": 1}})
    assert list(posterior) == ["x", "y"]
    assert posterior == pytest.approx({"x": 0.64, "y": 0.24})


def test_the_posterior_of_samples_by_hand() -> None:
    """Two of three samples say x, accuracy 0.5, one other answer: 0.5^3 each. With accuracy 0.75: 27 to 9 of 36."""
    votes = {"samples": {"x": 2, "y": 1}}
    assert LabelModel({"samples": 0.5}, 1).posterior(votes) == pytest.approx({"x": 0.5, "y": 0.5})
    assert LabelModel({"samples": 0.75}, 1).posterior(votes) == pytest.approx({"x": 0.75, "y": 0.25})


def test_nobody_answers_or_is_unknown() -> None:
    model = LabelModel({"a": 0.8}, 4)
    assert model.posterior({}) == {}
    assert model.posterior({"stranger": {"x": 1}}) == {}


def test_many_votes_do_not_overflow() -> None:
    posterior = LabelModel({"samples": 0.9}, 100).posterior({"samples": {"x": 2000, "y": 1999}})
    assert posterior["x"] + posterior["y"] == pytest.approx(1)
    assert posterior["x"] == pytest.approx(900 / 901)  # one vote more: odds 0.9 : 0.1/100


def test_votes_are_by_source_and_leave_out_no_answer() -> None:
    question = Judged({"weak": answer("7"), "icl": answer(None)}, [answer("7"), answer(None, 1), answer("8", 2)])
    assert label_model.votes(question) == {"weak": {"7": 1}, "samples": {"7": 1, "8": 1}}


def test_one_question_by_hand() -> None:
    """Three sources agree on one of 1 + 10 answers.

    With p its probability, each source has p of 1 right, and with one right and one wrong answer more a = (p + 1) / 3;
    p = a^3 / (a^3 + 10 ((1 - a) / 10)^3). Together: a = 0.6662, p = 0.9987.
    """
    model = label_model.fit([{"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1}}], others=10)
    a = 0.5
    for _ in range(50):
        p = a**3 / (a**3 + 10 * ((1 - a) / 10) ** 3)
        a = (p + 1) / 3
    assert model.accuracy == pytest.approx({"a": a, "b": a, "c": a}, abs=1e-5)
    assert a == pytest.approx(0.66625, abs=1e-5)


def test_em_finds_accuracies_and_the_number_of_other_answers() -> None:
    questions, truth = simulated(3000, 10, 1, weak=(0.5, 1), strong=(0.7, 1), samples=(0.6, 5))
    model = label_model.fit(questions)
    assert model.others == 10
    assert model.accuracy == pytest.approx({"weak": 0.5, "strong": 0.7, "samples": 0.6}, abs=0.03)
    labels = [next(iter(model.posterior(each).items())) for each in questions]
    share = sum(key == right for (key, _), right in zip(labels, truth, strict=True)) / len(truth)
    assert share == pytest.approx(sum(probability for _, probability in labels) / len(labels), abs=0.02)


def test_order_and_names_change_nothing() -> None:
    questions, _ = simulated(300, 3, 2, a=(0.5, 1), b=(0.8, 1), c=(0.6, 1))
    renamed = [{source: {f"<{key}>": n for key, n in said.items()} for source, said in q.items()} for q in questions]
    model, other = label_model.fit(questions), label_model.fit(list(reversed(renamed)))
    assert other.accuracy == pytest.approx(model.accuracy, abs=1e-4)


def test_two_answers_to_a_question_do_not_tell_how_many_others_there_are() -> None:
    assert label_model.fit([{"a": {"x": 1}, "b": {"x": 1}}, {"a": {"x": 1}, "b": {"y": 1}}]).others == 10


def test_more_different_answers_than_any_candidate_allows() -> None:
    votes = {"samples": {str(each): 1 for each in range(150)}}
    assert label_model.fit([votes]).others == 150


def test_without_answers_there_is_nothing_to_fit() -> None:
    with pytest.raises(ValueError, match="no question has an answer"):
        label_model.fit([{}, {}])


@pytest.mark.nightly
def test_crowd_kit_finds_the_same() -> None:
    """The oracle's model with answers that are all listed: here 1 + 3, and each is right equally often."""
    classification = pytest.importorskip("crowdkit.aggregation.classification")
    pandas = pytest.importorskip("pandas")
    questions, _ = simulated(800, 3, 3, a=(0.5, 1), b=(0.8, 1), c=(0.65, 1), d=(0.7, 1))
    rows = [
        {"task": number, "worker": source, "label": key}
        for number, said in enumerate(questions)
        for source, counts in said.items()
        for key in counts
    ]
    oracle = classification.OneCoinDawidSkene(n_iter=500, tol=1e-9).fit(pandas.DataFrame(rows))
    model = label_model.fit(questions, others=3)
    assert model.accuracy == pytest.approx(oracle.skills_.to_dict(), abs=0.015)
    ours = [next(iter(model.posterior(each))) for each in questions]
    same = sum(key == oracle.labels_[number] for number, key in enumerate(ours))
    assert same >= 0.98 * len(questions)
