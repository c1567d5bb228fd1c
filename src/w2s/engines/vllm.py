"""Sampling with vLLM, in a process of its own.

Every (question, sample) is a request with a seed of its own; prefix caching makes the prompt that samples and
demonstrations share cheap. Prompts and texts pass through the same code as with transformers (`w2s.engines.tokens`),
so greedy texts differ in floating point only; drawn texts differ, because the random numbers are vLLM's.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2s import models, parity, seeds
from w2s.config import Dtype, Runtime
from w2s.engines import isolated
from w2s.engines.base import Completion, Decoding, Engine, Request
from w2s.engines.canary import Canary
from w2s.engines.tokens import Tokens, end_tokens
from w2s.errors import UserError, lacks_memory
from w2s.models import adapters, quantize

BATCH_TOKENS = 2**22
"""Prompt and new tokens a batch, were every row to reach its limit. A batch is what a kill loses and what is written
at once; each one drains vLLM's queue, so it has to be many times the rows that vLLM runs side by side (4096 rows of
1024 tokens against 256 to 1024). A constant: batches must not depend on the machine."""

CPU_CACHE_BYTES = 4 * 2**30
"""Keys and values on a CPU, where a share of all memory would be rude; VLLM_CPU_KVCACHE_SPACE (GiB) overrides it."""

LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The maximum ranks that vLLM knows; below 64 the room saved is not worth another copy of the base."""

ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # scheduling in step with us: equal batches give equal texts
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # vLLM's own binding takes one of two cores away
    "VLLM_LOGGING_LEVEL": "WARNING",
}


class VllmEngine:
    """See the module's text. Use `load`.

    Args:
        tokens: the model's tokenizer.
        open_model: gives the loaded `vllm.LLM`; called once, when the first batch runs.
        close_model: called when the engine is closed, if the model was loaded.
        adapter: LoRA adapter to run with, or None.
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
        """Batches of at most `BATCH_TOKENS` (or one question), longest prompts first, samples together.

        Raises:
            UserError: a prompt with `max_new_tokens` does not fit the model's context.
        """
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
        """Complete one batch of `plan`.

        Raises:
            UserError: the model cannot be loaded, or the device's memory is too small for these lengths.
        """
        vllm: Any = importlib.import_module("vllm")
        if self._llm is None:
            self._llm = self._open()
            if self._adapter is not None:
                number = next(_adapter_numbers)
                self._lora = importlib.import_module("vllm.lora.request").LoRARequest(
                    f"adapter-{number}", number, str(self._adapter)
                )
        prompts = self._tokens.prompts(request.prompt for request in batch)
        longest = max(map(len, prompts.values())) + decoding.max_new_tokens
        room = self._llm.llm_engine.model_config.max_model_len
        if longest > room:
            raise UserError(
                f"the device's memory has room for texts of {room} tokens, and {longest} are needed",
                field="runtime.device_memory",
                mend="raise it, use more devices (runtime.tensor_parallel), or lower max_new_tokens",
            )
        self._llm.reset_prefix_cache()  # nothing is carried over from another batch
        ends = self._tokens.ending(decoding.stop)
        outputs = self._llm.generate(
            [{"prompt_token_ids": prompts[request.prompt]} for request in batch],
            [vllm.SamplingParams(**sampling(request, decoding, ends)) for request in batch],
            use_tqdm=False,
            lora_request=self._lora,
        )
        return self._tokens.completions(batch, [list(output.outputs[0].token_ids) for output in outputs], decoding)

    def count_tokens(self, text: str) -> int:
        """Tokens of `text`, special tokens not counted."""
        return self._tokens.count(text)

    def close(self) -> None:
        """Let go of the model; the last engine to do so frees its memory."""
        if self._llm is not None:
            self._llm = self._lora = None
            self._close()


def sampling(request: Request, decoding: Decoding, ends: Sequence[int]) -> dict[str, Any]:
    """The SamplingParams of one row; the end-of-text tokens are ours to name, not vLLM's to guess."""
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


@dataclass(frozen=True)
class _Base:
    """What makes two engines able to share a loaded model."""

    path_or_id: str
    revision: str | None
    dtype: Dtype
    trust_remote_code: bool
    tensor_parallel: int
    device_memory: float
    lora_rank: int
    """The highest rank an adapter may have; 0 without adapters."""
    quantize: str | None = None


_loaded: dict[_Base, tuple[Any, int]] = {}
_adapter_numbers = itertools.count(1)


def _acquire(base: _Base) -> Any:
    llm, users = _loaded.get(base, (None, 0))
    if llm is None:
        llm = _build(base)
    _loaded[base] = (llm, users + 1)
    return llm


def _release(base: _Base) -> None:
    llm, users = _loaded.pop(base)
    if users > 1:
        _loaded[base] = (llm, users - 1)
    else:
        llm.llm_engine.engine_core.shutdown()


