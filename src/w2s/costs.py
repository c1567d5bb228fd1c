"""What a step asks of a machine: how much is read and written, by which model, and in how much memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from w2s.architecture import Architecture
from w2s.config import Dtype, Lora, Runtime

Role = Literal["", "weak", "strong"]
"""Which of the recipe's two base models a step works with, or one that descends from it; "" for neither."""

ROWS = {"transformers": 1024, "vllm": 256}
"""Rows that an engine has under way at once, at the most: `engines.transformers.MAX_ROWS`. For vLLM what it takes by
default on A100s and on GPUs below 70 GiB; on others up to 1024 (vllm.engine.arg_utils, `get_batch_defaults`), but it
lets rows wait where memory is short, so nobody needs room for them."""

CACHE_BYTES = {"transformers": 4 * 2**30}
"""The most bytes that an engine fills with keys and values at once: `engines.transformers.CACHE_BYTES`."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a step does with a model; nothing, by default.

    Args:
        model: whose model it is.
        prompts: prompts that are read: one a question, whatever the number of samples.
        prompt_characters: of all prompts together, demonstrations aside.
        longest_prompt: characters, demonstrations aside.
        shown_characters: of the demonstrations' questions; engines read what all prompts share once.
        shown_tokens: of the demonstrations' responses, expected.
        rows: sequences that are written.
        new_tokens: the most that a row may have.
        lora: adapters that are trained; None: in training, every parameter.
    """

    model: Role = ""
    prompts: int = 0
    prompt_characters: int = 0
    longest_prompt: int = 0
    shown_characters: int = 0
    shown_tokens: int = 0
    rows: int = 0
    new_tokens: int = 0
    lora: Lora | None = None

    def prefill_tokens(self, characters_a_token: float) -> int:
        """Tokens of prompts to read."""
        return round((self.prompt_characters + self.shown_characters) / characters_a_token) + self.shown_tokens


NO_WORK = Work()


def generation_bytes(work: Work, model: Architecture, engine: str, dtype: Dtype, characters: float) -> int | None:
    """Peak bytes of weights and of keys and values, with all `ROWS` at their limit; None where that is unknown.

    The demonstrations are kept once, a question's prompt once for all its samples where the engine is ours, else once
    a row. A server's memory is its own: 0.
    """
    if engine in ("openai", "scripted"):
        return 0
    rows = min(work.rows, ROWS[engine])
    prompts = rows if engine != "transformers" else -(-rows * work.prompts // max(work.rows, 1))
    shared = round(work.shown_characters / characters) + work.shown_tokens
    own = -(-work.longest_prompt // characters)
    kept = model.cache_bytes(int(shared + prompts * own + rows * work.new_tokens), dtype)
    weights = model.weight_bytes(dtype)
    if kept is None or weights is None:
        return None
    return weights + min(kept, CACHE_BYTES.get(engine, kept))


def devices(runtime: Runtime) -> int:
    """Devices that a run holds at the least: those of one model, with Ray those of a training or of all workers."""
    if runtime.launcher == "local":
        return runtime.tensor_parallel
    return max(runtime.train_workers, runtime.tensor_parallel * max(1, runtime.workers))


def copies(kind: str, runtime: Runtime, held: int) -> int:
    """How often a model is held at once on `held` devices.

    In generation once a worker; unsaid, each group of `tensor_parallel` devices is one (`flow.ray.size`). In training
    once a process (DDP), or once in all (FSDP).
    """
    if runtime.launcher == "local":
        return 1
    if kind == "train":
        return 1 if runtime.sharding == "fsdp" else runtime.train_workers
    return runtime.workers or max(1, held // runtime.tensor_parallel)


def device_hours(seconds: float, devices: int) -> float:
    """Hours of devices that are all held for `seconds`."""
    return seconds * devices / 3600
