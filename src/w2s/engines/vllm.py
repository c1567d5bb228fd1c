"""Sampling with vLLM; each (question, sample) is a request with its own seed.

Tokens as in transformers; greedy completions differ by floating point only.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import itertools
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from w2s import models, seeds
from w2s.engines import isolated, vllm_base
from w2s.engines.base import Completion, Decoding, Engine, Loading, Request, ticks
from w2s.engines.checks import CheckedEngine
from w2s.engines.tokens import Tokens, end_tokens
from w2s.errors import UserError, first_line
from w2s.models import adapters, parity, quantize

BATCH_TOKENS = 2**22
"""Per batch, many times what vLLM runs side by side; a kill loses one batch. Constant, to be equal on all machines."""

LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Maximum ranks that vLLM knows; we use 64 and more."""

_adapter_numbers = itertools.count(1)


class VllmEngine:
    """Made by `load`.

    Args:
        open_model: gives the `vllm.LLM` at the first batch.
        close_model: called only if it was loaded.
        adapter: a LoRA folder.
    """

    def __init__(
        self,
        tokens: Tokens,
        open_model: Callable[[], Any],
        close_model: Callable[[], None],
        adapter: Path | None = None,
    ) -> None:
        self._tokens, self._open, self._close, self._adapter = tokens, open_model, close_model, adapter
        self._llm: Any = None
        self._lora: Any = None

    def plan(self, requests: Sequence[Request], decoding: Decoding) -> list[list[Request]]:
        prompts, ordered = self._tokens.ordered(requests, decoding)
        batches: list[list[Request]] = []
        spent = 0
        for group in ordered:
            cost = len(prompts[group[0].prompt]) + len(group) * decoding.max_new_tokens
            if not batches or spent + cost > BATCH_TOKENS:
                batches.append([])
                spent = 0
            batches[-1] += group
            spent += cost
        return batches

    def run(self, batch: Sequence[Request], decoding: Decoding) -> list[Completion]:
        vllm: Any = importlib.import_module("vllm")
        if self._llm is None:
            from w2s.models import device  # torch, which the process of a run need not import

            device.watch()
            self._llm = self._open()
            if self._adapter is not None:
                number = next(_adapter_numbers)
                self._lora = importlib.import_module("vllm.lora.request").LoRARequest(
                    f"adapter-{number}", number, str(self._adapter)
                )
        prompts = self._tokens.prompts(request.prompt for request in batch)
        longest = max(map(len, prompts.values())) + decoding.max_new_tokens
        most = self._llm.llm_engine.model_config.max_model_len
        if longest > most:
            raise UserError(
                f"the device's memory holds {most} tokens per row, and {longest} are needed",
                field="runtime.device_memory",
                hint="raise it, use more devices (runtime.tensor_parallel), or lower max_new_tokens",
            )
        self._llm.reset_prefix_cache()  # batches do not depend on each other
        ends = self._tokens.ending(decoding.stop)
        outputs = self._llm.generate(
            [{"prompt_token_ids": prompts[request.prompt]} for request in batch],
            [vllm.SamplingParams(**sampling(request, decoding, ends)) for request in batch],
            use_tqdm=_bar,
            lora_request=self._lora,
        )
        return self._tokens.completions(batch, [list(output.outputs[0].token_ids) for output in outputs], decoding)

    def count_tokens(self, text: str) -> int:
        return self._tokens.count(text)

    def device_memory(self) -> int | None:
        """None too where vLLM has processes of its own: with tensor_parallel above 1."""
        from w2s.models import device

        return device.most()

    def close(self) -> None:
        if self._llm is not None:
            self._llm = self._lora = None
            self._close()


def _bar(*arguments: Any, **options: Any) -> Any:
    """In place of tqdm's bar: it shows nothing, and tells how many requests have ended."""
    tqdm: Any = importlib.import_module("tqdm").tqdm

    class Bar(tqdm):
        def update(self, n: float | None = 1) -> Any:
            moved = super().update(n)
            if self.iterable is None:  # else the requests are only being added
                ticks.tell(int(self.n), 0)
            return moved

    return Bar(*arguments, **options | {"file": io.StringIO()})


def sampling(request: Request, decoding: Decoding, ends: Sequence[int]) -> dict[str, Any]:
    """SamplingParams of a row, with our end-of-text tokens."""
    greedy = decoding.temperature == 0
    return {
        "max_tokens": decoding.max_new_tokens,
        "temperature": decoding.temperature,
        "top_p": 1.0 if greedy else decoding.top_p,
        "seed": None if greedy else seeds.derive(decoding.seed, request.id, request.sample),
        "stop": list(decoding.stop),
        "stop_token_ids": list(ends),
        "ignore_eos": True,
        "skip_special_tokens": True,
    }


