"""Damaged files of a model's folder: one message that names the file, never a traceback."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from w2s import models
from w2s.errors import UserError
from w2s.models import adapters, architecture, cut, files, whole

NOT_JSON = [b"{", b"\xff\xfe{}", b"[]", b"null", b"[" * 100_000]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(models.folder("w2s:tiny-weak"), tmp_path / "model")


@pytest.mark.parametrize("content", NOT_JSON, ids=lambda content: repr(content[:8]))
def test_a_damaged_configuration_is_named(folder: Path, tmp_path: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    with pytest.raises(UserError, match=r"config\.json: is not (valid JSON|a JSON object)"):
        architecture.find(models.find(str(folder)))
    with pytest.raises(UserError, match=r"config\.json: is not"):
        _ = replace(models.find(str(folder)), layers=(0,)).identity
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match=r"config\.json: is not"):
        cut.keep(folder, [0], tmp_path / "out")
    (folder / adapters.CONFIG).write_bytes(content)
    with pytest.raises(UserError, match=r"adapter_config\.json: is not"):
        adapters.read(folder)


@pytest.mark.parametrize("index", [*NOT_JSON, b"{}", b'{"weight_map": 5}', b'{"weight_map": {"a": []}}'], ids=repr)
def test_a_damaged_index_of_weights_is_named(folder: Path, index: bytes) -> None:
    (folder / "model.safetensors.index.json").write_bytes(index)
    for read in (cut.weights, lambda folder: files.check_folder(folder, str(folder))):
        with pytest.raises(UserError, match=r"model\.safetensors\.index\.json: is no"):
            read(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"version https://git-lfs",
        b"\xff" * 64,
        (2).to_bytes(8, "little") + b"[]",
        (12).to_bytes(8, "little") + b'{"a": "text"}',
        (16).to_bytes(8, "little") + b'{"a": {"b": 1}} ',
        (22).to_bytes(8, "little") + b'{"a": {"shape": "ab"}}',
    ],
    ids=repr,
)
def test_weights_without_a_header_are_named(folder: Path, content: bytes) -> None:
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors: cannot be read as safetensors"):
        architecture.find(models.find(str(folder)))


def test_sizes_of_another_type_are_unknown(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    odd = {"num_attention_heads": "four", "hidden_size": [1], "num_hidden_layers": -2, "vocab_size": True}
    (folder / "config.json").write_text(json.dumps(config | odd))
    found = architecture.find(models.find(str(folder)))
    assert not found.config.keys() & odd.keys() and found.cache_bytes(10, "float32") is None


def test_a_damaged_tokenizer_is_named(folder: Path) -> None:
    (folder / "tokenizer.json").write_bytes(b'{"version"')
    with pytest.raises(UserError, match=r"tokenizer\.json: cannot be read as a tokenizer"):
        architecture.characters_per_token(models.find(str(folder)), ["text"])


@pytest.mark.parametrize("first", [True, False])
def test_zeros_are_refused_where_weights_are_read(monkeypatch: pytest.MonkeyPatch, first: bool) -> None:
    """With FSDP transformers gives every process but the first of a machine zeros in place of the weights."""
    import transformers.integrations
    import transformers.modeling_utils
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(models.folder("w2s:tiny-weak"))
    network.get_output_embeddings().weight.data.zero_()
    monkeypatch.setattr(transformers.integrations, "is_fsdp_enabled", lambda: True)
    monkeypatch.setattr(transformers.modeling_utils, "is_local_dist_rank_0", lambda: first)
    with pytest.raises(UserError, match="all zero") if first else contextlib.nullcontext():
        whole.check(network, {"missing_keys": [], "unexpected_keys": []}, "model")
