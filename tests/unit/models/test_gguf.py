"""GGUF files: a small one, weight by weight and token by token."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from w2s import models
from w2s.errors import UserError
from w2s.models import architecture, gguf


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, small_gguf) -> tuple[Path, Path, dict[str, numpy.ndarray]]:
    """The file, the folder made of it, and the matrices that it holds."""
    place = tmp_path_factory.mktemp("gguf")
    held = small_gguf(place / "small.gguf")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("W2S_CACHE", str(place / "cache"))
        folder = models.folder(place / "small.gguf")
        assert folder == models.folder(str(place / "small.gguf")) == models.find(str(place / "small.gguf")).local()
    return place / "small.gguf", folder, held


def test_every_weight_is_the_files_own_to_a_float16s_precision(made) -> None:
    """Queries and keys lie in llama.cpp's order: the two halves of a head (16 wide here) interleaved."""
    _, folder, held = made
    found = load_file(folder / "model.safetensors")
    assert {tensor.dtype for tensor in found.values()} == {torch.float16}
    names = {
        "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_down": "mlp.down_proj",
        "ffn_up": "mlp.up_proj", "ffn_gate": "mlp.gate_proj", "attn_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    }  # fmt: skip
    pairs = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}
    pairs |= {f"blk.{i}.{theirs}": f"model.layers.{i}.{ours}" for i in range(2) for theirs, ours in names.items()}
    assert len(found) == len(pairs) == len(held)  # the output is the embedding's matrix and is not there twice
    for theirs, ours in pairs.items():
        expected = held[theirs]
        if theirs.endswith(("attn_q", "attn_k")):
            expected = expected.reshape(-1, 8, 2, 32).swapaxes(1, 2).reshape(expected.shape)
        assert torch.equal(found[f"{ours}.weight"], torch.from_numpy(expected.copy()).half()), theirs


def test_the_configuration_is_the_files(made) -> None:
    config = json.loads((made[1] / "config.json").read_text())
    expected = {
        "model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 1, "intermediate_size": 64, "max_position_embeddings": 64, "vocab_size": 261,
        "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2, "dtype": "float16",
    }  # fmt: skip
    assert {name: config[name] for name in expected} == expected
    assert config["rope_parameters"]["rope_theta"] == 5000.0
    assert not {"quantization_config", "_model_name_or_path"} & config.keys()
    assert json.loads((made[1] / "generation_config.json").read_text())["eos_token_id"] == 2
    assert AutoModelForCausalLM.from_pretrained(made[1]).config.num_hidden_layers == 2


def test_digits_are_split_before_spaces_are(made) -> None:
    tokens = AutoTokenizer.from_pretrained(made[1])
    ids = tokens("a  1 23<|im_end|>").input_ids
    assert tokens.convert_ids_to_tokens(ids) == ["a", "ĠĠ", "1", "Ġ", "2", "3", "<|im_end|>"]
    assert (tokens.eos_token, tokens.pad_token, tokens.model_max_length) == ("<|im_end|>", "<|im_end|>", 64)
    assert tokens.apply_chat_template([{"content": "x"}], tokenize=False) == "<|im_start|>x<|im_end|>"


def test_a_plain_pre_tokenizer_stays_and_a_beginning_that_is_asked_for_is_added(tmp_path: Path, small_gguf) -> None:
    small_gguf(tmp_path / "m.gguf", pre="gpt-2", begin=True)
    tokens = gguf._tokenizer(tmp_path / "m.gguf", gguf._open(tmp_path / "m.gguf"))
    assert tokens.convert_ids_to_tokens(tokens("a  1").input_ids) == ["<|im_start|>", "a", "Ġ", "Ġ1"]
    assert len(tokens("a", "b").input_ids) == 4


@pytest.mark.parametrize("pre", [None, "who-knows"])
def test_a_pre_tokenizer_that_nobody_knows_is_refused(tmp_path: Path, small_gguf, monkeypatch, pre: str | None) -> None:
    monkeypatch.setenv("W2S_CACHE", str(tmp_path / "cache"))
    small_gguf(tmp_path / "m.gguf", pre=pre)
    with pytest.raises(UserError, match=pre or "unnamed"):
        models.folder(tmp_path / "m.gguf")
    assert models.find(tmp_path / "m.gguf").local() is None


def test_numbers_that_are_not_quantised_keep_their_format(tmp_path: Path, small_gguf) -> None:
    small_gguf(tmp_path / "m.gguf", quantised=False)
    assert gguf._dtype(gguf._open(tmp_path / "m.gguf")) == "float32"


def test_it_is_known_before_anything_is_made(tmp_path: Path, small_gguf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer: q and o 2 * 32 * 32, k and v 2 * 16 * 32, MLP 3 * 64 * 32, norms 64. Beside them 261 * 32 and 32."""
    monkeypatch.setenv("W2S_CACHE", str(tmp_path / "cache"))
    small_gguf(tmp_path / "m.gguf")
    layer, rest = 2048 + 1024 + 6144 + 64, 261 * 32 + 32
    assert architecture.find(models.find(str(tmp_path / "m.gguf"))).parameters == 2 * layer + rest
    assert architecture.find(models.find(f"{tmp_path / 'm.gguf'}#layers=1")).parameters == layer + rest
    first = models.identify(tmp_path / "m.gguf")
    assert first.startswith(f"gguf{gguf.FORMAT}:") and first == models.identify(str(tmp_path / "m.gguf"))
    assert not (tmp_path / "cache").exists()
    small_gguf(tmp_path / "m.gguf", pre="gpt-2")
    assert models.identify(tmp_path / "m.gguf") != first


def test_bad_files_and_a_missing_package_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("W2S_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError, match="there is no such file"):
        models.resolve(str(tmp_path / "none.gguf"))
    (tmp_path / "bad.gguf").write_bytes(b"GGUF, or not")
    with pytest.raises(UserError, match="cannot be read as a GGUF model"):
        models.resolve(tmp_path / "bad.gguf")
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(UserError, match=r"package gguf(.|\n)*w2s-reasoning\[gguf\]"):
        models.resolve(tmp_path / "bad.gguf")


def test_a_lack_of_memory_is_told_from_a_file_that_cannot_be_read(made, tmp_path: Path, monkeypatch) -> None:
    def load(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: 400 bytes.")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", load)
    with pytest.raises(RuntimeError, match="400 bytes"):
        gguf.convert(made[0], tmp_path)
