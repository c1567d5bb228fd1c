"""What trainings share beside their settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from w2s.config.choices import Dtype
from w2s.config.schema import Runtime, Trl
from w2s.errors import one_of


@dataclass(frozen=True, slots=True)
class Setup:
    """Seed, dtype of matrix products, quantisation of a frozen base (QLoRA, Dettmers et al. 2023), runtime.

    `runtime` changes last bits at most. `state`: the folder of the training's saved states, its own; None: none.
    `trl`: of trainer trl.
    """

    seed: int = 0
    dtype: Dtype = "float32"
    quantize: str | None = None
    runtime: Runtime = field(default_factory=Runtime)
    state: Path | None = None
    trl: Trl | None = None

    def __post_init__(self) -> None:
        one_of("dtype", self.dtype, get_args(Dtype), "dtype")
