"""Sampling from a Hugging Face model, on CPU or CUDA.

Random numbers depend on (seed, id, sample) only, batches on the requests only; the last bits of logits also on batch,
dtype, device and threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from w2s import models
from w2s.engines.base import Completion, Decoding, Loading, Request
from w2s.engines.cascade import attention
from w2s.engines.cascade import session as cascade
from w2s.engines.cascade.decoding import Session, decode
from w2s.engines.cascade.plain import PlainSession
from w2s.engines.tokens import Tokens, end_tokens
from w2s.errors import UserError, first_line, lacks_memory
from w2s.models import adapters, quantize, whole
from w2s.models import device as device_of
from w2s.models.malloc import give_back, keep_freed_memory

MAX_ROWS = 1024
"""Per batch; constant, to be equal on all machines."""

CACHE_BYTES = 4 * 2**30
"""Keys and values per batch; constant too."""


class TransformersEngine:
    """Made by `load`."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self._model, self._tokenizer = model, tokenizer
        config = model.config.get_text_config()
        self._cascade = cascade.supports(config)
        model.set_attn_implementation(attention.NAME if self._cascade else "sdpa")
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self._token_bytes = 2 * config.num_hidden_layers * heads * size * model.dtype.itemsize
        configured = model.generation_config.eos_token_id if model.generation_config is not None else None
        self._ends = end_tokens(tokenizer, configured, model.config.name_or_path)
        self._tokens = Tokens(tokenizer, self._ends, getattr(config, "max_position_embeddings", None))
        self._marks: dict[tuple[str, ...], Tensor] = {}

    def plan(self, requests: Sequence[Request], decoding: Decoding) -> list[list[Request]]:
        prompts, ordered = self._tokens.ordered(requests, decoding)
        shared = cascade.common_prefix(list(prompts.values())) if self._cascade and prompts else 0
        batches: list[list[Request]] = []
        width = spent = 0
        for group in ordered:
            length = len(prompts[group[0].prompt]) - shared
            copies = 1 if self._cascade else len(group)

            def cost(width: int, group: Sequence[Request] = group, copies: int = copies) -> int:
                return (copies * width + len(group) * decoding.max_new_tokens) * self._token_bytes

            if not batches or len(batches[-1]) + len(group) > MAX_ROWS or spent + cost(width) > CACHE_BYTES:
                batches.append([])
                width, spent = length, 0
            batches[-1] += group
            spent += cost(width)
        return batches

    @torch.inference_mode()
    def run(self, batch: Sequence[Request], decoding: Decoding) -> list[Completion]:
        """Samples share one pass over their prompt.

        Raises:
            UserError: logits are not finite.
        """
        by_id: dict[str, list[Request]] = {}
        for request in batch:
            by_id.setdefault(request.id, []).append(request)
        grouped = list(by_id.values())
        prompts = self._tokens.prompts(group[0].prompt for group in grouped)
        session: Session = (cascade.CascadeSession if self._cascade else PlainSession)(self._model, self._ends[0])
        try:
            rows = decode(
                session,
                [prompts[group[0].prompt] for group in grouped],
                grouped,
                decoding,
                self._marks_for(decoding.stop),
                lambda tokens: self._stopped(tokens, decoding.stop),
            )
        except FloatingPointError as error:
            raise UserError(
                "computes no numbers (NaN or infinite logits), so nothing it writes means anything",
                file=self._model.config.name_or_path,
                hint="its weights are damaged or its training diverged: fetch or train it again; or dtype=float32",
            ) from error
        flat = [request for group in grouped for request in group]
        done = {(done.id, done.sample): done for done in self._tokens.completions(flat, rows, decoding)}
        return [done[request.id, request.sample] for request in batch]

    def count_tokens(self, text: str) -> int:
        return self._tokens.count(text)

    def device_memory(self) -> int | None:
        return device_of.most()

    def close(self) -> None:
        del self._model
        self._marks.clear()
        give_back()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _marks_for(self, stop: tuple[str, ...]) -> Tensor:
        """`ends` of `decode`; 1: a stop string's last character, or part of a character."""
        if stop not in self._marks:
            size = self._model.get_output_embeddings().weight.shape[0]
            marks = torch.zeros(size, dtype=torch.int8)
            vocabulary = min(size, len(self._tokenizer))
            texts = self._tokenizer.batch_decode(
                [[token] for token in range(vocabulary)], clean_up_tokenization_spaces=False
            )
            pieces = self._tokenizer.convert_ids_to_tokens(range(vocabulary))
            last = {string[-1] for string in stop} | {"\ufffd"}
            for token, (text, piece) in enumerate(zip(texts, pieces, strict=True)):
                characters = text + (piece or "").replace("▁", " ").replace("Ġ", " ").replace("Ċ", "\n")
                marks[token] = int(not last.isdisjoint(characters)) if stop else 0
            marks[self._tokens.ending(stop)] = 2
            self._marks[stop] = marks.to(self._model.device)
        return self._marks[stop]

    def _stopped(self, tokens: list[int], stop: tuple[str, ...]) -> bool:
        window = max(len(string.encode()) for string in stop) + 4
        tail = self._tokenizer.decode(tokens[-window:], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return any(string in tail for string in stop)


def load(model: str | Path, loading: Loading) -> TransformersEngine:
    """Load a reference of `w2s.models.resolve`; merges adapters, refuses pickles.

    Raises:
        UserError: it cannot be loaded or quantised, or has no end-of-text token.
    """
    runtime = loading.runtime
    cuda = torch.cuda.is_available()
    if runtime.device == "cuda" and not cuda:
        raise UserError("torch sees no CUDA device", field="device", hint="use device=cpu, or install a CUDA torch")
    keep_freed_memory()
    device_of.watch()
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    base, adapter = adapters.split(model)
    resolved = models.resolve(base, runtime.offline)
    device = "cuda" if cuda and runtime.device != "cpu" else "cpu"
    logging.disable_progress_bar()  # loading takes a moment, and the bar writes across the caller's output
    options: dict[str, Any] = {"revision": resolved.revision} if resolved.revision else {}
    options["trust_remote_code"] = loading.trust_remote_code
    options["local_files_only"] = runtime.offline or resolved.revision is None
    weights = quantize.options(resolved.quantize, device)
    try:
        tokenizer = AutoTokenizer.from_pretrained(resolved.path_or_id, **options)
        network, info = AutoModelForCausalLM.from_pretrained(
            resolved.path_or_id,
            dtype=getattr(torch, loading.dtype),
            use_safetensors=True,
            output_loading_info=True,
            **options,
            **weights,
        )
        quantize.check(network, resolved.quantize, str(model))
        whole.check(network, info, str(model))
        if adapter is not None:
            network = adapters.merge(network, adapter)
    except UserError:
        raise
    except Exception as error:  # transformers, tokenizers and safetensors share no base class
        if lacks_memory(error):
            raise  # the caller knows what to do about it
        reason = first_line(error)
        if "trust_remote_code" in str(error):
            raise UserError(
                "runs Python code of its own, and that is not allowed",
                file=str(model),
                field="trust_remote_code",
                hint="read that code; if you trust it, set trust_remote_code=true (w2s sample: --trust-remote-code)",
            ) from error
        raise UserError(
            f"cannot be loaded ({type(error).__name__}: {reason})",
            file=str(model),
            hint="save the model and its tokenizer again with save_pretrained, or fetch it again",
        ) from error
    network.eval()
    if resolved.quantize is None:  # else it is there already
        network.to(device)
    return TransformersEngine(network, tokenizer)
