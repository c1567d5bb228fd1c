"""Memory of generation, copies of a model, and devices."""

from __future__ import annotations

from w2s.config.schema import Dtype, Runtime
from w2s.flow.work import Work
from w2s.models.architecture import Architecture

ROWS = {"transformers": 1024, "vllm": 256}
"""The most per batch: `engines.transformers.MAX_ROWS`; vLLM's default on A100s and small GPUs."""

CACHE_BYTES = {"transformers": 4 * 2**30}
"""As `engines.transformers.CACHE_BYTES`."""


def generation_bytes(
    work: Work, model: Architecture, engine: str, dtype: Dtype, characters_per_token: float
) -> int | None:
    """Most bytes of weights, keys and values, without activations; None: unknown, 0: a server.

    Demonstrations count once; prompts once per question with transformers, per row with vLLM.
    """
    if engine in ("openai", "scripted"):
        return 0
    rows = min(work.rows, ROWS[engine])
    prompts = rows if engine != "transformers" else -(-rows * work.prompts // max(work.rows, 1))
    shared = round(work.shown_characters / characters_per_token) + work.shown_tokens
    own = -(-work.longest_prompt // characters_per_token)
    cache = model.cache_bytes(int(shared + prompts * own + rows * work.new_tokens), dtype)
    weights = model.weight_bytes(dtype)
    if cache is None or weights is None:
        return None
    return weights + min(cache, CACHE_BYTES.get(engine, cache))


def least_bytes(kind: str, work: Work, model: Architecture, engine: str, dtype: Dtype) -> int | None:
    """What surely does not fit into less; None: unknown. Of a generation the weights; trainings without activations."""
    if kind == "generate":
        return 0 if engine in ("openai", "scripted") else model.weight_bytes(dtype)
    return model.least_training_bytes(work.lora)


def devices(runtime: Runtime) -> int:
    """The fewest devices of a run."""
    if runtime.launcher == "local":
        return runtime.tensor_parallel
    return max(runtime.train_workers, runtime.tensor_parallel * max(1, runtime.workers))


def copies(kind: str, runtime: Runtime, devices: int) -> int:
    """Copies of a model at once: per worker; in training per process (FSDP: one)."""
    if runtime.launcher == "local":
        return 1
    if kind == "train":
        return 1 if runtime.sharding == "fsdp" else runtime.train_workers
    return runtime.workers or max(1, devices // runtime.tensor_parallel)


def least_copies(kind: str, runtime: Runtime) -> int:
    """As `copies`, where the devices are not known: without `workers` one generates."""
    return copies(kind, runtime, 1) if kind == "train" or runtime.launcher == "local" else max(1, runtime.workers)


def shared_by(kind: str, runtime: Runtime, devices: int) -> int:
    """Devices that hold the copies of a model."""
    if kind == "train":
        return runtime.train_workers if runtime.launcher == "ray" else 1
    return copies(kind, runtime, devices) * runtime.tensor_parallel


def device_hours(seconds: float, devices: int) -> float:
    """Hours of all devices together."""
    return seconds * devices / 3600
