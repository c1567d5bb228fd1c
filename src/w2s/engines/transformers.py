"""Sampling from a Hugging Face model, on CPU or CUDA.

A row's random numbers depend on (seed, id, sample) only, and batches on the set of requests only: order, resuming
and the number of machines do not change a text. What can: floating point. Logits differ in their last bits with
the batch's composition, dtype, device and thread count, so with other requests in the batch a draw that lies within
those bits of a boundary can come out differently.
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
from w2s.allocator import keep_freed_memory
from w2s.config import Runtime
from w2s.engines import attention, cascade
from w2s.engines.base import Completion, Decoding, Request
from w2s.engines.decoding import Session, decode
from w2s.engines.plain import PlainSession
from w2s.engines.tokens import Tokens, end_tokens
from w2s.errors import UserError, lacks_memory
from w2s.models import adapters, quantize

MAX_ROWS = 1024
"""Rows a batch. A constant: batches, and so the last bits of logits, must not depend on the machine."""

CACHE_BYTES = 4 * 2**30
"""Bytes of keys and values a batch may come to, were every row to reach its limit. A constant for the same reason."""


class TransformersEngine:
    """See the module's text. Use `load`.

    Args:
        model: a causal language model in evaluation mode.
        tokenizer: its tokenizer.
    """

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
        """Batches of at most `MAX_ROWS` rows and `CACHE_BYTES`, longest prompts first, samples together.

        Raises:
            UserError: a prompt with `max_new_tokens` does not fit the model's context.
        """
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
        """Complete one batch of `plan`; the samples of a question share one pass over its prompt."""
        by_id: dict[str, list[Request]] = {}
        for request in batch:
            by_id.setdefault(request.id, []).append(request)
        grouped = list(by_id.values())
        known = self._tokens.prompts(group[0].prompt for group in grouped)
        session: Session = (cascade.CascadeSession if self._cascade else PlainSession)(self._model, self._ends[0])
        rows = decode(
            session,
            [known[group[0].prompt] for group in grouped],
            grouped,
            decoding,
            self._marks_for(decoding.stop),
            lambda tokens: self._stopped(tokens, decoding.stop),
        )
        flat = [request for group in grouped for request in group]
        done = {(done.id, done.sample): done for done in self._tokens.completions(flat, rows, decoding)}
        return [done[request.id, request.sample] for request in batch]

    def count_tokens(self, text: str) -> int:
        """Tokens of `text`, special tokens not counted."""
        return self._tokens.count(text)

    def close(self) -> None:
        """Let go of the model and of cached device memory."""
        del self._model
        self._marks.clear()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _marks_for(self, stop: tuple[str, ...]) -> Tensor:
        """(vocabulary,) for `decode`: 2 ends the text, 1 may complete a stop string, 0 does neither.

        A token may complete a stop string if it holds the string's last character, or bytes that are no whole
        character; only then are tokens turned into text.
        """
        if stop not in self._marks:
            size = self._model.get_output_embeddings().weight.shape[0]
            marks = torch.zeros(size, dtype=torch.int8)
            known = min(size, len(self._tokenizer))
            texts = self._tokenizer.batch_decode(
                [[token] for token in range(known)], clean_up_tokenization_spaces=False
            )
            pieces = self._tokenizer.convert_ids_to_tokens(range(known))
            last = {string[-1] for string in stop} | {"\ufffd"}
            for token, (text, piece) in enumerate(zip(texts, pieces, strict=True)):
                shown = text + (piece or "").replace("▁", " ").replace("Ġ", " ").replace("Ċ", "\n")
                marks[token] = int(not last.isdisjoint(shown)) if stop else 0
            marks[self._tokens.ending(stop)] = 2
            self._marks[stop] = marks.to(self._model.device)
        return self._marks[stop]

    def _stopped(self, tokens: list[int], stop: tuple[str, ...]) -> bool:
        window = max(len(string.encode()) for string in stop) + 4
        tail = self._tokenizer.decode(tokens[-window:], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return any(string in tail for string in stop)


def load(
    model: str | Path,
    *,
    dtype: str = "float32",
    trust_remote_code: bool = False,
    runtime: Runtime | None = None,
) -> TransformersEngine:
    """Load a model reference (see `w2s.models.resolve`) with its tokenizer. Pickled weights are refused.

    A folder with a PEFT adapter is loaded as its base with the adapter merged.

    Args:
        model: the reference.
        dtype: "float32" or "bfloat16", of weights and cache.
        trust_remote_code: let the model folder run its own Python code.
        runtime: `device`, `threads` and `offline` are used.

    Raises:
        UserError: the model cannot be loaded or quantised, or has no end-of-text token.
    """
    if dtype not in ("float32", "bfloat16"):
        raise UserError(f"{dtype!r} is not supported", field="dtype", expected="float32 or bfloat16")
    runtime = runtime or Runtime()
    cuda = torch.cuda.is_available()
    if runtime.device == "cuda" and not cuda:
        raise UserError("torch sees no CUDA device", field="device", mend="use device=cpu, or install a CUDA torch")
    keep_freed_memory()
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    base, adapter = adapters.split(model)
    found = models.resolve(base, runtime.offline)
    device = "cuda" if cuda and runtime.device != "cpu" else "cpu"
    held = quantize.options(found.quantize, device)
    logging.disable_progress_bar()  # loading takes a moment, and the bar writes across the caller's output
    options: dict[str, Any] = {"revision": found.revision} if found.revision else {}
    options |= {"trust_remote_code": trust_remote_code, "local_files_only": runtime.offline or found.revision is None}
    try:
        tokenizer = AutoTokenizer.from_pretrained(found.path_or_id, **options)
        network = AutoModelForCausalLM.from_pretrained(
            found.path_or_id, dtype=getattr(torch, dtype), use_safetensors=True, **options, **held
        )
        quantize.check(network, found.quantize, str(model))
        if adapter is not None:
            network = adapters.merge(network, adapter)
    except UserError:
        raise
    except Exception as error:  # transformers, tokenizers and safetensors share no base class
        if lacks_memory(error):
            raise  # the caller knows what to do about it
        reason = next(iter(str(error).splitlines()), "no reason given")
        if "trust_remote_code" in str(error):
            raise UserError(
                "runs Python code of its own, and that was not asked for",
                file=str(model),
                field="trust_remote_code",
                mend="read that code; if you trust it, set trust_remote_code=true (w2s sample: --trust-remote-code)",
            ) from error
        raise UserError(
            f"cannot be loaded ({type(error).__name__}: {reason})",
            file=str(model),
            mend="save the model and its tokenizer again with save_pretrained, or fetch it again",
        ) from error
    network.eval()
    if found.quantize is None:  # else it was made where it is to be
        network.to(device)
    return TransformersEngine(network, tokenizer)
