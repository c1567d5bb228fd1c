"""Models loaded by vLLM, shared within a process."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from typing import Any

from w2s.config.choices import Dtype
from w2s.errors import UserError, first_line, lacks_memory

CPU_CACHE_BYTES = 4 * 2**30
"""Keys and values; VLLM_CPU_KVCACHE_SPACE (GiB) overrides it."""

ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # scheduling in step with us: equal batches give equal completions
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # vLLM's own binding takes one of two cores away
    "VLLM_LOGGING_LEVEL": "WARNING",
}


@dataclass(frozen=True)
class Base:
    """What vLLM loads; engines with equal ones share it."""

    path_or_id: str
    revision: str | None
    dtype: Dtype
    trust_remote_code: bool
    tensor_parallel: int
    device_memory: float
    lora_rank: int
    """Highest adapter rank, or 0."""
    quantize: str | None = None


_loaded: dict[Base, tuple[Any, int]] = {}


def acquire(base: Base) -> Any:
    """The loaded `vllm.LLM`, one more user."""
    llm, users = _loaded.get(base, (None, 0))
    if llm is None:
        llm = build(base)
    _loaded[base] = (llm, users + 1)
    return llm


def release(base: Base) -> None:
    """The last user frees the memory."""
    llm, users = _loaded.pop(base)
    if users > 1:
        _loaded[base] = (llm, users - 1)
    else:
        llm.llm_engine.engine_core.shutdown()


def build(base: Base) -> Any:
    """Load it. Raises UserError."""
    vllm: Any = importlib.import_module("vllm")
    options: dict[str, Any] = {}
    if importlib.import_module("vllm.platforms").current_platform.is_cpu():
        gibibytes = os.environ.get("VLLM_CPU_KVCACHE_SPACE")
        options["kv_cache_memory_bytes"] = int(gibibytes) * 2**30 if gibibytes else CPU_CACHE_BYTES
        options["enforce_eager"] = True  # compiling costs more than it saves on models that a CPU can run
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
            f"vLLM cannot load it ({type(error).__name__}: {first_line(error)})",
            file=base.path_or_id,
            hint="lower runtime.device_memory if others use the device, or use engine=transformers",
        ) from error
