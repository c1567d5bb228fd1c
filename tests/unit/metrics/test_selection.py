from __future__ import annotations

import math

import pytest

from w2s.metrics.accuracy import wilson
from w2s.metrics.selection import risk_coverage, selection_quality


def test_precision_and_coverage() -> None:
    result = selection_quality(["correct", "correct", "wrong", "correct"], of=10)
    assert (result.kept, result.of, result.correct, result.coverage, result.precision) == (4, 10, 3, 0.4, 0.75)
    assert result.ci95 == wilson(3, 4)


def test_an_empty_selection_has_no_precision() -> None:
    result = selection_quality([], of=10)
    assert (result.kept, result.coverage, result.ci95) == (0, 0.0, (0.0, 1.0))
    assert math.isnan(result.precision)


def test_more_kept_than_there_were_is_refused() -> None:
    with pytest.raises(ValueError, match="2 labels kept out of 1"):
        selection_quality(["correct", "wrong"], of=1)


def test_the_curve_by_hand() -> None:
    """Four questions, one without a label: halves keep 2 (from 0.8) and all 3 that have one (from 0.4).

    Of the golds 0.9 and 0.8 are kept first, one of them right; then 0.5 too.
    """
    checked = [(0.9, True), (0.8, False), (0.5, True), (-math.inf, False)]
    first, last = risk_coverage([0.9, 0.4, -math.inf, 0.8], checked, steps=2)
    assert (first.threshold, first.kept, first.coverage, first.checked, first.right) == (0.8, 2, 0.5, 2, 1)
    assert (last.threshold, last.kept, last.coverage, last.precision) == (0.4, 3, 0.75, pytest.approx(2 / 3))


def test_a_curve_without_labels_or_gold() -> None:
    assert risk_coverage([-math.inf], [(0.5, True)]) == []
    (only,) = risk_coverage([0.7], [])
    assert only.checked == 0 and math.isnan(only.precision)
