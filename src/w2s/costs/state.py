"""Disk for the saved states of a training."""

from __future__ import annotations

from w2s.config.schema import Lora, Runtime
from w2s.models.architecture import Architecture

_STATES = 2
"""As `training.state.KEPT`."""


def training_state_bytes(model: Architecture, lora: Lora | None, runtime: Runtime) -> int | None:
    """The most bytes of a training's saved states, which go when it ends; None: unknown.

    Each has float32 weights and AdamW's two moments of what is trained.
    """
    if not runtime.save_minutes:
        return 0
    trained = model.parameters if lora is None else model.adapter_parameters(lora)
    return None if trained is None else _STATES * 12 * trained
