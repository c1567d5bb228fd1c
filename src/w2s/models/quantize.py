"""Models with their linear layers in 4 bits, by bitsandbytes (NF4 and double quantisation: Dettmers et al. 2023)."""

from __future__ import annotations

import importlib.util
from typing import Any

from w2s.errors import UserError


def need() -> None:
    """Raises UserError where bitsandbytes is not installed."""
    if importlib.util.find_spec("bitsandbytes") is None:
        raise UserError(
            "quantize=4bit needs the package bitsandbytes, which is not installed",
            field="quantize",
            mend="pip install 'w2s-reasoning[quantize]', or leave quantize out",
        )


def options(quantize: str | None, device: Any) -> dict[str, Any]:
    """What `from_pretrained` has to be told besides: nothing, or how to quantise, and on which device.

    Raises:
        UserError: bitsandbytes is not installed.
    """
    if quantize is None:
        return {}
    need()
    import torch
    from transformers import BitsAndBytesConfig

    how = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return {"quantization_config": how, "device_map": {"": device}}


def check(model: Any, quantize: str | None, place: str) -> None:
    """Refuse a model that should be quantised and is not: one with a format of its own ignores ours with a warning.

    bitsandbytes' own order of weights for CPUs with AVX-512 is left off: it refuses sizes that are no multiples of 64,
    stays when training follows evaluation (its products have no gradient), and texts would depend on the CPU.

    Raises:
        UserError: it has no linear layer in 4 bits.
    """
    if quantize is None:
        return
    from bitsandbytes.nn import Linear4bit

    held = [module for module in model.modules() if isinstance(module, Linear4bit)]
    for module in held:
        module.support_avx512bf16_for_cpu = False
    if not held:
        raise UserError(
            "was not quantised: it comes in a number format of its own, or has no linear layers",
            file=place,
            field="quantize",
            mend="leave quantize out, or give the unquantised model",
        )
