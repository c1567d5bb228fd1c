"""Types. A selector decides what is learnt from a question, a labeller which answer a question gets.

Yours is a top-level function, `module:function` (docs/extending.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from w2s.config.choices import Match
from w2s.method.pairs import Pair
from w2s.records import Answered


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known of one question, without gold.

    Args:
        answers: one per role: "weak", "strong" (few-shot in iteration 1 of Stage I, of the models trained in the
            iteration before in a later one), others.
        samples: of the strong model, or none.
        match: how answers are compared; two are equal if their `key`s are.
        sets: all samples by role, as "weak_samples".
    """

    answers: Mapping[str, Answered]
    samples: Sequence[Answered] = ()
    match: Match = "equivalent"
    sets: Mapping[str, Sequence[Answered]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The question's, of any answer; "" without."""
        given = [*self.answers.values(), *(answer for of in self.sets.values() for answer in of)]
        return given[0].id if given else ""

    @property
    def weak(self) -> Answered:
        return self.answers["weak"]

    @property
    def strong(self) -> Answered:
        return self.answers["strong"]


@dataclass(frozen=True, slots=True)
class Selected:
    """Two responses to learn from: weak-ft learns `weak`, icl-ft `strong`, hybrid-ft and M_plus both.

    If one of them is cut (`Answered.cut`), the question is dropped.
    """

    weak: Answered
    strong: Answered


@dataclass(frozen=True, slots=True)
class Target:
    """A response to learn from; `weight` and `first_weight` as in `records.Example`."""

    answer: Answered
    source: str
    weight: float = 1.0
    first_weight: float | None = None


SelectorResult = Selected | Sequence[Target] | str | None
"""What to learn from a question; or the reason to drop it; None stands for "not_selected"."""

Selector = Callable[[Judged], SelectorResult]
"""A function of one question alone. It is pickled by name, so it must be at the top of a module."""

ContrastResult = Sequence[Pair] | str
"""The preference pairs of a question, or the reason why there are none."""

Contrast = Callable[[Judged], ContrastResult]
"""As `Selector`, for preference pairs."""


def targets(selected: Selected | Sequence[Target]) -> Sequence[Target]:
    """A list of targets; of a `Selected`, the weak response, then the strong one."""
    if isinstance(selected, Selected):
        return Target(selected.weak, "weak"), Target(selected.strong, "icl")
    return selected


@dataclass(frozen=True, slots=True)
class Label:
    """An answer for a question, without gold; the larger `score`, the surer.

    `score`: the probability to be right where a model gives it, a share of votes, or 1.
    """

    key: str
    score: float


Labeller = Callable[[Judged], Label | str]
"""The label of a question, or the reason why it gets none."""
