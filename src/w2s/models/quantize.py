"""4-bit linear layers by bitsandbytes (NF4, double quantisation: Dettmers et al. 2023)."""

from __future__ import annotations

import importlib.util
from typing import Any

from w2s.config.schema import Lora
from w2s.errors import UserError


def need() -> None:
    """Raises UserError without bitsandbytes."""
    if importlib.util.find_spec("bitsandbytes") is None:
        raise UserError(
            "quantize=4bit needs the package bitsandbytes, which is not installed",
            field="quantize",
            hint="pip install 'w2s-reasoning[quantize]', or leave quantize out",
        )


def check_training(quantize: str | None, lora: Lora | None, sharded: bool) -> None:
    """Refuse a quantised base that cannot be trained.

    Raises:
        UserError: no LoRA, or FSDP.
    """
    if quantize and lora is None:
        raise UserError(
            f"the base is quantised ({quantize}), and quantised weights cannot be trained",
            field="training.lora",
            expected="adapters beside it",
            hint="set training.lora.rank=8 (for Stage II preference.lora), or leave quantize out",
        )
    if quantize and sharded:
        raise UserError(
            f"the base is quantised ({quantize}), and FSDP cannot shard it",
            field="runtime.sharding",
            hint="use runtime.sharding=none: each process has the base in 4 bits",
        )


def options(quantize: str | None, device: Any) -> dict[str, Any]:
    """The quantising arguments of `from_pretrained`, if any.

    Raises:
        UserError: bitsandbytes is not installed.
    """
    if quantize is None:
        return {}
    need()
    import torch
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return {"quantization_config": config, "device_map": {"": device}}


def check(model: Any, quantize: str | None, place: str) -> None:
    """Refuse an unquantised model; turn off bitsandbytes' AVX-512 path.

    That path has no gradient, and makes completions depend on the CPU.

    Raises:
        UserError: no linear layer is in 4 bits.
    """
    if quantize is None:
        return
    from bitsandbytes.nn import Linear4bit

    quantised = [module for module in model.modules() if isinstance(module, Linear4bit)]
    for module in quantised:
        module.support_avx512bf16_for_cpu = False
    if not quantised:
        raise UserError(
            "was not quantised: it has its own quantisation, or no linear layers",
            file=place,
            field="quantize",
            hint="leave quantize out, or give the unquantised model",
        )
