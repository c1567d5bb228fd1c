"""A model that several processes load, score and write. No result depends on their number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import torch

from w2s import seeds
from w2s.config import schema as configs
from w2s.models import adapters, parity, quantize
from w2s.models.malloc import keep_freed_memory
from w2s.training import attention, checkpoint, distributed, losses, verify
from w2s.training.checkpoint import Start
from w2s.training.data import Encoded
from w2s.training.distributed import Team
from w2s.training.setup import Setup

_PADDED_PASSES = 4
"""Passes per step on CPUs with padding."""

_SIDE_BY_SIDE = 64
"""Prompts decoded at once, over all processes."""


class SharedModel:
    """A model that processes share; all call the same methods in the same order.

    Raises:
        UserError: missing weights, LoRA targets that match nothing, or a quantised base that cannot be trained.
    """

    def __init__(
        self,
        start: Start,
        tokenizer: Any,
        config: configs.Training,
        team: Team,
        setup: Setup,
        *,
        dropout: bool = True,
    ) -> None:
        self._start, self._tokenizer, self._config, self._team = start, tokenizer, config, team
        self._seed, self._quantize, runtime = setup.seed, setup.quantize, setup.runtime
        self._setup = setup
        if team.device.type == "cpu":
            keep_freed_memory()
        self._bfloat16 = setup.dtype == "bfloat16"
        self._dropout = dropout
        self._sharded = team.size > 1 and runtime.sharding == "fsdp"
        self._sharding = runtime.sharding
        quantize.check_training(setup.quantize, config.lora, self._sharded)
        self._exact: dict[Any, torch.Tensor] = {}
        self._model = self._load(start, config.lora)
        self._packed = attention.can_pack(self._model)
        share = math.ceil(config.batch_size / team.size)
        one_pass = self._packed or team.device.type == "cuda"
        self._micro_batch = min(runtime.micro_batch or math.ceil(share / (1 if one_pass else _PADDED_PASSES)), share)
        if runtime.gradient_checkpointing:
            self._model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        self._spread = distributed.spread(self._model, self._sharding, team)
        torch.manual_seed(seeds.derive(setup.seed, "dropout", team.rank))

    def _load(self, start: Start, lora: configs.Lora | None) -> Any:
        """Under FSDP only the first process has weights."""
        torch.manual_seed(self._seed)
        empty = self._sharded and self._team.rank > 0
        if empty:
            model = checkpoint.empty_model(start.base, self._tokenizer)
        else:
            model = checkpoint.load_model(
                start.base, self._tokenizer, quantize=self._quantize, device=self._team.device
            )
        attention.use_best(model, self._team.device, bfloat16=self._bfloat16, whole=not self._sharded)
        if lora is not None:
            with torch.device("meta") if empty else nullcontext():
                model = checkpoint.with_adapter(model, start, lora, empty=empty)
            if self._bfloat16 and not self._sharded:  # FSDP wants one dtype per layer
                self._exact = checkpoint.round_frozen(model)
        elif start.adapter is not None and not empty:
            model = adapters.merge(model, start.adapter).requires_grad_(True)  # PEFT froze it
        if not self._dropout:
            for module in model.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.0
        return model

    def _log_probs(self, model: Any, rows: Sequence[Encoded]) -> torch.Tensor:
        with self._autocast():
            pad = self._tokenizer.pad_token_id
            packed, shared = self._packed, attention.shares_prompts(self._model)
            return losses.log_probs(model, rows, pad, self._team.device, packed=packed, share_prompts=shared)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._team.device.type, torch.bfloat16, enabled=self._bfloat16)

    def score(self, rows: Sequence[Encoded]) -> list[float]:
        """Summed log-probability of each row's completion in nats, without dropout."""
        scores = torch.zeros(len(rows), device=self._team.device)
        order = sorted(range(len(rows)), key=lambda place: len(rows[place].tokens))  # little padding
        if attention.shares_prompts(self._model):
            order.sort(key=lambda place: rows[place].prompt)
        for places, own in self._shares(order, 2 * self._micro_batch):
            sums = self._log_probs(self._model, [rows[place] for place in places])
            if own:
                scores[places] = sums
        return [float(value) for value in self._team.sum(scores).tolist()]

    def greedy(self, rows: Sequence[Encoded]) -> list[str]:
        """Greedy tokens after each row's prompt."""
        output = torch.zeros(len(rows), parity.TOKENS, dtype=torch.long, device=self._team.device)
        order = sorted(range(len(rows)), key=lambda place: len(rows[place].prompt))
        for places, own in self._shares(order, math.ceil(_SIDE_BY_SIDE / self._team.size)):
            with self._autocast():
                tokens = verify.greedy(self._model, [rows[place].prompt for place in places], output.device)
            if own:
                output[places] = tokens
        return verify.decode(self._tokenizer, self._model.generation_config, self._team.sum(output).tolist())

    def _shares(self, order: Sequence[int], size: int) -> Iterator[tuple[Sequence[int], bool]]:
        """Batches of places, and whether each is this process's own."""
        team = self._team
        batches = [order[begin : begin + size] for begin in range(0, len(order), size)]
        self._model.eval()
        with torch.no_grad():
            for begin in range(0, len(batches), team.size):
                own = begin + team.rank < len(batches)
                yield batches[begin + team.rank if own else begin], own
        if self._sharded:
            self._model.reshard()  # else the outermost part stays whole, and an optimiser would get the wrong tensors

    def save(self, out: Path, prompts: Sequence[str], rows: Sequence[Encoded]) -> None:
        """Write the model folder; call no method after it.

        Adapters are read again and must give the same log-probabilities, except over a quantised base.

        Raises:
            UserError: they do not.
        """
        lora = self._config.lora
        if lora is None or self._quantize:
            self._write(out, "merged" if lora is None else lora.save)
            return
        completions = self._parity(prompts, rows)
        self._compute_exactly()
        sample = verify.sample(prompts, rows)
        before = self.score(sample)
        self._write(out, lora.save)
        self._model = self._spread = None  # room for the other one
        self._exact = {}
        self._model = self._load(checkpoint.find(out), None)
        distributed.spread(self._model, self._sharding, self._team)
        self._compute_exactly()
        verify.saved_equals_trained(sample, before, self.score(sample), out)
        if completions is not None and self._team.rank == 0:
            parity.write(completions, out)
        self._team.wait()

    def _write(self, out: Path, form: Literal["merged", "adapter"]) -> None:
        weights = distributed.trained_weights(self._model) if self._sharded else None
        if self._team.rank == 0:
            model, lora = self._model, self._config.lora
            if weights is not None and form == "merged":
                model = self._load(self._start, lora)
                model.load_state_dict(weights, strict=lora is None)
            if self._quantize and form == "merged":
                model = checkpoint.on_unquantised(model, self._start.base, self._tokenizer)
            checkpoint.save(model, self._tokenizer, out, form, weights)
        self._team.wait()

    def _compute_exactly(self) -> None:
        """In float32 merging changes only last bits."""
        attention.compute_exactly(self._model)
        checkpoint.restore_frozen(self._model, self._exact)
        self._packed, self._bfloat16 = attention.can_pack(self._model), False

    def _parity(self, prompts: Sequence[str], rows: Sequence[Encoded]) -> parity.Parity | None:
        """None where no prompt leaves space in the context."""
        context = getattr(self._model.config.get_text_config(), "max_position_embeddings", None) or math.inf
        fit = [place for place, row in enumerate(rows) if len(row.prompt) + parity.TOKENS <= context]
        places = [fit[place] for place in parity.chosen([prompts[place] for place in fit])]
        if not places:
            return None
        sample = [rows[place] for place in places]
        trained = self.greedy(sample)
        with self._model.disable_adapter():
            base = self.greedy(sample)
        agreed = parity.agreement(list(zip(base, trained, strict=True)))
        return parity.Parity(
            parity.TOKENS, agreed, tuple(prompts[place] for place in places), tuple(trained), tuple(base)
        )
