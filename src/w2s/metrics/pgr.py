"""Performance gap recovered: how much of the way from the weak floor to the strong ceiling a model goes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_MAX_UNDEFINED = 0.05


def pgr(x: float, floor: float, ceiling: float) -> float | None:
    """(x - floor) / (ceiling - floor), all accuracies; None where there is no gap (ceiling <= floor).

    Below the floor it is negative, above the ceiling larger than 1. Source: Burns et al. 2023; paper.
    """
    return (x - floor) / (ceiling - floor) if ceiling > floor else None


def pgr_interval(
    x_correct: Sequence[bool],
    floor_correct: Sequence[bool],
    ceiling_correct: Sequence[bool],
    *,
    seed: int,
    resamples: int = 2000,
) -> tuple[float, float] | None:
    """The 95 % percentile interval of the PGR: a paired bootstrap over questions (ours).

    Position i of the three sequences is the same question; a resample takes its three outcomes together.

    Returns:
        None where the PGR is None, or where more than 5 % of the resamples have no gap: the interval would have no
        end. Fewer of them are left out.
    """
    x, floor, ceiling = _outcomes(x_correct, floor_correct, ceiling_correct)
    if ceiling.sum() <= floor.sum():
        return None
    # Only the 8 patterns of the three outcomes matter, so n draws of questions are one multinomial draw of patterns.
    patterns = np.bincount(4 * x + 2 * floor + ceiling, minlength=8)
    draws = np.random.default_rng(seed).multinomial(len(x), patterns / len(x), size=resamples)
    index = np.arange(8)
    gap = draws @ ((index & 1) - (index >> 1 & 1))
    gain = draws @ ((index >> 2 & 1) - (index >> 1 & 1))
    defined = gap > 0
    if defined.mean() < 1 - _MAX_UNDEFINED:
        return None
    low, high = np.percentile(gain[defined] / gap[defined], [2.5, 97.5])
    return float(low), float(high)


def _outcomes(*sequences: Sequence[bool]) -> list[np.ndarray]:
    arrays = [np.asarray(sequence, dtype=bool).astype(np.int64) for sequence in sequences]
    if len({len(array) for array in arrays}) != 1:
        raise ValueError(f"paired outcomes differ in length: {[len(array) for array in arrays]}")
    return arrays