def load_here(model: str | Path, loading: Loading) -> VllmEngine:
    """As `load`, in this process and unchecked but for adapters. Engines of one base share weights."""
    runtime = loading.runtime
    os.environ.update({name: os.environ.get(name, value) for name, value in vllm_base.ENVIRONMENT.items()})
    if runtime.threads:
        os.environ["OMP_NUM_THREADS"] = str(runtime.threads)
    if runtime.offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    reference, adapter = adapters.split(model)
    resolved = models.resolve(reference, runtime.offline)
    import transformers

    cpu = importlib.import_module("vllm.platforms").current_platform.is_cpu()
    if runtime.device != "auto" and cpu != (runtime.device == "cpu"):
        raise UserError(
            f"the installed vLLM runs on {'the CPU' if cpu else 'GPUs'} only",
            field="device",
            hint="use device=auto, or install the other build of vLLM",
        )
    revision = {"revision": resolved.revision} if resolved.revision else {}
    options = revision | {"trust_remote_code": loading.trust_remote_code}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(resolved.path_or_id, **options)
        config = transformers.AutoConfig.from_pretrained(resolved.path_or_id, **options)
        try:
            generation = transformers.GenerationConfig.from_pretrained(resolved.path_or_id, **revision)
        except OSError:  # there is no generation_config.json
            generation = transformers.GenerationConfig.from_model_config(config)
    except Exception as error:  # transformers and tokenizers share no base class
        reason = first_line(error)
        raise UserError(f"cannot be loaded ({type(error).__name__}: {reason})", file=str(reference)) from error
    if adapter is not None:  # vLLM serves it without the parts that are missing
        adapters.check(adapter, reference, config, loading.trust_remote_code)
    base = vllm_base.Base(
        resolved.path_or_id,
        resolved.revision,
        loading.dtype,
        loading.trust_remote_code,
        runtime.tensor_parallel,
        runtime.device_memory,
        _rank(adapter),
        resolved.quantize,
    )
    context = getattr(config.get_text_config(), "max_position_embeddings", None)
    tokens = Tokens(tokenizer, end_tokens(tokenizer, generation.eos_token_id, str(reference)), context)
    return VllmEngine(tokens, lambda: vllm_base.acquire(base), lambda: vllm_base.release(base), adapter)


def _rank(adapter: Path | None) -> int:
    """Highest rank to load; 0 without adapter."""
    if adapter is None:
        return 0
    needed = max(64, int(adapters.read(adapter).get("r", 8)))
    rank = next((rank for rank in LORA_RANKS if rank >= needed), 0)
    if not rank:
        raise UserError(f"vLLM knows no adapters of rank {needed}", file=adapter, expected=f"{LORA_RANKS[-1]}")
    return rank


def load(model: str | Path, loading: Loading) -> Engine:
    """Load a reference of `w2s.models.resolve`, or a PEFT adapter's folder, in another process; refuses pickles.

    Weights load at the first batch. Adapters share a base's process, unless compared with transformers.

    Raises:
        UserError: vLLM is not installed, or the model cannot be loaded.
    """
    runtime = loading.runtime
    if importlib.util.find_spec("vllm") is None:
        raise UserError(
            "vLLM is not installed", field="engine", hint="pip install vllm (Linux), or use engine=transformers"
        )
    reference, adapter = adapters.split(model)
    resolved = models.resolve(reference, runtime.offline)
    if resolved.quantize:
        quantize.need()
    here = "w2s.engines.vllm:load_here"
    check = runtime.check_engine and parity.read(model) is None  # else `served_equals_trained` is the better check
    if check and runtime.tensor_parallel == 1:
        return CheckedEngine(
            isolated.load(here, model, loading),
            lambda: isolated.load("w2s.engines.transformers:load", model, loading),
        )
    if check:
        logging.getLogger(__name__).warning(
            "no check of the engine: with runtime.tensor_parallel > 1 the model may be too large for transformers on "
            "one device, so vLLM is not compared with the reference"
        )
    settings = f"{loading.dtype} {loading.trust_remote_code} {_rank(adapter)} {runtime.model_dump_json()}"
    return isolated.load(here, model, loading, share=f"vllm {resolved.identity} {settings}")
