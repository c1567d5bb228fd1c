"""Adapter folders, as distinct from models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from w2s import models
from w2s.errors import UserError
from w2s.models import adapters


def _adapter(folder: Path, config: object, weights: str = adapters.WEIGHTS) -> Path:
    (folder / adapters.CONFIG).write_text(config if isinstance(config, str) else json.dumps(config))
    (folder / weights).write_bytes(b"")
    return folder


def test_anything_else_is_a_model(tmp_path: Path) -> None:
    for reference in ("w2s:tiny-weak", "owner/name@abc", tmp_path, "scripted:a:b"):
        assert adapters.split(reference) == (reference, None)


def test_an_adapter_names_its_base(tmp_path: Path) -> None:
    folder = _adapter(tmp_path, {"base_model_name_or_path": "owner/name", "revision": "abc"})
    assert adapters.split(str(folder)) == ("owner/name@abc", folder)
    (tmp_path / "base").mkdir()
    folder = _adapter(tmp_path, {"base_model_name_or_path": str(tmp_path / "base"), "revision": "abc"})
    assert adapters.split(folder) == (str(tmp_path / "base"), folder)


def test_an_adapter_on_an_adapter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"adapter on an adapter(.|\n)*merge"):
        adapters.split(_adapter(tmp_path, {"base_model_name_or_path": str(tmp_path)}))


@pytest.mark.parametrize(("field", "value"), [("peft_type", "XLORA"), ("megatron_config", {"a": 1})])
def test_what_would_fetch_or_import_more_is_refused(tmp_path: Path, field: str, value: object) -> None:
    with pytest.raises(UserError, match=rf"\[{field}\].*no adapter that can be used(.|\n)*a LoRA adapter"):
        adapters.split(_adapter(tmp_path, {"base_model_name_or_path": "a/b", "peft_type": "LORA", field: value}))


def test_where_the_base_lies_is_no_part_of_what_an_adapter_does(tmp_path: Path) -> None:
    digests = []
    for name, base, rank in (("a", "x/y", 8), ("b", "/other/place", 8), ("c", "x/y", 16)):
        (tmp_path / name).mkdir()
        digests.append(adapters.digest(_adapter(tmp_path / name, {"base_model_name_or_path": base, "r": rank})))
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("config", ["{", "[]", {}, {"base_model_name_or_path": ""}, {"base_model_name_or_path": 3}])
def test_a_damaged_configuration_is_refused(tmp_path: Path, config: object) -> None:
    with pytest.raises(UserError, match=adapters.CONFIG):
        adapters.split(_adapter(tmp_path, config))


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="safetensors"):
        adapters.split(_adapter(tmp_path, {"base_model_name_or_path": "a/b"}, "adapter_model.bin"))


@pytest.mark.parametrize("text", ["DefaultCPUAllocator: can't allocate memory: 400 bytes.", "size mismatch"])
def test_a_lack_of_memory_is_told_from_an_adapter_of_another_base(tmp_path: Path, monkeypatch, text: str) -> None:
    import transformers

    def load(*_: object, **__: object) -> None:
        raise RuntimeError(text)

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", load)
    with pytest.raises(RuntimeError if "memory" in text else UserError, match=text):
        adapters.save_merged(tmp_path, tmp_path, tmp_path / "out")


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """An adapter of the shipped weak model, saved by PEFT."""
    import peft

    config = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    peft.get_peft_model(_network(), config).save_pretrained(tmp_path)
    return tmp_path


def _network() -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(models.resolve("w2s:tiny-weak").path_or_id)


PART, ELSEWHERE = "layers.1.self_attn.q_proj", "layers.77.self_attn.q_proj"


@pytest.mark.parametrize(
    ("kept", "added", "message"),
    [
        (False, False, f"parts are missing: .*{PART}.lora_A"),
        (False, True, "parts are missing: "),
        (True, True, f"the base has no such layers: .*{ELSEWHERE}.lora_A"),
    ],
)
@pytest.mark.filterwarnings("ignore:Found missing adapter keys")
def test_an_adapter_that_fits_its_base_in_part_is_refused(trained: Path, kept: bool, added: bool, message: str) -> None:
    """PEFT warns of missing parts, and drops surplus ones without a word; vLLM serves what is there."""
    from safetensors import torch as safetensors

    adapters.attach(_network(), trained)
    adapters.check(trained, "base", _network().config, False)
    file = trained / adapters.WEIGHTS
    weights = safetensors.load_file(file)
    moved = {name.replace(PART, ELSEWHERE): value.clone() for name, value in weights.items() if PART in name}
    weights = {name: value for name, value in weights.items() if kept or PART not in name}
    safetensors.save_file(weights | moved if added else weights, file)
    with pytest.raises(UserError, match=message):
        adapters.attach(_network(), trained)
    with pytest.raises(UserError, match=message):
        adapters.check(trained, "base", _network().config, False)


def test_an_adapter_of_another_rank_than_it_says_is_refused(trained: Path) -> None:
    config = json.loads((trained / adapters.CONFIG).read_text())
    (trained / adapters.CONFIG).write_text(json.dumps(config | {"r": 3}))
    with pytest.raises(UserError, match=r"does not fit its base base \(RuntimeError: .*\n.*base_model_name_or_path"):
        adapters.check(trained, "base", _network().config, False)
