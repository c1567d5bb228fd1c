"""Questions, gold hashes and base models, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from w2s import models, tasks
from w2s.config import trainers
from w2s.config.schema import Run, Training
from w2s.errors import BranchEnds, UserError
from w2s.findings import Finding, refusal
from w2s.flow.step import Step
from w2s.flow.work import Role
from w2s.models import Model, chat, quantize
from w2s.preflight import golds, lengths, trainings
from w2s.prompting import PLAIN, Builder
from w2s.tasks import gold

ModelSource = Step | str
"""A training step, or a base model's reference."""

_NOT_FOUND = "not found"


@dataclass(frozen=True)
class Base:
    """A base model with identity and prompts."""

    model: Model
    identity: str
    builder: Builder


@dataclass(frozen=True)
class Start:
    """Where a step starts: a base model, or a training step."""

    identity: str | None = None
    quantize: str | None = None
    model: Model | None = None
    inputs: dict[str, Step] = field(default_factory=dict)


class Sources:
    """Questions, their overlap, and gold as hashes only."""

    def __init__(self, run: Run, planning: bool = False) -> None:
        """Read questions; check gold and models. When `planning`, models may be missing: a finding refuses them.

        Raises:
            UserError: questions, gold of train_1 or test, or a model cannot be used.
        """
        self._recipe, self.runtime, self._planning = run.recipe, run.runtime, planning
        trainers.check_settings(self._recipe.trainer, self._recipe.trl, run.runtime, self._recipe.preference.losses)
        self.findings: list[Finding] = []
        """What a person should know before anything is computed."""
        prepared = tasks.prepare(self._recipe.task, self._recipe.limit)
        self.questions, self.overlap = prepared.questions, prepared.overlap
        self.style = tasks.load(self._recipe.task).style
        named = {"weak": self._recipe.weak, "strong": self._recipe.strong}
        named |= {f"models.{name}": reference for name, reference in self._recipe.models.items()}
        self._bases: dict[str, Base] = {}
        for field_name, reference in named.items():
            if reference not in self._bases:
                self._bases[reference] = self._base(reference, field_name)
        if self._recipe.preference.losses and self._recipe.sampling.n == 1:
            self.findings.append(
                Finding(
                    "every vote of one sample is certain (1.0), so no question is dropped for doubt",
                    "sampling.n",
                    "take 10 samples, as the paper does",
                )
            )
        tables = {split: self._gold(split) for split in self.questions}
        self.gold_hash = {split: self._gold_hash(split, *tables[split]) for split in tables}
        self._longest: dict[tuple[str, str], lengths.Counted | None] = {}
        self._longest_gold = {split: self._gold_texts(split, tables[split][0]) for split in tables if split != "test"}
        self.findings += golds.findings(self._recipe, self.questions, tables, self.style)

    def builder(self, source: ModelSource) -> Builder:
        return self._base_of(source).builder

    def start(self, source: ModelSource) -> Start:
        base = self._base_of(source)
        if isinstance(source, Step):  # a model trained from a quantised one is quantised likewise
            return Start(quantize=base.model.quantize, inputs={"model": source})
        return Start(base.identity, model=base.model)

    def check(self, source: ModelSource, training: Training, loss: str = "sft") -> None:
        """Refuse a training that cannot work.

        Raises:
            UserError: as `trainings.check` and `trainers.check`, or for a trained model `same_adapter` and `targets`; a
                quantised model cannot be sharded.
        """
        base, recipe, lora = self._base_of(source), self._recipe, training.lora
        trainers.check(recipe.trainer, recipe.trl, self.runtime, training, loss=loss, quantize=base.model.quantize)
        quantize.check_training(base.model.quantize, lora, self.runtime.sharding == "fsdp")
        if isinstance(source, Step):
            trainings.same_adapter(source.work.lora, lora)
            trainings.targets(base.model, lora)
        else:
            trainings.check(base.model, lora, fetching=not self._planning)

    def check_answers(self, source: ModelSource, split: str) -> None:
        """Refuse a model's own code, and questions that do not fit its context, without demonstrations.

        Raises:
            UserError: as `trainings.own_code` and `lengths.check_prompt`.
        """
        base = self._base_of(source)
        if not isinstance(source, Step):
            trainings.own_code(base.model, self._recipe.trust_remote_code)
        if (longest := self._longest_prompt(base, split)) is not None:
            lengths.check_prompt(base.model, longest, self._recipe.max_new_tokens)

    def check_lengths(self, source: ModelSource, gold_of: str | None, training: Training, named: str) -> None:
        """Refuse gold that is too long for the training in the field `named`, and note answers that may be.

        Raises:
            UserError: as `lengths.check_example`.
        """
        base = self._base_of(source)
        if gold_of is not None:
            texts = ((id, base.builder.prompt(asked) + text) for id, (asked, text) in self._longest_gold[gold_of])
            if (longest := lengths.count(base.model, texts)) is not None:
                lengths.check_example(base.model, longest, training.max_length, named)
        elif (longest := self._longest_prompt(base, "train_2")) is not None:
            note = lengths.too_long_answers(longest, self._recipe.max_new_tokens, training.max_length, named)
            self.findings += [each for each in note if each not in self.findings]

    def _longest_prompt(self, base: Base, split: str) -> lengths.Counted | None:
        key = str(base.model), split
        if key not in self._longest:
            some = lengths.longest((q.id, q.question) for q in self.questions[split])
            self._longest[key] = lengths.count(base.model, [(id, base.builder.prompt(asked)) for id, asked in some])
        return self._longest[key]

    def role(self, source: ModelSource) -> Role:
        """The role of a model or its base; strong if both are one."""
        if isinstance(source, Step):
            return source.work.model
        return "strong" if source == self._recipe.strong else "weak"

    def _base_of(self, source: ModelSource) -> Base:
        """The base of a model.

        Raises:
            UserError: it is no model.
        """
        expected = "what g.fine_tune or g.prefer returned, start.weak_model or g.recipe.strong"
        if isinstance(source, Step) and source.kind != "train":
            raise UserError(f"the step {source.name!r} is no model", field="strategies", expected=expected)
        if not isinstance(source, Step) and source not in self._bases:
            raise UserError(f"{source!r:.80} is no model of the recipe", field="strategies", expected=expected)
        while isinstance(source, Step):
            if "model" not in source.inputs:
                model = source.resources.model
                return next(base for base in self._bases.values() if base.model is model)
            source = source.inputs["model"]
        return self._bases[source]

    def _base(self, reference: str, named: str) -> Base:
        """The base model of the field `named`, pinned to one hub commit."""
        prompt, offline = self._recipe.prompt_of(reference), self.runtime.offline
        model = models.find(reference, offline, may_be_missing=True)
        try:
            model = model.pinned()
            identity = model.identity
        except UserError as error:
            finding = refusal(error, named)
            if not self._planning or reference.startswith("w2s:"):
                raise finding.error() from error
            self.findings.append(finding)
            return Base(model, f"{_NOT_FOUND}: {reference}", PLAIN)
        if self._planning and not model.kind.has_files():  # its prompts hardly change a plan's estimates
            return Base(model, identity, PLAIN)
        return Base(model, identity, chat.builder(prompt, model))

    def _gold(self, split: str) -> golds.Table:
        """The gold of a split, or why there is none (of train_2 only)."""
        try:
            return gold.load(self._recipe.task, split), ""
        except BranchEnds as ended:
            if split != "train_2":
                raise UserError(str(ended), field=f"task.{split}", hint=f"give gold answers for {split}") from ended
            return {}, str(ended)

    def _gold_texts(self, split: str, table: Mapping[str, gold.Gold]) -> list[tuple[str, tuple[str, str]]]:
        """The longest questions and solutions; what is trained on is at least as long."""
        known = {q.id: (q.question, table[q.id].solution or table[q.id].answer) for q in self.questions[split]
                 if q.id in table}  # fmt: skip
        return [(id, known[id]) for id, _ in lengths.longest((id, "".join(texts)) for id, texts in known.items())]

    def _gold_hash(self, split: str, table: Mapping[str, gold.Gold], missing: str) -> str:
        if missing:
            return f"none: {missing}"
        without = [question.id for question in self.questions[split] if question.id not in table]
        if without and split != "train_2":
            raise UserError(
                f"{len(without)} questions of {split} have no gold answer, the first is {without[0]!r}",
                field=f"task.{split}",
                expected="an answer for every question of train_1 and test",
            )
        return gold.content_hash({q.id: table[q.id] for q in self.questions[split] if q.id in table})
