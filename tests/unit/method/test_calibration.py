"""The calibration: logistic regression against scipy, and whose answer wins."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from w2s.method.calibration import Calibration, Heard, best, calibrate, logistic
from w2s.method.label_model import LabelModel
from w2s.method.selector import Label


def test_the_regression_is_the_minimum_that_scipy_finds() -> None:
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(200, 3)) * [1, 5, 0.2] + [0, 3, -1]
    right = draw.random(200) < 1 / (1 + np.exp(-rows[:, 0] - rows[:, 1] / 5))
    weights = logistic(rows, right, ridge=4.0)
    standard = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    target = np.where(right, (right.sum() + 1) / (right.sum() + 2), 1 / ((~right).sum() + 2))

    def loss(w: np.ndarray) -> float:
        z = standard @ w[:-1] + w[-1]
        return float(np.logaddexp(0, z).sum() - target @ z + 2 * (w[:-1] ** 2).sum())

    expected = optimize.minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-7}).x
    assert rows @ weights[:-1] + weights[-1] == pytest.approx(standard @ expected[:-1] + expected[-1], abs=1e-4)


def test_all_right_is_platts_probability() -> None:
    """Eight right, none wrong, a feature that never changes: probability (8 + 1) / (8 + 2)."""
    weights = logistic(np.ones((8, 1)), np.ones(8, dtype=bool))
    assert weights[0] == 0
    assert 1 / (1 + np.exp(-weights[1])) == pytest.approx(0.9)


def test_a_far_feature_does_not_break_it() -> None:
    rows = np.array([[1e6], [2e6], [-1e6], [-3e6]] * 5)
    weights = logistic(rows, rows[:, 0] > 0, ridge=1e-3)
    assert np.isfinite(weights).all() and ((rows @ weights[:-1] + weights[-1] > 0) == (rows[:, 0] > 0)).all()


def test_the_weak_answer_wins_where_samples_share_an_error() -> None:
    """Five of five samples say "wrong", and the label model believes them; gold shows that the weak model is right."""
    model = LabelModel({"weak": 0.6, "samples": 0.8}, 10)
    votes = {"weak": {"right": 1}, "samples": {"wrong": 5}}
    assert best(model.posterior(votes)) == Label("wrong", pytest.approx(1, abs=1e-3))
    heard = Heard(votes, {"right": [1.0, 0.0], "wrong": [0.0, 1.0]})
    fitted = calibrate(model, [heard] * 60, [{"right"}] * 60)
    label = best(fitted.probabilities(heard))
    assert isinstance(label, Label) and label.key == "right" and label.score > 0.7


def test_probabilities_by_hand() -> None:
    """Log-odds of 0.8 are log 4; weight 0.5 makes log 2, two of the feature at 1 and an intercept of -2 nothing."""
    fitted = Calibration(LabelModel({"a": 0.8}, 1), np.array([0.5, 1.0, -2.0]))
    heard = Heard({"a": {"x": 1}}, {"x": [2.0]})
    assert fitted.probabilities(heard) == pytest.approx({"x": 2 / 3})


def test_without_answers() -> None:
    model = LabelModel({"a": 0.8}, 1)
    assert best({}) == "no_answer"
    assert Calibration(model, np.zeros(2)).probabilities(Heard({}, {})) == {}
    with pytest.raises(ValueError, match="no question has an answer"):
        calibrate(model, [Heard({}, {})], [set()])
