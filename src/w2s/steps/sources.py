"""What a recipe starts from, seen through before compute is spent: questions, gold by its hash, and the two models."""

from __future__ import annotations

from typing import Any

from w2s import chat, gold, models, references, tasks
from w2s.config import Lora, Run
from w2s.costs import Role
from w2s.errors import BranchEnds, UserError
from w2s.flow.step import Step
from w2s.prompting import PLAIN, Builder
from w2s.steps import preflight

Model = Step | str
"""A trained model (the step that makes it), or a reference to a base model."""

_NOT_FOUND = "not found"


class Sources:
    """The questions of each split, what the guard of splits found, and what steps have to know for their identity.

    `gold_hash` is by split: identity needs a hash of the answers, and no step built here gets an answer itself.
    """

    def __init__(self, run: Run, planning: bool = False) -> None:
        """Read questions, and look at gold and at the models' files.

        Args:
            run: the recipe, and where it is to run.
            planning: for a plan only; models need not be within reach.

        Raises:
            UserError: questions, gold of train_1 or test, or a model reference cannot be used.
        """
        self._recipe, self._offline, self._planning = run.recipe, run.runtime.offline, planning
        prepared = tasks.prepare(self._recipe.task, self._recipe.limit)
        self.questions, self.overlap = prepared.questions, prepared.overlap
        self.style = tasks.load(self._recipe.task).style
        self._pinned = {ref: self._pin(ref) for ref in dict.fromkeys((self._recipe.weak, self._recipe.strong))}
        self._identities = {ref: self._identity(ref) for ref in self._pinned}
        self._builders = {ref: self._builder(ref) for ref in self._identities}
        self.gold_hash = {split: self._gold_hash(split) for split in self.questions}

    def prompt(self, model: Model) -> tuple[dict[str, str], dict[str, Any]]:
        """How a model is asked, for the identity of a step, and the builder of such prompts, for its work."""
        builder = self._builders[self._base(model)]
        return {"prompt": builder.prompt("?"), "prompt_hash": builder.hash}, {"builder": builder}

    def start(self, model: Model) -> tuple[dict[str, Any], dict[str, Step], dict[str, Any]]:
        """Identity, inputs and whereabouts of the model a step starts from."""
        if isinstance(model, Step):  # what is trained from a quantised model is held like it
            quantize = references.parse(self._base(model)).quantize
            return {"quantize": quantize} if quantize else {}, {"model": model}, {}
        return {"model": self._identities[model]}, {}, {"model": self._pinned[model]}

    def preflight(self, model: Model, lora: Lora | None) -> None:
        """Refuse a training that cannot work, as far as the model's files or its own training tell.

        Raises:
            UserError: as `preflight.same_adapter` and `targets` for a trained model, as `preflight.check` for a base.
        """
        if isinstance(model, Step):
            preflight.same_adapter(model.work.lora, lora)
            preflight.targets(self._pinned[self._base(model)], lora)
        else:
            preflight.check(self._pinned[model], lora)

    def role(self, model: Model) -> Role:
        """Which of the two models it is, or was trained from; the strong one where both are one."""
        if isinstance(model, Step):
            return model.work.model
        return "strong" if model == self._recipe.strong else "weak"

    def _base(self, model: Model) -> str:
        return self._recipe.strong if self.role(model) == "strong" else self._recipe.weak

    def _pin(self, reference: str) -> str:
        """The reference with the hub's commit: what is fingerprinted runs to the end, wherever a branch has moved."""
        try:
            return models.pinned(reference, self._offline)
        except UserError:
            if not self._planning:
                raise
            return reference

    def _identity(self, reference: str) -> str:
        try:
            return models.identify(self._pinned[reference], offline=self._offline)
        except UserError:
            if not self._planning or reference.startswith("w2s:"):
                raise
            return f"{_NOT_FOUND}: {reference}"

    def _builder(self, reference: str) -> Builder:
        pinned = self._pinned[reference]
        away = self._identities[reference].startswith(_NOT_FOUND) or not models.at_hand(pinned)
        if self._planning and away:  # the difference hardly matters to a plan's estimates
            return PLAIN
        return chat.builder(self._recipe.prompt_of(reference), pinned, self._offline)

    def _gold_hash(self, split: str) -> str:
        try:
            table = gold.load(self._recipe.task, split)
        except BranchEnds as ended:
            if split != "train_2":
                raise UserError(str(ended), mend=f"give gold answers for {split}") from ended
            return f"none: {ended}"
        missing = [q.id for q in self.questions[split] if q.id not in table]
        if missing and split != "train_2":
            raise UserError(
                f"{len(missing)} questions of {split} have no gold answer, the first is {missing[0]!r}",
                expected="an answer for every question of train_1 and test",
            )
        return gold.content_hash({q.id: table[q.id] for q in self.questions[split] if q.id in table})
