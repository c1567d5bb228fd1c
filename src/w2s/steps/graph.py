"""Turns the words of the method into inert steps with their identity. Runs nothing, loads no model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s import tasks
from w2s.config import Run, Training
from w2s.costs import Work
from w2s.errors import UserError
from w2s.flow.step import Step
from w2s.seeds import derive
from w2s.steps import estimates, evaluate, generate, select, supervise, train
from w2s.steps.sources import Model, Sources

_RULE = {"confidence", "reject_confidence", "max_pairs"}  # of a selection, what decides about pairs


class Graph:
    """Builds steps and keeps them in order. One method a kind of step."""

    def __init__(self, run: Run, planning: bool = False) -> None:
        """Check everything that can be checked before compute is spent, and begin with the questions of each split.

        Args:
            run: the recipe, and where it is to run.
            planning: the steps are for a plan only; models need not be within reach.

        Raises:
            UserError: the engine cannot run a recipe, a split has no question, or `Sources` refuses.
        """
        self.recipe = run.recipe
        self.steps: list[Step] = []
        if self.recipe.engine == "openai":
            raise UserError(
                "a recipe trains its models, and a server serves what it was started with",
                field="engine",
                expected="transformers or vllm",
                mend="use a server with: w2s sample --engine openai",
            )
        self.sources = Sources(run, planning)
        self._overlap()
        self.questions = {split: self._questions(split) for split in self.sources.questions}

    def _add(self, step: Step) -> Step:
        self.steps.append(step)
        return step

    def _overlap(self) -> None:
        """A step of its own: the same questions may be left where another split or policy shares others with them."""
        found = self.sources.overlap
        given = {"lines": found.lines()}
        self._add(Step("overlap", supervise.overlap, params=found.as_dict(), given=given, kind="data"))

    def _questions(self, split: str) -> Step:
        found = self.sources.questions[split]
        if not found:
            raise UserError(f"no question is left in {split}", mend="give more questions, or a larger --limit")
        return self._add(
            Step(
                name=f"questions_{split}",
                run=supervise.questions,
                params={"split": split, "content": tasks.content_hash(found)},
                given={"questions": found},
                output=f"data/questions_{split}.jsonl",
                kind="data",
            )
        )

    def gold_examples(self, split: str, reader: Model) -> Step:
        """Questions of a split with gold solutions, as training examples for `reader`."""
        prompt, builder = self.sources.prompt(reader)
        return self._add(
            Step(
                name=f"gold_{split}",
                run=supervise.gold_examples,
                params={"split": split, "gold": self.sources.gold_hash[split], "style": self.sources.style, **prompt},
                given={**builder, "task": self.recipe.task, "questions": self.sources.questions[split]},
                inputs={"questions": self.questions[split]},
                output=f"data/gold_{split}.jsonl",
                kind="data",
            )
        )

    def fine_tune(
        self, name: str, base: Model, data: Step, source: str = "both", training: Training | None = None
    ) -> Step:
        """Supervised fine-tuning of `base` on the rows of `data` that come from `source`."""
        training = training or self.recipe.training
        rows = estimates.most_examples(data, source, len(self.sources.questions[data.params.get("split", "train_2")]))
        self.sources.preflight(base, training.lora)
        params, inputs, given = self.sources.start(base)
        return self._add(
            Step(
                name=name,
                run=train.fine_tune,
                params={
                    **params,
                    "source": source,
                    "training": training.model_dump(mode="json"),
                    "seed": derive(self.recipe.seed, name),
                    "dtype": self.recipe.dtype,
                },
                inputs={**inputs, "data": data},
                given=given,
                output=f"models/{name}",
                expected_tokens=int(training.epochs * estimates.examples(rows, self.recipe.max_new_tokens)),
                kind="train",
                version=2,
                work=Work(model=self.sources.role(base), lora=training.lora),
            )
        )

    def prefer(self, name: str, policy: Step, pairs: Step, loss: str) -> Step:
        """Preference optimisation of `policy`, which is also the reference."""
        config = self.recipe.preference
        texts = estimates.examples(len(self.sources.questions["train_2"]), self.recipe.max_new_tokens)
        self.sources.preflight(policy, config.lora)
        params, inputs, _ = self.sources.start(policy)
        return self._add(
            Step(
                name=name,
                run=train.prefer,
                params={
                    **params,
                    "loss": loss,
                    "training": config.model_dump(mode="json", exclude={"losses"}),
                    "seed": derive(self.recipe.seed, name),
                    "dtype": self.recipe.dtype,
                },
                inputs={**inputs, "data": pairs},
                output=f"models/{name}",
                expected_tokens=int(config.epochs * 2 * self.recipe.selection.max_pairs * texts),
                kind="train",
                version=2,
                work=Work(model=self.sources.role(policy), lora=config.lora),
            )
        )

    def answer(
        self,
        name: str,
        model: Model,
        split: str,
        demonstrations: Step | None = None,
        *,
        samples: int = 0,
        output: str | None = None,
        settle: bool = False,
        weak: Step | None = None,
        only: Step | None = None,
    ) -> Step:
        """`model` answers a split, or `only` these of its questions: greedily, or with that many samples a question.

        With `settle` only as many of them as decide the question's fate against its answer in `weak`, or its vote.
        """
        recipe = self.recipe
        params, inputs, given = self.sources.start(model)
        prompt, asked = self.sources.prompt(model)
        if demonstrations is not None:
            inputs["demonstrations"] = demonstrations
        if settle:
            params |= self._reading()
        if settle and weak is not None:
            params |= recipe.selection.model_dump(include=_RULE)
            inputs["weak"] = weak
        work = estimates.answering(
            self.sources.role(model),
            self.sources.questions[split],
            around=len(prompt["prompt"]) - len("?"),
            samples=max(1, samples),
            shots=0 if demonstrations is None else recipe.few_shot.k,
            new_tokens=recipe.max_new_tokens,
        )
        return self._add(
            Step(
                name=name,
                run=generate.answer_until_settled if settle else generate.answer,
                params={
                    **params,
                    "engine": recipe.engine,
                    "dtype": recipe.dtype,
                    "n": max(1, samples),
                    "temperature": recipe.sampling.temperature if samples else 0.0,
                    "top_p": recipe.sampling.top_p if samples else 1.0,
                    "max_new_tokens": recipe.max_new_tokens,
                    "seed": derive(recipe.seed, name) if samples else 0,
                    **prompt,
                    "stop": list(asked["builder"].stop(demonstrations is not None)),
                    "trust_remote_code": recipe.trust_remote_code,
                },
                inputs={**inputs, "questions": only or self.questions[split]},
                given={**given, **asked},
                output=output or f"data/{name}.jsonl",
                expected_tokens=int(estimates.responses(work.rows, recipe.max_new_tokens)),
                kind="generate",
                work=work,
            )
        )

    def sample(self, name: str, model: Model, demonstrations: Step | None = None, *, weak: Step | None = None) -> Step:
        """`sampling.n` answers to each question of train_2, for `pairs` against `weak` or, without it, for a vote.

        Fewer where `sampling.adaptive` says so and the rest could change nothing.
        """
        sampling = self.recipe.sampling
        return self.answer(
            name, model, "train_2", demonstrations, samples=sampling.n, settle=sampling.adaptive, weak=weak
        )

    def demonstrations(self, name: str, weak: Step) -> Step:
        """Few-shot demonstrations from the weak answers."""
        params = {**self.recipe.few_shot.model_dump(), "seed": derive(self.recipe.seed, name)}
        return self._select(name, select.choose_demonstrations, params, weak=weak)

    def all_examples(self, name: str, weak: Step) -> Step:
        """Every weak answer as a training example."""
        return self._select(name, select.all_examples, {}, weak=weak)

    def majority(self, name: str, samples: Step) -> Step:
        """The most common answer of the samples, in the place of weak answers."""
        return self._select(name, select.majority, {}, samples=samples)

    def agree(self, name: str, weak: Step, strong: Step, *, augmented: bool = False) -> Step:
        """Questions on which both give the same final answer; an agreement to be augmented is measured after that."""
        string = self.recipe.selection.match == "string"
        rule = {"nothing_agrees": "neither empty"} if string else {}  # the step's rule, for identity
        if augmented:
            return self._select(name, select.agree, rule | {"augmented": True}, weak=weak, strong=strong)
        step = self._select(name, select.agree, rule, weak=weak, strong=strong)
        self.precision(step)
        return step

    def sample_missed(self, name: str, model: Model, demonstrations: Step, agreed: Step, weak: Step) -> Step:
        """`sampling.n` answers to each question that is not `agreed` upon; none where there are enough of these."""
        params = {"augment_to": self.recipe.selection.augment_to}
        asked = self._select(f"{name}_questions", select.missed, params, agreed=agreed, weak=weak)
        return self.answer(name, model, "train_2", demonstrations, samples=self.recipe.sampling.n, only=asked)

    def augment(self, name: str, agreed: Step, weak: Step, more: Step) -> Step:
        """An agreement, filled up from the weak answers and `more` strong ones to the number of questions asked for."""
        params = self.recipe.selection.model_dump(include={"augment_to", "augment"})
        params["seed"] = derive(self.recipe.seed, name)
        step = self._select(name, select.augment, params, agreed=agreed, weak=weak, more=more)
        self.precision(step)
        return step

    def pairs(self, name: str, weak: Step, samples: Step) -> Step:
        """Preference pairs that set weak texts against sampled ones."""
        selection = self.recipe.selection
        params = selection.model_dump(include=_RULE) | {"seed": derive(self.recipe.seed, name)}
        if self.recipe.sampling.adaptive:
            params["n"] = self.recipe.sampling.n
        step = self._select(name, select.build_pairs, params, weak=weak, samples=samples)
        self.precision(step)
        return step

    def _select(self, name: str, run: Any, params: Mapping[str, Any], **inputs: Step) -> Step:
        prompt, given = self.sources.prompt(self.recipe.strong)  # what is selected trains the strong model
        params = {**self._reading(), **prompt, **params}
        return self._add(
            Step(name, run, params, inputs=inputs, given=given, output=f"data/{name}.jsonl", kind="select")
        )

    def precision(self, selection: Step) -> Step:
        """How many of a selection's pseudo-labels are right; for the report only."""
        name, questions = f"precision_{selection.name}", self.questions["train_2"]
        return self._grade(name, evaluate.precision, {}, "train_2", "", selection=selection, questions=questions)

    def evaluate(self, name: str, model: Model, demonstrations: Step | None = None) -> None:
        """Accuracy of `model` on test, and pass@k and maj@k if the recipe asks for them."""
        evaluation = self.recipe.evaluation
        greedy = self.answer(f"test_{name}", model, "test", demonstrations, output=f"data/responses/{name}.jsonl")
        self._grade(
            f"evaluate_{name}", evaluate.accuracy, {"model": name}, "test", f"data/test_{name}.jsonl", version=3,
            responses=greedy,
        )  # fmt: skip
        if evaluation.samples and name in evaluation.models:
            drawn = self.answer(
                f"test_samples_{name}", model, "test", demonstrations,
                samples=evaluation.samples, output=f"data/responses/{name}_samples.jsonl",
            )  # fmt: skip
            params = {"model": name, "k": list(evaluation.k)}
            self._grade(f"evaluate_samples_{name}", evaluate.sampled_accuracy, params, "test", "", responses=drawn)

    def _grade(
        self,
        name: str,
        run: Any,
        params: Mapping[str, Any],
        split: str,
        output: str,
        *,
        version: int = 2,
        **inputs: Step,
    ) -> Step:
        reading = self._reading() | {"gold": self.sources.gold_hash[split]}
        given = {"task": self.recipe.task, **self.sources.prompt(self.recipe.strong)[1]}
        return self._add(Step(name, run, {**reading, **params}, inputs, output, version, given=given, kind="evaluate"))

    def _reading(self) -> dict[str, str]:
        """How final answers are read and compared."""
        return {"style": self.sources.style, "match": self.recipe.selection.match}
