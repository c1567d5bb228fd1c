"""Online learning from votes (TTRL, arXiv 2504.16084) by TRL's GRPOTrainer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from datasets import Dataset, disable_progress_bars
from safetensors.torch import load_file, save_file
from transformers import PrinterCallback, TrainerCallback

from w2s.answers import answered_all
from w2s.config import schema as configs
from w2s.config.choices import AnswerRule
from w2s.data import disk
from w2s.method import collapse
from w2s.method.collapse import Check
from w2s.method.voting import vote
from w2s.records import Answered, Example, Response
from w2s.training import checkpoint, data, distributed, signals
from w2s.training.data import Encoded
from w2s.training.history import TrainResult
from w2s.training.loop import OnProgress, give_memory_back, quiet
from w2s.training.setup import Setup
from w2s.training.trl import Job, environment
from w2s.training.trl_states import Watch
from w2s.training.trl_trainers import Grpo, online

CHECKS = 10
"""In a training (ours)."""
_ROWS = 64
"""Held-out prompts per batch."""
_CHECKS = "checks.json"


@dataclass(frozen=True, slots=True)
class Held:
    """A held-out question: its prompt, and the answer of the votes before the training."""

    id: str
    prompt: str
    key: str | None


@dataclass(frozen=True, slots=True)
class Voting:
    """How samples are made and compared.

    Args:
        n: per question.
        stop: texts that end a response.
        questions: by id, of all prompts.
        share: of the majority, before the training.
    """

    rule: AnswerRule
    n: int
    temperature: float
    top_p: float
    max_new_tokens: int
    stop: tuple[str, ...]
    questions: Mapping[str, str]
    held: tuple[Held, ...]
    share: float


@dataclass(frozen=True)
class VoteResult(TrainResult):
    """`checks`: step, share, agreement. `kept`: the step whose model is saved. `planned`: steps without a stop."""

    checks: tuple[dict[str, float], ...] = ()
    kept: int = 0
    planned: int = 0


@quiet()
def reinforce(
    policy: Path,
    examples: Sequence[Example],
    out: Path,
    config: configs.Training,
    setup: Setup,
    voting: Voting,
    *,
    on_progress: OnProgress | None = None,
) -> VoteResult:
    """Reward samples that equal their group's majority; `config.batch_size` counts questions.

    `examples`: prompts to learn on; their completions only serve to compare the saved adapter with the trained one.
    Stops by `collapse.collapsed`, and then saves the model of the best check.

    Raises:
        UserError: unusable prompts, settings or folder; values that are not finite; a saved model that is not the
            trained one.
    """
    disable_progress_bars()
    with distributed.join(setup.runtime) as team, environment(), signals.deferred(setup.state is not None) as waiting:
        start = checkpoint.find(policy, out, offline=setup.runtime.offline)
        tokenizer = checkpoint.load_tokenizer(start)
        ordered = sorted(examples, key=lambda example: (example.id, example.prompt))
        rows = data.encode(tokenizer, ordered, checkpoint.longest(start.base, config.max_length))
        config = config.model_copy(update={"batch_size": min(config.batch_size, len(rows))})
        job = Job(start, tokenizer, config, team, setup, [each.prompt for each in ordered], [(row,) for row in rows])
        shared = job.load()
        watch = Watch(setup, config, team, waiting, [job.start, *job.rows], on_progress)
        sampling = {"temperature": voting.temperature, "top_p": voting.top_p, "tokens": voting.max_new_tokens}
        trainer = Grpo(
            model=shared.network.train(),
            reward_funcs=(checks := _Checks(voting, tokenizer, watch.folder)).reward,
            args=online(job.arguments(watch.folder), voting.n, sampling),
            train_dataset=Dataset.from_dict({"prompt": job.prompts, "id": [row.id for row in rows]}),
            processing_class=tokenizer,
            callbacks=[watch, checks],
        )
        trainer.own_prompts = {example.prompt: row for example, row in zip(ordered, rows, strict=True)}
        trainer.remove_callback(PrinterCallback)
        total = watch.plan(trainer)
        resumed = watch.resume()
        checks.begin(shared, total, 0 if resumed is None else int(resumed.rpartition("-")[2]))
        trainer.train(resume_from_checkpoint=resumed)
        steps = trainer.state.global_step
        kept, weights = checks.kept(steps)
        del trainer, shared
        give_memory_back()
        trained = job.load()
        trained.put(weights)
        trained.save(out, job.prompts, job.learned)
        result = replace(watch.history.result(steps, len(rows)), tokens=checks.tokens)
        watch.close()
        found = tuple(asdict(check) for check in checks.made)
        return VoteResult(**{**asdict(result), "checks": found, "kept": kept, "planned": total})


class _Checks(TrainerCallback):
    """The reward, and the checks on held-out questions."""

    def __init__(self, voting: Voting, tokenizer: Any, folder: Path) -> None:
        self.made: list[Check] = []
        self.tokens = 0
        self._voting, self._tokenizer, self._folder = voting, tokenizer, folder
        self._shares: list[float] = []
        self._saved: list[int] = []  # steps of checkpoints
        self._network: Any = None
        self._autocast: Any = None
        self._every = 1
        self.__name__ = "majority"  # of the reward, in TRL's logs

    def begin(self, shared: Any, total: int, done: int) -> None:
        """Check before the first step; or put back the checks up to a checkpoint's step."""
        self._network, self._autocast, self._every = shared.network, shared.autocast, max(1, total // CHECKS)
        file = self._folder / _CHECKS
        if done and file.is_file():
            before = json.loads(file.read_bytes())
            self.made = [Check(**check) for check in before["checks"] if check["step"] <= done]
            self._shares, self.tokens = before["at"].get(str(done), ([], 0))
            self._saved = [step for step in map(int, before["at"]) if step <= done]
        if not self.made:
            self._check(0, self._voting.share)

    def reward(self, prompts: list[str], completions: list[str], **columns: Any) -> list[float]:
        """TRL's reward function: samples of one question stand together."""
        ids, size, values = columns["id"], self._voting.n, []
        answers = self._answered([str(id) for id in ids], completions)
        self.tokens += sum(len(tokens) for tokens in columns["completion_ids"])
        for begin in range(0, len(answers), size):
            group = answers[begin : begin + size]
            majority = vote(group)
            self._shares.append(majority.confidence)
            values += collapse.rewards([answer.key for answer in group], majority.key)
        return values

    def on_train_begin(self, args: Any, state: Any, control: Any, **keywords: Any) -> None:
        control.should_training_stop = collapse.collapsed(self.made)  # it may resume where it ended

    def on_step_end(self, args: Any, state: Any, control: Any, **keywords: Any) -> None:
        if state.global_step % self._every == 0 or state.global_step == state.max_steps:
            self._check(state.global_step, fmean(self._shares) if self._shares else 0.0)
            self._shares.clear()
            control.should_training_stop = control.should_training_stop or collapse.collapsed(self.made)
        if control.should_save:  # `Watch` comes first
            self._write(state.global_step)

    def kept(self, steps: int) -> tuple[int, Mapping[str, torch.Tensor]]:
        """The step whose weights are saved, and these."""
        if collapse.collapsed(self.made):
            step = collapse.best(self.made).step
            return step, load_file(self._best(step))
        return steps, self._weights()

    def _check(self, step: int, share: float) -> None:
        held = self._voting.held
        texts: list[str] = []
        for begin in range(0, len(held), _ROWS):
            texts += self._greedy([each.prompt for each in held[begin : begin + _ROWS]])
        answers = self._answered([each.id for each in held], texts)
        right = [answer.key == each.key for answer, each in zip(answers, held, strict=True)]
        self.made.append(Check(step, share, fmean(right)))
        if collapse.best(self.made).step == step:
            part = self._folder / "best.part"
            save_file(dict(self._weights()), part)
            part.replace(self._best(step))
            needed = {collapse.best([c for c in self.made if c.step <= at]).step for at in (*self._saved, step)}
            for file in {*self._folder.glob("best-*")} - {self._best(each) for each in needed}:
                file.unlink()

    def _best(self, step: int) -> Path:
        """The weights of a check that was the best; a training that resumes at a checkpoint needs that of its time."""
        return self._folder / f"best-{step}.safetensors"

    def _write(self, step: int) -> None:
        """What `begin` puts back at a checkpoint of this step."""
        file = self._folder / _CHECKS
        at = json.loads(file.read_bytes())["at"] if file.is_file() else {}
        at = dict([*at.items(), (str(step), [self._shares, self.tokens])][-3:])  # two checkpoints are kept
        self._saved = [int(each) for each in at]
        content = {"checks": [asdict(check) for check in self.made], "at": at}
        with disk.replacing(file) as out:
            out.write(json.dumps(content).encode())

    def _weights(self) -> dict[str, torch.Tensor]:
        named = self._network.named_parameters()
        return {name: p.detach().cpu().clone().contiguous() for name, p in named if p.requires_grad}

    @torch.no_grad()
    def _greedy(self, prompts: Sequence[str]) -> list[str]:
        encoded: list[Encoded] = data.encode(self._tokenizer, [Example("", prompt, " ?") for prompt in prompts], 10**7)
        width = max(len(row.prompt) for row in encoded)
        pad = [width - len(row.prompt) for row in encoded]
        device = self._network.device
        ids = [[self._tokenizer.pad_token_id] * n + [*row.prompt] for n, row in zip(pad, encoded, strict=True)]
        mask = torch.tensor([[0] * n + [1] * (width - n) for n in pad])
        training = self._network.training
        self._network.eval()
        with self._autocast():
            made = self._network.generate(
                input_ids=torch.tensor(ids).to(device),
                attention_mask=mask.to(device),
                do_sample=False,
                max_new_tokens=self._voting.max_new_tokens,
                pad_token_id=self._tokenizer.pad_token_id,
            )
        self._network.train(training)
        texts: list[str] = self._tokenizer.batch_decode(made[:, width:], skip_special_tokens=True)
        return texts

    def _answered(self, ids: Sequence[str], texts: Sequence[str]) -> list[Answered]:
        responses = []
        for id, text in zip(ids, texts, strict=True):
            for mark in self._voting.stop:
                text = text.partition(mark)[0]
            responses.append(Response(id, self._voting.questions[id], text.strip()))
        return list(answered_all(responses, self._voting.rule))
