"""Online learning from votes. `w2s.training` is imported inside: it takes seconds."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

from w2s.config.schema import Training
from w2s.costs import estimates
from w2s.errors import BranchEnds, UserError, enough_memory
from w2s.flow.step import Context, Step
from w2s.flow.work import Work
from w2s.method.voting import Vote, vote, voter
from w2s.records import Answered, Example
from w2s.seeds import derive
from w2s.steps import launch
from w2s.steps.io import read_answered
from w2s.steps.params import Prompted, Reading, Resources, prompted
from w2s.steps.selecting import SelectionBuilder
from w2s.steps.train import HINT, TrainingStep

HELD = 5
"""One question of so many is held out (ours)."""


class Reinforce(Reading, Prompted, TrainingStep):
    """Of questions, `training.batch_size` per step.

    Args:
        n: samples per question.
    """

    n: int
    temperature: float
    top_p: float
    max_new_tokens: int
    stop: tuple[str, ...]
    held: int


def vote_reward(context: Context[Reinforce]) -> dict[str, Any]:
    """Train the model to give its own majority's answer; writes a model folder.

    Raises:
        BranchEnds: no question to learn on, or none to hold out.
        UserError: as `training.vote_reward.reinforce`, or too little memory.
    """
    from w2s.training import preview, trainers
    from w2s.training.setup import Setup

    trainers.load("trl", "sft")  # a missing library, in one message
    from w2s.training import vote_reward as online

    params, builder, policy = context.params, context.resources.builder, context.inputs["model"]
    voted = _votes(context.inputs["votes"], params)
    held = [each for number, each in enumerate(voted) if number % params.held == params.held - 1]
    learnt = [each for number, each in enumerate(voted) if number % params.held != params.held - 1]
    examples = [Example(a.id, builder.prompt(a.question), builder.completion(a.response)) for a, _ in learnt]
    examples = preview.teachable(policy, examples, offline=context.runtime.offline)
    if not examples or not held:
        raise BranchEnds("there is no question with a vote to learn on, or none to hold out")
    voting = online.Voting(
        params.rule, params.n, params.temperature, params.top_p, params.max_new_tokens, params.stop,
        {answer.id: answer.question for answer, _ in voted},
        tuple(online.Held(answer.id, builder.prompt(answer.question), votes.key) for answer, votes in held),
        fmean(votes.confidence for _, votes in learnt),
    )  # fmt: skip
    state = context.scratch / launch.STATE
    setup = Setup(params.seed, params.dtype, params.quantize, context.runtime, state, params.trl)
    with enough_memory(HINT), launch.training(online.reinforce, context) as train:
        result = train(policy, examples, context.output, params.training, setup, voting)
    return asdict(result)


def _votes(path: Path, params: Reinforce) -> list[tuple[Answered, Vote]]:
    """A text of the majority, and the votes, of each question that has one."""
    answers = sorted(read_answered(path, params.rule), key=lambda answer: (answer.id, answer.sample))
    found = []
    for _, group in groupby(answers, key=lambda answer: answer.id):
        samples = list(group)
        votes = vote(samples)
        text = voter(samples, votes.key)
        if text is not None and text.response.strip():
            found.append((text, votes))
    return found


class ReinforceBuilder(SelectionBuilder):
    """The verb that learns online."""

    def reinforce(self, name: str, policy: Step, votes: Step) -> Step:
        """Reward `policy`'s samples that equal their majority; `votes`: its samples before, of which some are held out.

        Raises:
            UserError: another trainer than TRL's, or one sample per question.
        """
        recipe, sampling, start = self.recipe, self.recipe.sampling, self.sources.start(policy)
        if recipe.trainer != "trl":
            raise UserError(
                f"{name} learns online, by TRL's GRPOTrainer",
                field="trainer",
                expected="trl",
                hint="set trainer=trl, or leave the strategy out",
            )
        if sampling.n < 2:
            raise UserError(f"{name} compares samples", field="sampling.n", expected="at least 2")
        if self.sources.runtime.accelerate is not None:
            raise UserError(f"{name} runs in one process", field="runtime.accelerate", hint="leave it out")
        training = Training(**recipe.preference.model_dump(include={*Training.model_fields}))
        self.sources.check(policy, training)
        self.sources.check_lengths(policy, None, training, "preference")
        name = self._prefix + name
        builder = self.sources.builder(policy)
        rows = len(self.sources.questions["train_2"]) * sampling.n
        return self._add(
            Step(
                name=name,
                run=vote_reward,
                params=Reinforce(
                    **self._reading(),
                    **prompted(builder),
                    quantize=start.quantize,
                    training=training,
                    seed=derive(recipe.seed, name),
                    dtype=recipe.dtype,
                    trainer="trl",
                    trl=recipe.trl,
                    n=sampling.n,
                    temperature=sampling.temperature,
                    top_p=sampling.top_p,
                    max_new_tokens=recipe.max_new_tokens,
                    stop=builder.stop(False),
                    held=HELD,
                ),
                inputs={**start.inputs, "votes": votes},
                resources=Resources(builder, model=start.model),
                output=f"models/{name}",
                expected_tokens=int(training.epochs * estimates.examples(rows, recipe.max_new_tokens)),
                kind="train",
                work=Work(model=self.sources.role(policy), lora=training.lora),
            )
        )
