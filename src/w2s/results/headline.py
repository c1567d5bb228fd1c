"""Who won, in a sentence by rule, within the interval of the difference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from w2s.config.schema import Recipe
from w2s.results.outline import Outline, is_control


class Comparison(NamedTuple):
    """A result, the model it is compared with, and of how many it is best."""

    result: str
    other: str
    of: int = 1

    @property
    def test(self) -> str:
        return f"{self.result} vs {self.other}"


def comparisons(outline: Outline, accuracy: Mapping[str, float]) -> list[Comparison]:
    """At most two: the best result against the best baseline and its control.

    A baseline is no result, control or ceiling.
    """
    results = [name for name in outline.highlighted if name in accuracy]
    compared = [(a, b) for a, b in outline.comparisons if a in results and b in accuracy]
    baselines = [b for _, b in compared if b not in (*results, outline.ceiling) and not is_control(b)]
    controlled = [(a, b) for a, b in compared if is_control(b)]
    found = []
    if baselines:
        best, baseline = (max(names, key=accuracy.__getitem__) for names in (results, baselines))
        found.append(Comparison(best, baseline, len(results)))
    if controlled:
        best, control = max(controlled, key=lambda pair: (accuracy[pair[0]], accuracy[pair[1]]))
        found.append(Comparison(best, control, len({a for a, _ in controlled})))
    return found


def sentence(comparison: Comparison, accuracy: Mapping[str, float], test: Mapping[str, Any]) -> str:
    """What the paired test says: "above" or "below" if its printed interval excludes 0."""
    difference, low, high = (_points(share) for share in (test["difference"], *test["ci95"]))
    result, other = (f"{name} {100 * accuracy[name]:.1f} %" for name in comparison[:2])
    interval = f"95 % {low:+.1f} to {high:+.1f}"
    if low <= 0 <= high:
        return f"{result} is not distinguished from {other} (difference {difference:+.1f} points, {interval})"
    if difference < 0:
        return f"{result} is {-difference:.1f} points below {other} ({interval})"
    best = f"; the best of {comparison.of}, chosen on these questions" if comparison.of > 1 else ""
    return f"{result} is {difference:.1f} points above {other} ({interval}{best})"


def caveats(recipe: Recipe, *, finished: bool, left: tuple[int, int] | None) -> list[str]:
    """What a reader must know before any figure; `left`: steps to come, of how many."""
    lines = []
    if not finished:
        steps = f"{left[0]} of {left[1]} steps are" if left else "some steps are"
        lines.append(f"unfinished: {steps} still to come, and the same command goes on")
    if recipe.limit is not None:
        lines.append(f"a trial run: at most {recipe.limit:,} questions per split (--limit)")
    lines.append(f"one seed ({recipe.seed}): intervals allow for other questions, not for another seed")
    return lines


def _points(share: float) -> float:
    return round(100 * share, 1) + 0.0  # without the sign of -0.0
