"""Builds each kind of step, with its identity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from w2s import tasks
from w2s.config.schema import Run
from w2s.costs import estimates
from w2s.errors import UserError
from w2s.flow import fingerprint
from w2s.flow.step import Step
from w2s.records import Question
from w2s.seeds import derive
from w2s.steps import catalog, evaluate, generate, supervise
from w2s.steps.params import Resources, Selection, prompted
from w2s.steps.sources import ModelSource, Sources

THRESHOLDS = {"confidence", "reject_confidence", "max_pairs"}
"""Fields of `selection` that decide pairs."""


class StepBuilder:
    """Keeps steps in order; equal ones of one name are shared."""

    def __init__(self, run: Run, planning: bool = False) -> None:
        """Check what can be checked before compute. When `planning`, models may be missing.

        Raises:
            UserError: engine openai, a split without questions, or as `Sources`.
        """
        self.recipe = run.recipe
        self._prefix = ""
        self._steps: dict[str, Step] = {}
        self._evaluated: dict[str, catalog.Evaluated] = {}
        self._selected: dict[str, catalog.Selected] = {}
        self._strategies: list[catalog.Strategy] = []
        if self.recipe.engine == "openai":
            raise UserError(
                "a recipe trains its models, and a server serves what it was started with",
                field="engine",
                expected="transformers or vllm",
                hint="use a server with: w2s sample --engine openai",
            )
        self.sources = Sources(run, planning)
        overlap = self.sources.overlap
        pairs = list(overlap.rows())
        known = Resources(notes=overlap.lines(), findings=self.sources.findings, overlap=pairs)
        found = overlap.as_dict() | {"pairs": fingerprint.digest(pairs)}
        # A step of its own: questions can stay the same where overlap changes.
        self._add(Step("overlap", supervise.overlap, found, output="data/overlap.jsonl", resources=known, kind="data"))
        self.questions = {split: self._questions(split) for split in self.sources.questions}

    @property
    def steps(self) -> list[Step]:
        return list(self._steps.values())

    def _add(self, step: Step) -> Step:
        graded = [needed.name for needed in step.inputs.values() if needed.kind == "evaluate"]
        if graded:
            raise ValueError(f"{step.name} would read {graded[0]}, whose rows have gold")
        existing = self._steps.setdefault(step.name, step)
        if existing is not step and existing.fingerprint != step.fingerprint:
            raise UserError(
                f"two different steps are named {step.name!r}", field="strategies", hint="give one of them another name"
            )
        return existing

    def _questions(self, split: str, part: str = "", some: Sequence[Question] = ()) -> Step:
        questions, name = some or self.sources.questions[split], f"questions_{part or split}"
        if not questions:
            raise UserError(f"no question is left in {split}", hint="give more questions, or a larger --limit")
        return self._add(
            Step(
                name=name,
                run=supervise.questions,
                params=supervise.Questions(split=split, content=tasks.content_hash(questions)),
                resources=Resources(questions=questions),
                output=f"data/{name}.jsonl",
                kind="data",
            )
        )

    def _answer(
        self,
        name: str,
        model: ModelSource,
        split: str,
        demonstrations: Step | None,
        *,
        samples: int = 0,
        only: Step | None = None,
        settled_by: Any = None,
        output: str = "",
    ) -> Step:
        """Greedy answers, or samples: with `settled_by`, as few as decide."""
        recipe, start, builder = self.recipe, self.sources.start(model), self.sources.builder(model)
        self.sources.check_answers(model, split)
        inputs = {**start.inputs, "questions": only or self.questions[split]}
        if demonstrations is not None:
            inputs["demonstrations"] = demonstrations
        params: dict[str, Any] = {
            "model": start.identity,
            "quantize": start.quantize,
            "engine": recipe.engine,
            "dtype": recipe.dtype,
            "n": max(1, samples),
            "temperature": recipe.sampling.temperature if samples else 0.0,
            "top_p": recipe.sampling.top_p if samples else 1.0,
            "max_new_tokens": recipe.max_new_tokens,
            "seed": derive(recipe.seed, name) if samples else 0,
            "stop": builder.stop(demonstrations is not None),
            "trust_remote_code": recipe.trust_remote_code,
            **prompted(builder),
        }
        if settled_by is not None:
            params |= self._reading()
        if isinstance(settled_by, Step):
            params |= recipe.selection.model_dump(include=THRESHOLDS)
            inputs["weak"] = settled_by
        work = estimates.answering(
            self.sources.role(model),
            self.sources.questions[split],
            around=len(params["prompt"]) - len("?"),
            samples=max(1, samples),
            shots=0 if demonstrations is None else recipe.few_shot.k,
            new_tokens=recipe.max_new_tokens,
        )
        return self._add(
            Step(
                name=name,
                run=generate.answer if settled_by is None else generate.answer_until_settled,
                params=(generate.Answer if settled_by is None else generate.AnswerUntilSettled)(**params),
                inputs=inputs,
                resources=Resources(builder, model=start.model),
                output=output or f"data/{name}.jsonl",
                expected_tokens=int(estimates.responses(work.rows, recipe.max_new_tokens)),
                kind="generate",
                work=work,
                outdated=generate.unmarked,
            )
        )

    def _select(
        self,
        name: str,
        run: Callable[..., Any],
        params: Selection,
        inputs: Mapping[str, Step],
        version: int = 1,
    ) -> Step:
        name = self._prefix + name
        resources = Resources(self.sources.builder(self.recipe.strong))
        output = f"data/{name}.jsonl"
        return self._add(Step(name, run, params, inputs, output, version, resources=resources, kind="select"))

    def _selection(self) -> dict[str, Any]:
        return self._reading() | prompted(self.sources.builder(self.recipe.strong))

    def _seed(self, name: str) -> int:
        return derive(self.recipe.seed, self._prefix + name)

    def _measured(self, selection: Step, what: str) -> Step:
        """Its precision is for the report only."""
        what = f"control, {what}" if self._prefix else what
        self._selected[selection.name] = catalog.Selected(name=selection.name, what=what)
        params = evaluate.Graded(**self._reading("train_2"))
        name, questions = f"precision_{selection.name}", self.questions["train_2"]
        self._grade(name, evaluate.precision, params, selection=selection, questions=questions)
        return selection

    def _grade(
        self,
        name: str,
        run: Callable[..., Any],
        params: evaluate.Graded,
        output: str = "",
        version: int = 2,
        **inputs: Step,
    ) -> None:
        resources = Resources(self.sources.builder(self.recipe.strong), task=self.recipe.task)
        self._add(Step(name, run, params, inputs, output, version, resources=resources, kind="evaluate"))

    def _reading(self, split: str = "") -> dict[str, Any]:
        """With a split, its gold hash too."""
        reading = {"style": self.sources.style, "match": self.recipe.selection.match}
        return reading | ({"gold": self.sources.gold_hash[split]} if split else {})
