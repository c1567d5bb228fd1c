from __future__ import annotations

import math

import pytest

from w2s.metrics.accuracy import wilson
from w2s.metrics.selection import selection_quality


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
