"""The selector "certified": label model, calibration on half of the golds, certificate on the other half (ours)."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from w2s.method.calibration import Calibration, Heard, best, calibrate
from w2s.method.certificate import Certificate, NoCertificate, Promise, certify
from w2s.method.label_model import LabelModel
from w2s.method.selector import Label
from w2s.seeds import derive


@dataclass(frozen=True, slots=True)
class Graded:
    """A question with gold that no training saw, and which of the answers given are right."""

    id: str
    heard: Heard
    right: Collection[str]


@dataclass(frozen=True, slots=True)
class Certified:
    """The result of `certified`.

    Args:
        labels: of each question, kept or not.
        outcome: the threshold from which labels are kept, or why there is none.
        tested: of each gold question of the second half, its label's score, and whether the label is right.
    """

    labels: Sequence[Label | str]
    outcome: Certificate | NoCertificate
    tested: Sequence[tuple[float, bool]]

    def kept(self) -> list[Label | str]:
        """The label of each question at or above the certificate's threshold; of the others the reason why not."""
        if isinstance(self.outcome, Certificate):
            return at_least(self.labels, self.outcome.threshold)
        return [label if isinstance(label, str) else "not_certified" for label in self.labels]


def certified(model: LabelModel, questions: Iterable[Heard], golds: Sequence[Graded], promise: Promise) -> Certified:
    """Label `questions`; the golds' ids decide which half calibrates and which tests.

    The promise holds if the golds' questions come from the same population as the others.

    Raises:
        ValueError: no question of the first half has an answer.
    """
    fitted, tested = halves(golds)
    calibration = calibrate(model, [each.heard for each in fitted], [each.right for each in fitted])
    labels = [best(calibration.probabilities(heard)) for heard in questions]
    checked = [_checked(calibration, each) for each in tested]
    return Certified(labels, certify([score(label) for label in labels], checked, promise), checked)


def halves(golds: Iterable[Graded]) -> tuple[list[Graded], list[Graded]]:
    """Two halves by a hash of the ids, so that neither the order nor the answers decide the halves."""
    ranked = sorted(golds, key=lambda each: (derive("calibration", each.id), each.id))
    middle = len(ranked) // 2
    return ranked[:middle], ranked[middle:]


def score(label: Label | str) -> float:
    """Its score; -inf where there is no label."""
    return -math.inf if isinstance(label, str) else label.score


def at_least(labels: Sequence[Label | str], threshold: float) -> list[Label | str]:
    """Labels with this score or more; "low_posterior" for the others."""
    return [label if isinstance(label, str) or label.score >= threshold else "low_posterior" for label in labels]


def _checked(calibration: Calibration, gold: Graded) -> tuple[float, bool]:
    label = best(calibration.probabilities(gold.heard))
    return score(label), not isinstance(label, str) and label.key in gold.right
