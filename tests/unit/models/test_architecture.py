"""Numbers of models, by hand and against their published totals."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from w2s import models
from w2s.config.schema import Lora
from w2s.models import architecture
from w2s.models.architecture import Architecture

PUBLISHED = {
    "meta-llama/Llama-2-7b-hf": 6_738_415_616,
    "meta-llama/Llama-2-13b-chat-hf": 13_015_864_320,
    "meta-llama/Llama-2-70b-hf@main": 68_976_648_192,
    "meta-llama/Meta-Llama-3-8B-Instruct": 8_030_261_248,
    "meta-llama/Meta-Llama-3-70B": 70_553_706_496,
    "google/gemma-2b": 2_506_172_416,
    "google/gemma-7b": 8_537_680_896,
    "mistralai/Mistral-7B-v0.1": 7_241_732_096,
    "HuggingFaceTB/SmolLM2-135M": 134_515_008,
    "HuggingFaceTB/SmolLM2-360M-Instruct": 361_821_120,
    "HuggingFaceTB/SmolLM2-1.7B": 1_711_376_384,
    "Qwen/Qwen2.5-0.5B": 494_032_768,
    "Qwen/Qwen2.5-1.5B-Instruct": 1_543_714_304,
    "Qwen/Qwen2.5-7B": 7_615_616_512,
}
"""Totals on the models' own pages."""


@pytest.mark.parametrize(("reference", "parameters"), PUBLISHED.items())
def test_well_known_models_have_their_published_number_of_parameters(reference: str, parameters: int) -> None:
    assert architecture.find(models.find(reference, may_be_missing=True)).parameters == parameters


@pytest.mark.parametrize("reference", ["google/gemma-2-2b", "some/model", "mistralai/Mistral-7B-v0.3", "scripted:a:b"])
def test_an_unknown_model_is_unknown(reference: str) -> None:
    found = architecture.find(models.find(reference, may_be_missing=True))
    assert found.parameters is None and found.weight_bytes("float32") is None
    assert found.cache_bytes(10, "float32") is None and found.training_bytes(None) is None
    given = architecture.find(models.find(reference, may_be_missing=True), 5)
    assert (given.parameters, given.weight_bytes("bfloat16")) == (5, 10)


@pytest.mark.parametrize("reference", ["w2s:tiny-weak", "w2s:tiny-strong"])
def test_the_shipped_models_headers_and_configurations_count_alike(reference: str) -> None:
    found = architecture.find(models.find(reference, may_be_missing=True))
    assert found.parameters == architecture._count(Architecture(None, found.config))
    assert found.parameters == architecture.stored([models.find(reference).local() / "model.safetensors"])


def test_llama_2_70b_by_hand() -> None:
    """80 layers, 8 KV heads of 128: 2 * 80 * 8 * 128 * 2 bytes = 320 KiB per token in bfloat16."""
    model = architecture.find(models.find("meta-llama/Llama-2-70b-hf", may_be_missing=True))
    assert model.cache_bytes(1, "bfloat16") == 327_680
    assert model.cache_bytes(1000, "float32") == 655_360_000
    assert model.weight_bytes("bfloat16") == 137_953_296_384
    assert model.training_bytes(None) == 16 * 68_976_648_192


def test_adapters_by_hand() -> None:
    """Width 8, 4 heads of 2, 2 KV heads, 3 layers. q: 8 to 8, v: 8 to 4; rank 2: 3 * 2 * (16 + 12) = 168."""
    config = {
        "model_type": "llama", "hidden_size": 8, "num_attention_heads": 4, "num_key_value_heads": 2,
        "num_hidden_layers": 3, "intermediate_size": 16, "vocab_size": 10,
    }  # fmt: skip
    model = Architecture(1000, config)
    assert model.adapter_parameters(Lora(rank=2, targets=("q_proj", "v_proj"))) == 168
    assert model.training_bytes(Lora(rank=2, targets=("q_proj", "v_proj"))) == 4 * 1000 + 12 * 168
    assert model.adapter_parameters(Lora(rank=2, targets=("other",))) is None
    # A layer: q 64, k 32, v 32, o 64, MLP 3 * 128, norms 16 = 592; embeddings and head 2 * 80; last norm 8.
    assert architecture._count(model) == 3 * 592 + 160 + 8


def test_headers_are_read_and_nothing_else(tmp_path: Path) -> None:
    shapes = {"a": [3, 4], "b": [5], "scalar": []}
    header = {name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes.items()}
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    (tmp_path / "model-1.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)  # no tensor follows
    (tmp_path / "config.json").write_text(json.dumps({"text_config": {"num_hidden_layers": 2, "head_dim": 4,
                                                                      "num_key_value_heads": 3}}))  # fmt: skip
    found = architecture.find(models.find(str(tmp_path), may_be_missing=True))
    assert found.parameters == sum(math.prod(shape) for shape in shapes.values()) == 18
    assert found.cache_bytes(1, "float32") == 2 * 2 * 3 * 4 * 4
    assert architecture.characters_per_token(models.find(str(tmp_path)), ["text"]) is None


def test_characters_per_token_by_the_models_own_tokenizer() -> None:
    """Digits are single tokens: no more characters per token than in prose."""
    digits = architecture.characters_per_token(models.find("w2s:tiny-strong"), ["1234567890" * 5])
    prose = architecture.characters_per_token(models.find("w2s:tiny-strong"), ["How many apples are there in all?"])
    assert digits is not None and prose is not None and 0.9 <= digits < prose < 6
    assert architecture.characters_per_token(models.find("w2s:tiny-strong"), [""]) is None
