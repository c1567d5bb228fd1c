"""The verbs that select: which answers are learnt from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from w2s.config import functions
from w2s.errors import UserError
from w2s.flow.step import Step
from w2s.method.selector import ContrastResult, SelectorResult
from w2s.steps import label, reads, rules, select
from w2s.steps.builder import THRESHOLDS, StepBuilder
from w2s.steps.params import Selection
from w2s.steps.sources import ModelSource

Settings = Mapping[str, Any] | None
"""Keyword arguments of a selector, as JSON."""


class SelectionBuilder(StepBuilder):
    """One method per selection."""

    def demonstrations(self, name: str, weak: Step) -> Step:
        few_shot = self.recipe.few_shot.model_dump()
        params = select.Demonstrations(**self._selection(), **few_shot, seed=self._seed(name))
        return self._select(name, select.choose_demonstrations, params, {"weak": weak})

    def all_examples(self, name: str, weak: Step) -> Step:
        return self._select(name, select.all_examples, Selection(**self._selection()), {"weak": weak})

    def majority(self, name: str, samples: Step) -> Step:
        return self._select(name, select.majority, Selection(**self._selection()), {"samples": samples})

    def agree(
        self, name: str, weak: Step, strong: Step, *, what: str = "", augmented: bool = False, **others: Step
    ) -> Step:
        """Questions that `selection.by` keeps; an `augmented` agreement is measured later.

        `others` go to the selector by name; `samples` may have several per question.
        """
        inputs, by = {"weak": weak, "strong": strong, **others}, self.recipe.selection.by
        if by != "agreement":
            return self._by(name, functions.load(by, "selection.by"), None, what, inputs, augmented, "selection.by")
        params = rules.Agree(
            **self._selection(),
            nothing_agrees="neither empty" if self.recipe.selection.match == "string" else None,
            augmented=augmented or None,
        )
        step = self._select(name, select.agree, params, inputs)
        return step if augmented else self._measured(step, what)

    def keep(
        self, name: str, by: Callable[..., SelectorResult], *, what: str = "", settings: Settings = None, **inputs: Step
    ) -> Step:
        """What `by` keeps of each question; inputs by role, several per question in roles like "weak_samples"."""
        return self._by(name, by, settings, what, inputs)

    def contrast(
        self, name: str, by: Callable[..., ContrastResult], *, what: str = "", settings: Settings = None, **inputs: Step
    ) -> Step:
        """The pairs that `by` makes of each question; it also gets a `seed`."""
        reads.check_roles(name, inputs)
        named = _named(by, "strategies", settings, "seed")
        params = rules.ContrastBy(**self._selection(), **named, settings=settings, seed=self._seed(name))
        return self._measured(self._select(name, select.contrast, params, inputs), what)

    def certify(self, name: str, precision: float, confidence: float, *, what: str = "", **answers: Step) -> Step:
        """Labels that a certificate covers; `answers` by role (`recipe.held_out`)."""
        params = label.Certified(**self._selection(), precision=precision, confidence=confidence)
        return self._measured(self._select(name, label.certify, params, answers, version=2), what)

    def probable(self, name: str, at_least: float, *, what: str = "", **answers: Step) -> Step:
        """Labels whose calibrated probability is `at_least` so high; likewise."""
        params = label.Probable(**self._selection(), at_least=at_least)
        return self._measured(self._select(name, label.probable, params, answers), what)

    def trust(self, name: str, share: float, *, what: str = "", **answers: Step) -> Step:
        """The share of weak answers that are likeliest right; likewise."""
        params = label.Trust(**self._selection(), share=share)
        return self._measured(self._select(name, label.trust, params, answers, version=2), what)

    def _by(
        self,
        name: str,
        selector: Callable[..., SelectorResult],
        settings: Settings,
        what: str,
        inputs: Mapping[str, Step],
        augmented: bool = False,
        field: str = "strategies",
    ) -> Step:
        reads.check_roles(name, inputs)
        named = _named(selector, field, settings)
        params = rules.Agree(**self._selection(), augmented=augmented or None, **named, settings=settings)
        step = self._select(name, select.agree, params, inputs)
        return step if augmented else self._measured(step, what)

    def augment(self, name: str, agreed: Step, weak: Step, more: Step, *, what: str = "") -> Step:
        """Fill an agreement up to `selection.augment_to` questions."""
        augmentation = self.recipe.selection.model_dump(include={"augment_to", "augment"})
        params = select.Augment(**self._selection(), **augmentation, seed=self._seed(name))
        return self._measured(
            self._select(name, select.augment, params, {"agreed": agreed, "weak": weak, "more": more}), what
        )

    def sample_missed(self, name: str, model: ModelSource, demonstrations: Step, agreed: Step, weak: Step) -> Step:
        """`sampling.n` completions per question not `agreed`; none if enough are."""
        params = select.Missed(**self._selection(), augment_to=self.recipe.selection.augment_to)
        missed = self._select(f"{name}_questions", select.missed, params, {"agreed": agreed, "weak": weak})
        n = self.recipe.sampling.n
        return self._answer(self._prefix + name, model, "train_2", demonstrations, samples=n, only=missed)

    def pairs(self, name: str, weak: Step, samples: Step, *, what: str = "") -> Step:
        thresholds = self.recipe.selection.model_dump(include=THRESHOLDS)
        n = self.recipe.sampling.n if self.recipe.sampling.adaptive else None
        params = rules.Pairs(**self._selection(), **thresholds, seed=self._seed(name), n=n)
        return self._measured(self._select(name, select.build_pairs, params, {"weak": weak, "samples": samples}), what)


def _named(function: Callable[..., Any], field: str, settings: Settings, *more: str) -> dict[str, str | None]:
    """`by` and `by_source`: of w2s's own functions the name is enough, as their steps have a version.

    Raises:
        UserError: it is no top-level function, takes other arguments, or settings are not JSON.
    """
    name = functions.check(function, field, ["question"], [*(settings or {}), *more])
    try:
        json.dumps(settings, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UserError(f"the settings of {name} are not JSON ({error})", field=field) from error
    own = function.__module__.partition(".")[0] == "w2s"
    return {"by": name, "by_source": None if own else functions.identity(function)}
