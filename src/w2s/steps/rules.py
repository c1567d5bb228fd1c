"""The rule for one question, from the settings of a step that selects."""

from __future__ import annotations

import math
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

_FIELD = "selection.by or strategies"
"""A step knows the name of its rule, not who gave it."""


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
    return _checked(params.by, Target, params.settings or {})


def contrast(params: Pairs | ContrastBy) -> Contrast:
    """The pairs of a question."""
    if isinstance(params, ContrastBy):
        return _checked(params.by, Pair, (params.settings or {}) | {"seed": params.seed})
    rule = PairRule(params.confidence, params.reject_confidence, params.max_pairs)
    make = partial(pairs, rule=rule, seed=params.seed)
    if params.n is not None:
        make = partial(early_stopping.settled_pairs, rule=rule, seed=params.seed, n=params.n)
    return lambda question: make(question.weak, question.samples)


def _checked(name: str, makes: type, settings: Mapping[str, Any]) -> Callable[[Judged], Any]:
    """The function of that name, with its settings; a user's faults are UserError."""
    function = functions.load(name, _FIELD)

    def call(question: Judged) -> Any:
        try:
            result = function(question, **settings)
        except Exception as error:
            roles = ", ".join([*question.answers, *question.sets])
            hint = f"this step has the roles {roles}" if isinstance(error, KeyError) else None
            raise functions.failure(name, error, _FIELD, hint, f" on question {question.id!r}") from error
        if problem := _problem(result, makes):
            also = "Selected(weak, strong), " if makes is Target else ""
            raise UserError(
                f"{name} returns {problem} for question {question.id!r}",
                field=_FIELD,
                expected=f"{also}a list of {makes.__name__}, a reason as text{', or None' if makes is Target else ''}",
            )
        return result

    return call


def _problem(result: Any, makes: type) -> str:
    """What is wrong with a result, or ""."""
    if isinstance(result, str) or (makes is Target and (result is None or isinstance(result, Selected))):
        return ""
    if not isinstance(result, Sequence):
        return type(result).__name__
    wrong = [each for each in result if not isinstance(each, makes)]
    if wrong:
        return f"a list with {type(wrong[0]).__name__}"
    if not result and makes is Pair:
        return "an empty list"
    weights = [weight for each in result for weight in (each.weight, getattr(each, "first_weight", None))]
    bad = [weight for weight in weights if weight is not None and not 0 <= weight < math.inf]
    return f"the weight {bad[0]}, which is no finite number from 0 on," if bad else ""
