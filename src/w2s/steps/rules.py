"""The rule for one question, from the settings of a step that selects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from w2s.config import functions
from w2s.errors import UserError
from w2s.method import agreement, early_stopping
from w2s.method.pairs import Pair, pairs
from w2s.method.selector import Contrast, Judged, Selected, Selector, Target
from w2s.method.voting import PairRule
from w2s.steps.params import Selection


class Agree(Selection):
    """Settings of an agreement.

    Args:
        nothing_agrees: when completions without an answer agree.
        augmented: an empty set does not end the branch.
    """

    nothing_agrees: Literal["neither empty"] | None = None
    augmented: bool | None = None
    by: str | None = None
    by_source: str | None = None
    settings: dict[str, Any] | None = None


class ContrastBy(Selection):
    """A function that makes pairs; `by_source` is the hash of a user's own."""

    by: str
    by_source: str | None = None
    settings: dict[str, Any] | None = None
    seed: int


class Pairs(Selection):
    """Thresholds of Stage II; `n` samples per question if adaptive."""

    confidence: float
    reject_confidence: float
    max_pairs: int
    seed: int
    n: int | None = None


def selector(params: Agree) -> Selector:
    """What is kept of a question."""
    if params.by is None:
        return agreement.select
    return _checked(params.by, "selection.by", params.settings or {})


def contrast(params: Pairs | ContrastBy) -> Contrast:
    """The pairs of a question."""
    if isinstance(params, ContrastBy):
        return _checked(params.by, "strategies", (params.settings or {}) | {"seed": params.seed})
    rule = PairRule(params.confidence, params.reject_confidence, params.max_pairs)
    make = partial(pairs, rule=rule, seed=params.seed)
    if params.n is not None:
        make = partial(early_stopping.settled_pairs, rule=rule, seed=params.seed, n=params.n)
    return lambda question: make(question.weak, question.samples)


def _checked(name: str, field: str, settings: Mapping[str, Any]) -> Callable[[Judged], Any]:
    """The function of that name, with its settings; a user's faults are UserError."""
    function = functions.load(name, field)

    def call(question: Judged) -> Any:
        try:
            result = function(question, **settings)
        except Exception as error:
            problem = f"fails on question {question.id!r} ({type(error).__name__}: {error})"
            raise UserError(f"{name} {problem}", field=field) from error
        if not (result is None or isinstance(result, Selected | str) or _all_of(result, Target, Pair)):
            raise UserError(
                f"{name} returns {type(result).__name__} for question {question.id!r}",
                field=field,
                expected="Selected(weak, strong), a list of Target or of Pair, a reason, or None",
            )
        return result

    return call


def _all_of(values: Any, *types: type) -> bool:
    return isinstance(values, Sequence) and all(isinstance(value, types) for value in values)
