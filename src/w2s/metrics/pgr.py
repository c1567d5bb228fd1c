"""Performance gap recovered."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from w2s.metrics.accuracy import Z95

_PATTERN = np.arange(8)  # of a question's outcomes: 4 x + 2 floor + ceiling
_GAIN = (_PATTERN >> 2 & 1) - (_PATTERN >> 1 & 1)
_GAP = (_PATTERN & 1) - (_PATTERN >> 1 & 1)
_ADDED = np.array([0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0])
"""Half a question of each pattern in which models differ. Any two of the three then differ in one question more on
either side, as in Bonett and Price's interval, and no difference of means moves."""


def pgr(x: float, floor: float, ceiling: float) -> float | None:
    """(x - floor) / (ceiling - floor) of accuracies; None if ceiling <= floor. Burns et al. 2023; paper."""
    return (x - floor) / (ceiling - floor) if ceiling > floor else None


def pgr_interval(
    x_correct: Sequence[bool], floor_correct: Sequence[bool], ceiling_correct: Sequence[bool]
) -> tuple[float, float] | None:
    """95 % interval of the PGR by Fieller's theorem, paired, with three questions added (ours).

    None if the gap is not measurable: its own interval includes 0. No other PGR is then excluded (Fieller 1954).
    """
    x, floor, ceiling = _outcomes(x_correct, floor_correct, ceiling_correct)
    return _fieller(np.bincount(4 * x + 2 * floor + ceiling, minlength=8) + _ADDED, _GAIN, _GAP)


def contribution(
    x_correct: Sequence[bool],
    control_correct: Sequence[bool],
    floor_correct: Sequence[bool],
    ceiling_correct: Sequence[bool],
) -> tuple[float, tuple[float, float]] | None:
    """PGR of x less that of its control, and its 95 % interval: Fieller, paired, with four questions added (ours).

    One more question on either side of either difference, as Bonett and Price add. None if the gap is not measurable.
    """
    x, control, floor, ceiling = _outcomes(x_correct, control_correct, floor_correct, ceiling_correct)
    gain, gap = x - control, ceiling - floor
    interval = _fieller(np.ones(len(x) + 4), np.append(gain, [1, -1, 0, 0]), np.append(gap, [0, 0, 1, -1]))
    return None if interval is None else (float(gain.sum() / gap.sum()), interval)


def _fieller(counts: np.ndarray, gains: np.ndarray, gaps: np.ndarray) -> tuple[float, float] | None:
    """The interval of mean gain / mean gap: the values r for which gain - r gap is within 1.96 standard errors of 0."""
    n = counts.sum()
    gain, gap = counts @ gains / n, counts @ gaps / n
    # A quadratic in r.
    square = gap**2 - Z95**2 * (counts @ gaps**2 / n - gap**2) / n
    product = gap * gain - Z95**2 * (counts @ (gaps * gains) / n - gap * gain) / n
    rest = gain**2 - Z95**2 * (counts @ gains**2 / n - gain**2) / n
    if gap <= 0 or square <= 0:
        return None
    width = math.sqrt(max(0.0, product**2 - square * rest))
    return float((product - width) / square), float((product + width) / square)


def _outcomes(*sequences: Sequence[bool]) -> list[np.ndarray]:
    arrays = [np.asarray(sequence, dtype=bool).astype(np.int64) for sequence in sequences]
    if len({len(array) for array in arrays}) != 1:
        raise ValueError(f"paired outcomes differ in length: {[len(array) for array in arrays]}")
    return arrays
