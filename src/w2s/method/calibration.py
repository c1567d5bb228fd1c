"""Calibrated probabilities of answers: a logistic regression on gold answers that no training saw (ours).

Its inputs are the label model's log-odds and the features of `features`, among them which source gave the answer.
It ranks every answer given, not the majority alone: where most samples share an error, the weak answer can win.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from w2s.method.label_model import LabelModel, Votes
from w2s.method.selector import Label

RIDGE = 10.0
"""Of standardised features: 3 to 30 differ by 0.1 points on 500 questions, less than chance (docs/decisions.md)."""
_FARTHEST = 10.0
_ITERATIONS = 100
_CLOSE = 1e-9


class Heard(NamedTuple):
    """A question's votes, and the features of each answer that can be its label (`features.vectors`)."""

    votes: Votes
    vectors: Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Calibration:
    """The label model, and the regression's weights: of its log-odds, of the features, and last the intercept."""

    model: LabelModel
    weights: np.ndarray

    def probabilities(self, heard: Heard) -> dict[str, float]:
        """For each answer that can be the label, the probability that it is right; most probable first."""
        posterior = _candidates(self.model, heard)
        if not posterior:
            return {}
        logits = _rows(heard, posterior) @ self.weights[:-1] + self.weights[-1]
        values = 1 / (1 + np.exp(-np.clip(logits, -700, 700)))
        return dict(sorted(zip(posterior, map(float, values), strict=True), key=lambda item: -item[1]))


def best(probabilities: Mapping[str, float]) -> Label | str:
    """The most probable answer, or "no_answer"."""
    return Label(*next(iter(probabilities.items()))) if probabilities else "no_answer"


def calibrate(model: LabelModel, questions: Sequence[Heard], right: Sequence[Collection[str]]) -> Calibration:
    """Fit on questions with gold; `right` has, for each question, those of the given answers that are right.

    Raises:
        ValueError: no question has an answer.
    """
    rows, labels = [], []
    for heard, of_question in zip(questions, right, strict=True):
        posterior = _candidates(model, heard)
        if posterior:
            rows.append(_rows(heard, posterior))
            labels += [key in of_question for key in posterior]
    if not rows:
        raise ValueError("no question has an answer")
    return Calibration(model, logistic(np.concatenate(rows), np.array(labels)))


def logistic(rows: np.ndarray, right: np.ndarray, ridge: float = RIDGE) -> np.ndarray:
    """Weights and intercept of a ridge logistic regression by Newton's method.

    Targets are Platt's (1999), just inside 0 and 1, so that there is a finite solution also where all are right.
    """
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale[scale < 1e-9] = math.inf  # a feature that never changes gets no weight
    design = np.column_stack([(rows - mean) / scale, np.ones(len(rows))])
    penalty = np.full(design.shape[1], ridge)
    penalty[-1] = 1e-6
    many, few = (right.sum() + 1) / (right.sum() + 2), 1 / ((~right).sum() + 2)
    target = np.where(right, many, few)
    weights = np.zeros(design.shape[1])
    for _ in range(_ITERATIONS):
        fitted = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        gradient = design.T @ (target - fitted) - penalty * weights
        curvature = (design * (fitted * (1 - fitted))[:, None]).T @ design + np.diag(penalty)
        move = np.linalg.solve(curvature, gradient)
        weights += move * min(1.0, 2 / max(np.abs(move).max(), 1e-300))  # a full step may go too far at first
        if np.abs(move).max() < _CLOSE:
            break
    of_features = weights[:-1] / scale
    return np.append(of_features, weights[-1] - of_features @ mean)


def _candidates(model: LabelModel, heard: Heard) -> dict[str, float]:
    return {key: each for key, each in model.posterior(heard.votes).items() if key in heard.vectors}


def _rows(heard: Heard, posterior: Mapping[str, float]) -> np.ndarray:
    return np.array([[_log_odds(each), *heard.vectors[key]] for key, each in posterior.items()])


def _log_odds(probability: float) -> float:
    inside = min(max(probability, 1e-12), 1 - 1e-12)
    return min(max(math.log(inside / (1 - inside)), -_FARTHEST), _FARTHEST)
