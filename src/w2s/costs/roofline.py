"""A first estimate of time from a device's published figures: the roofline, and the shares of it that are assumed.

Within a factor of 2 to 3. A generated token costs 2 operations per parameter, and each pass reads all weights and the
keys and values of its rows. A trained token costs 6 operations per parameter (2 forward, 4 backward), under adapters 4,
since frozen weights get no gradient, and with gradient checkpointing 2 more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from w2s.config.schema import Recipe, Runtime
from w2s.costs import estimates, memory
from w2s.costs.budget import CHARACTERS_PER_TOKEN, Budget, Cost, Rate
from w2s.costs.devices import Device
from w2s.flow.decisions import PlannedStep
from w2s.flow.work import Work
from w2s.models.architecture import Architecture

COMPUTE = 0.35
"""Of the peak operations, in training and in generation: assumed; good trainings of 7B models reach 0.3 to 0.5."""

READ = 0.6
"""Of the peak bandwidth: assumed."""

HOST = {"vllm": 2e-4, "transformers": 6e-4}
"""Seconds per layer and pass of generation that Python takes. Assumed for vLLM; transformers: about what 640 samples of
SmolLM2-135M took on an H100 (docs/results.md)."""

START = {"vllm": 60.0, "transformers": 10.0}
"""Seconds until an engine or a training is loaded, without reading weights: assumed."""

DISK = 1e9
"""Bytes per second, of weights that are read and written: assumed."""

LEAST_PARAMETERS = 300e6
"""With smaller models a GPU waits for Python, and these figures say nothing."""

SOURCE = "estimated"
"""As `Rate.source`."""


@dataclass(frozen=True, slots=True)
class First:
    """A first estimate of the time that is left.

    Args:
        device: whose figures were taken.
        devices: at most in use at once.
        seconds: of all steps.
        here: whether this machine has it, or the user named it; else it is an example.
    """

    device: Device
    devices: int
    seconds: float
    here: bool

    def as_dict(self) -> dict[str, Any]:
        return {
            "device": self.device.title,
            "devices": self.devices,
            "seconds": self.seconds,
            "here": self.here,
            "source": self.device.source,
        }


def times(planned: Sequence[PlannedStep], total: Budget, recipe: Recipe, runtime: Runtime, device: Device) -> Budget:
    """The budget, with a first estimate for each cost whose time is unknown."""
    due = [step for step in planned if step.decision in ("run", "rerun")]
    costs = []
    for cost in total.costs:
        if cost.seconds is None:
            group = [step for step in due if (step.work.model, step.kind) == (cost.model, cost.kind)]
            seconds = [_seconds(step, total, recipe, runtime, device) for step in group]
            if None not in seconds:
                whole = sum(filter(None, seconds))
                cost = replace(cost, seconds=whole, rate=Rate(cost.tokens / whole, SOURCE))
        costs.append(cost)
    return replace(total, costs=tuple(costs))


def applies(costs: Sequence[Cost], total: Budget) -> bool:
    """Whether a model is large enough for these figures to say something."""
    sizes = [total.models[cost.model].parameters or 0 for cost in costs]
    return max(sizes, default=0) >= LEAST_PARAMETERS


def _seconds(step: PlannedStep, total: Budget, recipe: Recipe, runtime: Runtime, device: Device) -> float | None:
    model = total.models[step.work.model]
    if step.kind == "train":
        processes = memory.shared_by("train", runtime, total.devices)
        return training(step.expected_tokens, model, step.work, recipe, runtime, device, processes)
    workers = memory.copies("generate", runtime, total.devices)
    return generation(step.work, model, recipe, runtime, device, workers)


def generation(
    work: Work, model: Architecture, recipe: Recipe, runtime: Runtime, device: Device, workers: int = 1
) -> float | None:
    """Seconds of a generation; None: the model's sizes are unknown, or a server generates.

    Rows are shared by `workers`, each of `runtime.tensor_parallel` devices, without loss.
    """
    engine, dtype, share = recipe.engine, recipe.dtype, runtime.tensor_parallel
    weights, key_values = model.weight_bytes(dtype), model.cache_bytes(1, dtype)
    layers = model.config.get("num_hidden_layers")
    if engine not in HOST or weights is None or key_values is None or model.parameters is None or not layers:
        return None
    rows = -(-work.rows // workers)
    read = work.prefill_tokens(CHARACTERS_PER_TOKEN) / workers
    mean = estimates.responses(1, work.new_tokens)
    prompt = work.prompt_characters / CHARACTERS_PER_TOKEN / max(1, work.prompts)
    free = runtime.device_memory * device.memory * share - weights
    if engine == "transformers":
        free = min(free, memory.CACHE_BYTES[engine])
    room = int(free / (key_values * (prompt + work.new_tokens)))
    together = max(1, min(rows, memory.ROWS[engine], room))
    # vLLM fills the place of a row that ends; a batch of transformers ends with its longest row.
    passes = -(-rows // together) * work.new_tokens if engine == "transformers" else rows * mean / together
    passes = max(passes, float(mean))
    per_pass = rows * mean / passes
    operations = 2 * model.parameters / (COMPUTE * device.peak(dtype) * share)
    bytes_read = weights + per_pass * (prompt + mean / 2) * key_values
    each = max(per_pass * operations, bytes_read / (READ * device.bandwidth * share)) + HOST[engine] * layers
    return START[engine] + weights / DISK + read * operations + passes * each


def training(
    tokens: int,
    model: Architecture,
    work: Work,
    recipe: Recipe,
    runtime: Runtime,
    device: Device,
    processes: int = 1,
) -> float | None:
    """Seconds of a training on `tokens`, shared by `processes` without loss; None: the model's sizes are unknown."""
    weights, saved = model.weight_bytes("bfloat16"), model.saved_bytes(work.lora)
    if weights is None or saved is None or model.parameters is None:
        return None
    per_parameter = (4 if work.lora is not None else 6) + (2 if runtime.gradient_checkpointing else 0)
    operations = tokens * per_parameter * model.parameters
    moved = (weights + saved) / DISK
    return START["transformers"] + moved + operations / (COMPUTE * device.peak(recipe.dtype) * processes)