def _build(base: _Base) -> Any:
    vllm: Any = importlib.import_module("vllm")
    options: dict[str, Any] = {}
    if importlib.import_module("vllm.platforms").current_platform.is_cpu():
        gibibytes = os.environ.get("VLLM_CPU_KVCACHE_SPACE")
        options["kv_cache_memory_bytes"] = int(gibibytes) * 2**30 if gibibytes else CPU_CACHE_BYTES
        options["enforce_eager"] = True  # compiling takes longer than it saves on models that a CPU can run
        options["enable_chunked_prefill"] = False  # a prompt in pieces ends in an error where a row has a seed
    if base.lora_rank:
        options |= {"enable_lora": True, "max_loras": 1, "max_cpu_loras": 8, "max_lora_rank": base.lora_rank}
    if base.quantize:
        options["quantization"] = "bitsandbytes"
    try:
        return vllm.LLM(
            base.path_or_id,
            revision=base.revision,
            tokenizer_revision=base.revision,
            dtype=base.dtype,
            trust_remote_code=base.trust_remote_code,
            tensor_parallel_size=base.tensor_parallel,
            gpu_memory_utilization=base.device_memory,
            max_model_len=-1,  # the model's own, or what fits the memory
            load_format="bitsandbytes" if base.quantize else "safetensors",
            generation_config="vllm",  # no defaults of the model's own
            enable_prefix_caching=True,
            disable_log_stats=True,
            seed=0,
            **options,
        )
    except Exception as error:  # vLLM raises whatever its parts raise
        if lacks_memory(error):
            raise  # the caller knows what to do about it
        raise UserError(
            f"vLLM cannot load it ({type(error).__name__}: {next(iter(str(error).splitlines()), 'no reason given')})",
            file=base.path_or_id,
            mend="lower runtime.device_memory if others use the device, or use engine=transformers",
        ) from error


def load_here(
    model: str | Path,
    *,
    dtype: Dtype = "float32",
    trust_remote_code: bool = False,
    runtime: Runtime | None = None,
) -> VllmEngine:
    """As `load`, in this process and without a canary: its memory may not all be free before the process ends.

    Engines of one base share its loaded weights, with one set for all that are adapters.
    """
    runtime = runtime or Runtime()
    os.environ.update({name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()})
    if runtime.threads:
        os.environ["OMP_NUM_THREADS"] = str(runtime.threads)
    if runtime.offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    reference, adapter = adapters.split(model)
    found = models.resolve(reference, runtime.offline)
    import transformers

    cpu = importlib.import_module("vllm.platforms").current_platform.is_cpu()
    if runtime.device != "auto" and cpu != (runtime.device == "cpu"):
        raise UserError(
            f"the installed vLLM runs on {'the CPU' if cpu else 'GPUs'} only",
            field="device",
            mend="use device=auto, or install the other build of vLLM",
        )
    options = {"revision": found.revision} if found.revision else {}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            found.path_or_id, trust_remote_code=trust_remote_code, **options
        )
        config = transformers.AutoConfig.from_pretrained(
            found.path_or_id, trust_remote_code=trust_remote_code, **options
        )
        try:
            generation = transformers.GenerationConfig.from_pretrained(found.path_or_id, **options)
        except OSError:  # there is no generation_config.json
            generation = transformers.GenerationConfig.from_model_config(config)
    except Exception as error:  # transformers and tokenizers share no base class
        reason = next(iter(str(error).splitlines()), "no reason given")
        raise UserError(f"cannot be loaded ({type(error).__name__}: {reason})", file=str(reference)) from error
    base = _Base(
        found.path_or_id,
        found.revision,
        dtype,
        trust_remote_code,
        runtime.tensor_parallel,
        runtime.device_memory,
        _rank(adapter),
        found.quantize,
    )
    context = getattr(config.get_text_config(), "max_position_embeddings", None)
    tokens = Tokens(tokenizer, end_tokens(tokenizer, generation.eos_token_id, str(reference)), context)
    return VllmEngine(tokens, lambda: _acquire(base), lambda: _release(base), adapter)


def _rank(adapter: Path | None) -> int:
    """The highest rank that the base is loaded for; 0 without an adapter."""
    if adapter is None:
        return 0
    needed = max(64, int(adapters.read(adapter).get("r", 8)))
    rank = next((rank for rank in LORA_RANKS if rank >= needed), 0)
    if not rank:
        raise UserError(f"vLLM knows no adapters of rank {needed}", file=adapter, expected=f"{LORA_RANKS[-1]}")
    return rank


def load(
    model: str | Path,
    *,
    dtype: Dtype = "float32",
    trust_remote_code: bool = False,
    runtime: Runtime | None = None,
) -> Engine:
    """Load a model reference (see `w2s.models.resolve`) or a folder with a PEFT adapter in another process.

    The weights are loaded when the first batch runs. Adapters on one base that are open at the same time share a
    process; it ends, and the device is free, when the last of them is closed, or later (`isolated.kept`). A model that
    a canary may compare has a process of its own: the reference has to find the device free.

    Args:
        model: the reference. Pickled weights are refused.
        dtype: of weights and cache.
        trust_remote_code: let the model folder run its own Python code.
        runtime: `device`, `threads`, `offline`, `tensor_parallel`, `device_memory` and `canary` are used.

    Raises:
        UserError: vLLM is not installed, or the model cannot be loaded.
    """
    runtime = runtime or Runtime()
    if importlib.util.find_spec("vllm") is None:
        raise UserError(
            "vLLM is not installed", field="engine", mend="pip install vllm (Linux), or use engine=transformers"
        )
    reference, adapter = adapters.split(model)
    found = models.resolve(reference, runtime.offline)
    if found.quantize:
        quantize.need()

    def start(place: str, share: str | None = None) -> Engine:
        return isolated.load(
            place, model, dtype=dtype, trust_remote_code=trust_remote_code, runtime=runtime, share=share
        )

    here = "w2s.engines.vllm:load_here"
    due = runtime.canary and parity.read(model) is None  # else the parity gate has asked, for a better reason
    if due and runtime.tensor_parallel == 1:
        return Canary(start(here), lambda: start("w2s.engines.transformers:load"))
    if due:
        logging.getLogger(__name__).warning(
            "no canary: with runtime.tensor_parallel > 1 the model is taken to be too large for transformers on one "
            "device, so vLLM's texts are not compared with the reference"
        )
    settings = f"{dtype} {trust_remote_code} {_rank(adapter)} {runtime.model_dump_json()}"
    return start(here, f"vllm {found.identity} {settings}")
