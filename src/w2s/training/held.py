"""A model in the hands of the processes that train it: loaded, asked for log-probabilities and texts, written.

What they compute here does not depend on how many they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import torch

from w2s import config as configs
from w2s import parity, seeds
from w2s.allocator import keep_freed_memory
from w2s.models import adapters
from w2s.training import attention, checkpoint, gate, losses, parallel
from w2s.training.checkpoint import Start
from w2s.training.data import Encoded
from w2s.training.parallel import Team

_PADDED_PASSES = 4
"""Passes a step on a CPU where texts are padded: they cost little there, and similar lengths need less padding."""

_SIDE_BY_SIDE = 64
"""Prompts decoded at once, over all processes: a step of decoding reads every weight, be they one or many."""


class Held:
    """A model. With several processes, each makes one, and calls the same methods in the same order.

    Args:
        start: what to start from.
        tokenizer: its tokenizer.
        config: learning rate, epochs, batch size and so on.
        team: the processes that share the work.
        seed: of data order, adapters and dropout.
        dtype: number format of matrix products; weights are float32.
        quantize: "4bit", or None; see `sft.train`.
        runtime: passes a step, memory and sharding; nothing in it changes more than the last bits.
        dropout: whether the model's dropout is on in training.

    Raises:
        UserError: LoRA targets that match nothing, missing weights, a quantised base that cannot be trained so.
    """

    def __init__(
        self,
        start: Start,
        tokenizer: Any,
        config: configs.Training,
        team: Team,
        *,
        seed: int,
        dtype: configs.Dtype,
        quantize: str | None = None,
        runtime: configs.Runtime,
        dropout: bool = True,
    ) -> None:
        self._start, self._tokenizer, self._config, self._team, self._seed = start, tokenizer, config, team, seed
        if team.device.type == "cpu":
            keep_freed_memory()
        self._bfloat16 = dtype == "bfloat16"
        self._dropout = dropout
        self._sharded = team.size > 1 and runtime.sharding == "fsdp"
        self._sharding = runtime.sharding
        self._quantize = quantize
        checkpoint.check_quantised(quantize, config.lora, self._sharded)
        self._exact: dict[Any, torch.Tensor] = {}
        self._model = self._load(start, config.lora)
        self._packed = attention.keeps_texts_apart(self._model)
        share = math.ceil(config.batch_size / team.size)
        one_pass = self._packed or team.device.type == "cuda"
        self._rows = min(runtime.micro_batch or math.ceil(share / (1 if one_pass else _PADDED_PASSES)), share)
        if runtime.gradient_checkpointing:
            self._model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        self._spread = parallel.spread(self._model, self._sharding, team)
        torch.manual_seed(seeds.derive(seed, "dropout", team.rank))

    def _load(self, start: Start, lora: configs.Lora | None) -> Any:
        """The model that training starts from, with an adapter if asked for: the same in every process.

        Without one, an adapter that is there is merged. Under FSDP only the first process has the numbers.
        """
        torch.manual_seed(self._seed)
        empty = self._sharded and self._team.rank > 0
        if empty:
            model = checkpoint.empty_model(start.base, self._tokenizer)
        else:
            held = {"quantize": self._quantize, "device": self._team.device}
            model = checkpoint.load_model(start.base, self._tokenizer, **held)
        attention.use_best(model, self._team.device, bfloat16=self._bfloat16, whole=not self._sharded)
        if lora is not None:
            with torch.device("meta") if empty else nullcontext():
                model = checkpoint.with_adapter(model, start, lora, empty=empty)
            if self._bfloat16 and not self._sharded:  # FSDP wants one number format in a layer
                self._exact = checkpoint.hold_in_bfloat16(model)
        elif start.adapter is not None and not empty:
            model = adapters.merge(model, start.adapter).requires_grad_(True)  # PEFT froze it
        if not self._dropout:
            for module in model.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.0
        return model

    def _log_probs(self, model: Any, texts: Sequence[Encoded]) -> torch.Tensor:
        with self._autocast():
            pad = self._tokenizer.pad_token_id
            packed, shared = self._packed, attention.shares_prompts(self._model)
            return losses.log_probs(model, texts, pad, self._team.device, packed=packed, share_prompts=shared)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._team.device.type, torch.bfloat16, enabled=self._bfloat16)

    def score(self, texts: Sequence[Encoded]) -> list[float]:
        """Summed log-probability of each text's completion in nats, with the model as it is now, without dropout."""
        found = torch.zeros(len(texts), device=self._team.device)
        order = sorted(range(len(texts)), key=lambda place: len(texts[place].tokens))  # little padding
        if attention.shares_prompts(self._model):
            order.sort(key=lambda place: texts[place].prompt)
        for places, own in self._shares(order, 2 * self._rows):
            sums = self._log_probs(self._model, [texts[place] for place in places])
            if own:
                found[places] = sums
        return [float(value) for value in self._team.sum(found).tolist()]

    def greedy(self, texts: Sequence[Encoded]) -> list[str]:
        """The first tokens that the model, as it is now, goes on with after each text's prompt (`gate.greedy`)."""
        found = torch.zeros(len(texts), parity.TOKENS, dtype=torch.long, device=self._team.device)
        order = sorted(range(len(texts)), key=lambda place: len(texts[place].prompt))
        for places, own in self._shares(order, math.ceil(_SIDE_BY_SIDE / self._team.size)):
            with self._autocast():
                tokens = gate.greedy(self._model, [texts[place].prompt for place in places], found.device)
            if own:
                found[places] = tokens
        return gate.texts(self._tokenizer, self._model.generation_config, self._team.sum(found).tolist())

    def _shares(self, order: Sequence[int], size: int) -> Iterator[tuple[Sequence[int], bool]]:
        """Places of `size` texts to take through the model at once, in evaluation; whether they are this process's own.

        If not, it computes in step with the others, for nothing.
        """
        team = self._team
        batches = [order[begin : begin + size] for begin in range(0, len(order), size)]
        self._model.eval()
        with torch.no_grad():
            for begin in range(0, len(batches), team.size):
                own = begin + team.rank < len(batches)
                yield batches[begin + team.rank if own else begin], own
        if self._sharded:
            self._model.reshard()  # else the outermost part stays whole, and an optimiser would get the wrong tensors

    def save(self, out: Path, prompts: Sequence[str], texts: Sequence[Encoded]) -> None:
        """The first process writes the model folder; all return when it is there. The trainer cannot be used after it.

        What adapters were trained for is checked: the folder as it is read again has the trained model's
        log-probabilities, and `w2s.parity` keeps some of its greedy texts there. Not so over a quantised base: adapters
        go to the base as it was, and without the rounding to 4 bits the log-probabilities are others.

        Args:
            out: the folder.
            prompts: of the training texts.
            texts: those in tokens, one a prompt.

        Raises:
            UserError: the folder does not hold the model that was trained.
        """
        lora = self._config.lora
        if lora is None or self._quantize:
            self._write(out, "merged" if lora is None else lora.save)
            return
        kept = self._parity(prompts, texts)
        self._compute_exactly()
        some = gate.some(prompts, texts)
        before = self.score(some)
        self._write(out, lora.save)
        self._model = self._spread = None  # room for the other one
        self._exact = {}
        self._model = self._load(checkpoint.find(out), None)
        parallel.spread(self._model, self._sharding, self._team)
        self._compute_exactly()
        gate.compare(some, before, self.score(some), out)
        if kept is not None and self._team.rank == 0:
            parity.write(kept, out)
        self._team.wait()

    def _write(self, out: Path, form: Literal["merged", "adapter"]) -> None:
        weights = parallel.trained_weights(self._model) if self._sharded else None
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
        """From here on in float32, attention too: merging changes no more than the last bits of that."""
        attention.compute_exactly(self._model)
        checkpoint.hold_in_float32(self._model, self._exact)
        self._packed, self._bfloat16 = attention.keeps_texts_apart(self._model), False

    def _parity(self, prompts: Sequence[str], texts: Sequence[Encoded]) -> parity.Parity | None:
        """What the trained model says to some of the prompts; None where none leaves room in the model's context."""
        context = getattr(self._model.config.get_text_config(), "max_position_embeddings", None) or math.inf
        fit = [place for place, text in enumerate(texts) if len(text.prompt) + parity.TOKENS <= context]
        places = [fit[place] for place in parity.chosen([prompts[place] for place in fit])]
        if not places:
            return None
        asked = [texts[place] for place in places]
        said = self.greedy(asked)
        with self._model.disable_adapter():
            base = self.greedy(asked)
        agreed = parity.agreement(list(zip(base, said, strict=True)))
        return parity.Parity(parity.TOKENS, agreed, tuple(prompts[place] for place in places), tuple(said), tuple(base))
