"""A base in 4 bits under adapters (QLoRA); what is saved is the base as it was, with the adapters added."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from w2s.config.schema import Lora, Preference, Runtime, Training
from w2s.errors import UserError
from w2s.models import quantize
from w2s.records import Example
from w2s.records import Preference as Pair
from w2s.training import checkpoint, preference, sft
from w2s.training.setup import Setup

EXAMPLES = [Example(f"q{i}", f"{i} + {i} ->", f" {2 * i}") for i in range(4)]
LORA = Lora(rank=2, targets=("q_proj", "up_proj"))


@pytest.fixture
def bitsandbytes() -> None:
    pytest.importorskip("bitsandbytes")


def _train(base: Path, out: Path, lora: Lora | None) -> None:
    config = Training(learning_rate=1e-2, epochs=1, batch_size=4, warmup_ratio=0.0, max_length=96, lora=lora)
    sft.train(base, EXAMPLES, out, config, Setup(seed=1, quantize="4bit", runtime=Runtime(device="cpu")))


def _moved(base: Path, out: Path) -> set[str]:
    before, after = (load_file(folder / "model.safetensors") for folder in (base, out))
    assert before.keys() == after.keys() and {tensor.dtype for tensor in after.values()} == {torch.float32}
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_adapters_learn_and_the_rest_of_the_base_is_kept_to_the_bit(bitsandbytes, base, tmp_path) -> None:
    """Only the targets move, each by a matrix of the adapters' rank, 2: nothing of the 4 bits is left in it."""
    _train(base, tmp_path, LORA)
    moved = _moved(base, tmp_path)
    assert moved == {
        f"model.layers.{i}.{part}.weight" for i in range(2) for part in ("self_attn.q_proj", "mlp.up_proj")
    }
    before, after = (load_file(folder / "model.safetensors") for folder in (base, tmp_path))
    for name in moved:
        assert torch.linalg.matrix_rank(after[name].double() - before[name].double(), rtol=1e-3) == 2
    assert "quantization_config" not in (tmp_path / "config.json").read_text()


def test_preferences_too(bitsandbytes, base, tmp_path) -> None:
    config = Preference(learning_rate=1e-2, epochs=1, batch_size=4, warmup_ratio=0.0, max_length=96, lora=LORA)
    pairs = [Pair(f"q{i}", f"{i} ->", f" {i}", " no") for i in range(4)]
    result = preference.train(base, pairs, tmp_path, config, Setup(seed=1, quantize="4bit"), "dpo")
    assert result.loss_first == pytest.approx(0.6931, abs=1e-3)
    assert len(_moved(base, tmp_path)) == 4


def test_the_base_is_really_quantised(bitsandbytes, base, tokenizer) -> None:
    from bitsandbytes.nn import Linear4bit

    model = checkpoint.load_model(base, tokenizer, quantize="4bit", device=torch.device("cpu"))
    held = [module for module in model.modules() if isinstance(module, Linear4bit)]
    assert len(held) == 2 * 7 and {module.weight.dtype for module in held} == {torch.uint8}
    assert held[0].weight.quant_state.quant_type == "nf4" and held[0].weight.quant_state.nested


def test_every_parameter_of_a_quantised_base_cannot_be_trained(base, tmp_path) -> None:
    with pytest.raises(UserError, match=r"quantised weights cannot be trained(.|\n)*lora.rank=8"):
        _train(base, tmp_path, None)
    with pytest.raises(UserError, match=r"FSDP(.|\n)*sharding=none"):
        quantize.check_training("4bit", LORA, True)
    quantize.check_training(None, None, True)


def test_without_the_package_nothing_is_loaded_unquantised(base, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"bitsandbytes(.|\n)*w2s-reasoning\[quantize\]"):
        _train(base, tmp_path, LORA)
