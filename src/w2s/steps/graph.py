"""The steps that a recipe is written in, each with an identity. Runs nothing, loads no model."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from w2s.config import functions, trainers
from w2s.config.schema import Preference, Training
from w2s.costs import estimates
from w2s.errors import UserError, one_of
from w2s.flow.step import Step, ordered
from w2s.flow.work import Work
from w2s.seeds import derive
from w2s.steps import catalog, evaluate, halves, judge, reads, select, supervise, train
from w2s.steps.params import Resources, prompted
from w2s.steps.reinforce import ReinforceBuilder
from w2s.steps.sources import ModelSource

SOURCES = ("weak", "icl", "both")
"""Completions of an agreement: weak side, strong side, or both."""


class Graph(ReinforceBuilder):
    """Most methods build a step: a model, its answers, or a selection. More of them are in the base classes."""

    def control(self) -> Graph:
        """The control's graph: steps `control_NAME`, one loss, no evaluation."""
        control = copy.copy(self)
        control._prefix = "control_"
        preference = self.recipe.preference.model_copy(update={"losses": self.recipe.preference.losses[:1]})
        control.recipe = self.recipe.model_copy(update={"preference": preference, "stage1_variants": False})
        return control

    def shared(self) -> Graph:
        """The graph of steps that a strategy and its control share."""
        shared = copy.copy(self)
        shared._prefix = ""
        return shared

    def finish(self, floor: str, ceiling: str, built_in: Sequence[str]) -> list[Step]:
        """All steps; the first lists what is evaluated.

        `built_in`: names that `against` may have although this recipe does not evaluate them.

        Raises:
            UserError: `evaluation.models` or `against` names an unknown model.
        """
        comparable = dict.fromkeys((*self._evaluated, *built_in))
        for model in self._evaluated.values():
            for other in model.against:
                one_of(f"model to compare {model.name} with", other, comparable, "strategies")
        evaluation = self.recipe.evaluation
        known = {*self._evaluated, *type(evaluation)().models}  # a run may lack one of the default's
        unknown = [name for name in evaluation.models if name not in known]
        if unknown:
            raise UserError(
                f"this run evaluates no model {unknown[0]!r:.80}",
                field="evaluation.models",
                expected=f"some of {', '.join(self._evaluated)}",
            )
        params = catalog.Catalog(
            models=tuple(self._evaluated.values()),
            selections=tuple(self._selected.values()),
            floor=floor,
            ceiling=ceiling,
            strategies=tuple(self._strategies) or None,
        )
        self._judge()
        return [Step("models", catalog.catalog, params, kind="data"), *self.steps]  # first: a run that stops has it too

    def _judge(self) -> None:
        """All decisions on train_2, for the report."""
        chosen = {name: self._steps[name] for name in self._selected}
        if not chosen:
            return
        decided = {name: judge.decided(step) for name, step in chosen.items()}
        answers = {name for of in decided.values() for name in of.answers.values()}
        inputs = {name: self._steps[name] for name in [*chosen, *sorted(answers)]}
        samples = {name for of in decided.values() for role, name in of.answers.items() if role.endswith("samples")}
        voters = {name: self._steps[name].inputs.get("model") for name in sorted(samples)}
        learnt = {name: model.inputs["data"].name for name, model in voters.items() if model and "data" in model.inputs}
        learnt = {name: selection for name, selection in learnt.items() if selection in chosen}
        params = judge.Judge(**self._reading("train_2"), selections=decided, learnt=learnt)
        resources = Resources(task=self.recipe.task)
        output = "data/judged_train_2.jsonl"
        self._add(
            Step(
                "judged_train_2",
                judge.judged,
                params,
                inputs,
                output,
                resources=resources,
                kind="evaluate",
                needs_all=False,
            )
        )

    def strategy(self, name: str, model: Step, control: str | None) -> None:
        """Report `model`, which is evaluated, as what a strategy makes; `control`: the evaluated model of its control.

        Raises:
            UserError: it is not evaluated.
        """
        if model.name not in self._evaluated:
            raise UserError(
                f"the strategy {name} returns {model.name!r}, which it does not evaluate",
                field="strategies",
                hint="call g.evaluate(NAME, model) with the name of the model's step",
            )
        steps = tuple(sorted({step.name for step in ordered([model])}))
        self._strategies.append(catalog.Strategy(name=name, model=model.name, control=control, steps=steps))

    def gold_examples(self, split: str, reader: ModelSource, part: Step | None = None) -> Step:
        """Gold solutions of a split, or of a `part` of it, to learn from."""
        builder, questions = self.sources.builder(reader), part or self.questions[split]
        gold, style = self.sources.gold_hash[split], self.sources.style
        name = f"gold_{split}" if part is None else part.name.replace("questions_", "gold_")
        return self._add(
            Step(
                name=name,
                run=supervise.gold_examples,
                params=supervise.GoldExamples(split=split, gold=gold, style=style, **prompted(builder)),
                resources=Resources(builder, task=self.recipe.task, questions=questions.resources.questions),
                inputs={"questions": questions},
                output=f"data/{name}.jsonl",
                kind="data",
            )
        )

    def parts(self, split: str, every: int) -> tuple[Step, Step]:
        """The questions of a split to learn from, and those held back: one of `every`."""
        questions = self.sources.questions[split]
        held = [question for number, question in enumerate(questions) if number % every == every - 1]
        rest = [question for number, question in enumerate(questions) if number % every != every - 1]
        return self._questions(split, f"{split}_rest", rest), self._questions(split, f"{split}_held", held)

    def right_answers(self, name: str, part: Step, **answers: Step) -> Step:
        """Which of the answers given to a part of `train_1` are right."""
        params = supervise.Right(**self._reading("train_1"), split="train_1")
        resources = Resources(task=self.recipe.task, questions=part.resources.questions)
        name = self._prefix + name
        output = f"data/{name}.jsonl"
        return self._add(Step(name, supervise.right_answers, params, answers, output, resources=resources, kind="data"))

    def fine_tune(
        self, name: str, base: ModelSource, data: Step, source: str = "both", training: Training | None = None
    ) -> Step:
        """Supervised fine-tuning of `base` on rows of `source` (`SOURCES`)."""
        one_of(f"source of {name}", source, SOURCES, "strategies")
        name, training = self._prefix + name, training or self.recipe.training
        self.sources.check(base, training)
        start = self.sources.start(base)
        reads.check_examples(name, data)
        split = getattr(data.params, "split", "train_2")
        field = "weak_training" if training is self.recipe.weak_training else "training"
        self.sources.check_lengths(base, split if data.run is supervise.gold_examples else None, training, field)
        rows = len(self.sources.questions[split])  # the most: selections are not made yet
        if source == "both" and data.run in (select.agree, select.augment):
            rows *= 2  # each question has a weak completion and a strong one
        return self._add(
            Step(
                name=name,
                run=train.fine_tune,
                params=train.FineTune(
                    model=start.identity,
                    quantize=start.quantize,
                    source=source,
                    training=training,
                    seed=derive(self.recipe.seed, name),
                    dtype=self.recipe.dtype,
                    **self._trainer(),
                ),
                inputs={**start.inputs, "data": data},
                resources=Resources(model=start.model),
                output=f"models/{name}",
                expected_tokens=int(training.epochs * estimates.examples(rows, self.recipe.max_new_tokens)),
                kind="train",
                version=2,
                work=Work(model=self.sources.role(base), lora=training.lora),
            )
        )

    def prefer(self, name: str, policy: Step, pairs: Step, loss: str, training: Preference | None = None) -> Step:
        """Preference optimisation of `policy`, also the reference; `training` None: the recipe's."""
        trainers.known_loss(loss, "preference.losses")
        own = trainers.own_loss(loss, "preference.losses") if functions.is_reference(loss) else None
        reads.check_pairs(self._prefix + name, pairs)
        name, config = self._prefix + name, (training or self.recipe.preference).of(loss)
        examples = estimates.examples(len(self.sources.questions["train_2"]), self.recipe.max_new_tokens)
        self.sources.check(policy, config, loss)
        self.sources.check_lengths(policy, None, config, "preference")
        start = self.sources.start(policy)
        return self._add(
            Step(
                name=name,
                run=train.prefer,
                params=train.Prefer(
                    quantize=start.quantize,
                    loss=loss,
                    source=None if own is None else functions.identity(own),
                    training=config,
                    seed=derive(self.recipe.seed, name),
                    dtype=self.recipe.dtype,
                    **self._trainer(),
                ),
                inputs={**start.inputs, "data": pairs},
                resources=Resources(model=start.model),
                output=f"models/{name}",
                expected_tokens=int(config.epochs * 2 * self.recipe.selection.max_pairs * examples),
                kind="train",
                version=2,
                work=Work(model=self.sources.role(policy), lora=config.lora),
            )
        )

    def _trainer(self) -> dict[str, Any]:
        """What says who trains; nothing for our loop, whose steps keep their identity."""
        return {} if self.recipe.trainer == "w2s" else {"trainer": self.recipe.trainer, "trl": self.recipe.trl}

    def answer(
        self,
        name: str,
        model: ModelSource,
        split: str = "train_2",
        demonstrations: Step | None = None,
        only: Step | None = None,
    ) -> Step:
        """Greedy answers to a split, or to `only`."""
        return self._answer(self._prefix + name, model, split, demonstrations, only=only)

    def sample(
        self, name: str, model: ModelSource, demonstrations: Step | None = None, *, weak: Step | None = None
    ) -> Step:
        """`sampling.n` completions per train_2 question; no completion depends on `weak`.

        With `sampling.adaptive` there are fewer: as many as settle the pairs with the answers `weak`, or without `weak`
        the majority.
        """
        sampling = self.recipe.sampling
        judged = weak or "vote" if sampling.adaptive else None
        return self._answer(
            self._prefix + name, model, "train_2", demonstrations, samples=sampling.n, settled_by=judged
        )

    def own_samples(self, demonstrations: Step) -> Step:
        """`sampling.n` few-shot completions of the untrained M per train_2 question, never fewer; one step for all."""
        sampling = self.recipe.sampling
        name = "own_samples" if sampling.adaptive else "control_samples"
        return self._answer(name, self.recipe.strong, "train_2", demonstrations, samples=sampling.n)

    def every_sample(
        self, name: str, model: ModelSource, demonstrations: Step | None = None, only: Step | None = None
    ) -> Step:
        """As `sample`, never fewer than `sampling.n`, for shares of votes; `only`: to these questions."""
        n = self.recipe.sampling.n
        return self._answer(self._prefix + name, model, "train_2", demonstrations, samples=n, only=only)

    def half(self, name: str, rows: Step, number: int) -> Step:
        """The rows, examples or questions, of half 0 or 1 of the questions."""
        params = halves.Half(number=number, seed=derive(self.recipe.seed, "halves"))
        name = self._prefix + name
        return self._add(Step(name, halves.half, params, {"rows": rows}, f"data/{name}.jsonl", kind="select"))

    def union(self, name: str, *parts: Step) -> Step:
        """All rows of several steps."""
        inputs, name = {f"part_{number}": part for number, part in enumerate(parts)}, self._prefix + name
        return self._add(Step(name, halves.union, {}, inputs, f"data/{name}.jsonl", kind="select"))

    def evaluate(
        self,
        name: str,
        model: ModelSource,
        demonstrations: Step | None = None,
        *,
        what: str = "",
        against: Sequence[str] = (),
        highlight: bool = False,
    ) -> None:
        """Accuracy on test, compared with models `against`; pass@k and maj@k if requested. In a control: nothing."""
        if self._prefix:
            return
        self._evaluated[name] = catalog.Evaluated(name=name, what=what, against=tuple(against), highlight=highlight)
        evaluation = self.recipe.evaluation
        greedy = self._answer(f"test_{name}", model, "test", demonstrations, output=f"data/responses/{name}.jsonl")
        params = self._reading("test") | {"model": name}
        output = f"data/test_{name}.jsonl"
        self._grade(f"evaluate_{name}", evaluate.accuracy, evaluate.Accuracy(**params), output, 4, responses=greedy)
        if evaluation.samples and name in evaluation.models:
            output = f"data/responses/{name}_samples.jsonl"
            sampled = self._answer(
                f"test_samples_{name}", model, "test", demonstrations, samples=evaluation.samples, output=output
            )
            several = evaluate.SampledAccuracy(**params, k=evaluation.k)
            self._grade(f"evaluate_samples_{name}", evaluate.sampled_accuracy, several, version=3, responses=sampled)
