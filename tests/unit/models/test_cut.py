"""Layers left out, on tensors whose values say where they come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from w2s import models
from w2s.errors import UserError
from w2s.models import architecture, cut

CONFIG = {"model_type": "llama", "num_hidden_layers": 4, "layer_types": ["a", "b", "c", "d"], "hidden_size": 2}


def _tensors() -> dict[str, torch.Tensor]:
    found = {f"model.layers.{i}.{part}.weight": torch.full((2,), float(i)) for i in range(4) for part in ("q", "up")}
    return found | {"model.embed_tokens.weight": torch.full((3, 2), 9.0, dtype=torch.bfloat16)}


def _model(folder: Path, shards: int = 1, config: dict | None = None) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config or CONFIG))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "notes.md").write_text("stays behind")
    names = sorted(_tensors())
    parts = [names[place::shards] for place in range(shards)]
    files = ["model.safetensors"] if shards == 1 else [f"model-{n}-of-{shards}.safetensors" for n in range(shards)]
    for file, part in zip(files, parts, strict=True):
        save_file({name: _tensors()[name] for name in part}, folder / file)
    if shards > 1:
        index = {"weight_map": {name: file for file, part in zip(files, parts, strict=True) for name in part}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        save_file({"another": torch.zeros(1)}, folder / "consolidated.safetensors")  # in no index: not the model
    return folder


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("W2S_CACHE", str(tmp_path / "cache"))
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.mark.parametrize("shards", [1, 3])
def test_layers_are_kept_and_numbered_anew(tmp_path: Path, out: Path, shards: int) -> None:
    cut.keep(_model(tmp_path / "m", shards), (1, 3), out)
    found = {name: tensor for file in out.glob("*.safetensors") for name, tensor in load_file(file).items()}
    expected = {"model.embed_tokens.weight": 9.0}
    for new, old in ((0, 1.0), (1, 3.0)):
        expected |= {f"model.layers.{new}.{part}.weight": old for part in ("q", "up")}
    assert {name: tensor.flatten()[0].item() for name, tensor in found.items()} == expected
    assert found["model.embed_tokens.weight"].dtype == torch.bfloat16
    config = json.loads((out / "config.json").read_text())
    assert config == {**CONFIG, "num_hidden_layers": 2, "layer_types": ["b", "d"]}
    others = {path.name for path in out.iterdir() if path.suffix != ".safetensors"}
    index = {"model.safetensors.index.json"} if shards > 1 else set()
    assert others == {"config.json", "tokenizer.json"} | index
    if shards > 1:
        written = json.loads((out / "model.safetensors.index.json").read_text())
        assert all((out / file).is_file() for file in written["weight_map"].values())
        assert written["weight_map"].keys() == found.keys()


def test_a_reference_with_layers_is_made_once_and_known_before(tmp_path: Path, out: Path) -> None:
    """4 numbers per layer and 6 embeddings: two layers have 14."""
    whole = _model(tmp_path / "m")
    reference = f"{whole}#layers=1,3"
    identity = models.identify(reference)
    assert identity == f"{models.identify(str(whole))}#layers=1,3" and not (tmp_path / "cache").exists()
    assert architecture.find(models.find(reference)).parameters == 14
    assert architecture.find(models.find(reference)).config["num_hidden_layers"] == 2
    found = models.resolve(reference)
    assert found.identity == identity and found.quantize is None
    assert models.folder(reference) == Path(found.path_or_id)
    assert architecture.find(models.find(found.path_or_id)).parameters == 14
    assert models.resolve(f"{whole}#layers=1-2").path_or_id != found.path_or_id


@pytest.mark.parametrize("call", [models.identify, models.resolve, models.folder])
def test_a_layer_that_is_not_there_is_told_before_anything_is_made(tmp_path: Path, out: Path, call) -> None:
    with pytest.raises(UserError, match=r"has no layer 4: it has 4(.|\n)*0 to 3"):
        call(f"{_model(tmp_path / 'm')}#layers=0,4")
    assert not list(tmp_path.glob("cache/cut-*"))


def test_layers_that_are_not_found_are_told(tmp_path: Path, out: Path) -> None:
    folder = _model(tmp_path / "m", config={"n_layer": 3})
    with pytest.raises(UserError, match="3 layers are not found"):
        cut.keep(folder, (0,), out)
    with pytest.raises(UserError, match="has no number of layers"):
        cut.config({}, (0,), "m")


def test_where_two_stacks_fit_neither_is_guessed() -> None:
    names = [f"{stack}.block.{i}.weight" for stack in ("encoder", "decoder") for i in range(2)]
    with pytest.raises(UserError, match="not found"):
        cut.numbering(names, 2, "m")
    assert cut.numbering([*names, "encoder.block.2.weight"], 2, "m") == "decoder.block."
    assert cut.numbering(["h.0.experts.0.w", "h.0.experts.1.w", "h.0.experts.2.w", "h.1.experts.0.w"], 2, "m") == "h."


def test_layers_that_differ_by_their_place() -> None:
    with pytest.raises(UserError, match="full_attention_interval"):
        cut.config({"num_hidden_layers": 4, "full_attention_interval": 2}, (0,), "m")
    listed = {"num_hidden_layers": 4, "full_attention_interval": 2, "layer_types": [0, 1, 0, 1]}
    assert cut.config(listed, (1, 2), "m")["layer_types"] == [1, 0]
    dense = {"num_hidden_layers": 4, "mlp_only_layers": [0, 3], "max_window_layers": 3}
    found = cut.config({"text_config": dense}, (1, 2, 3), "m")["text_config"]
    assert (found["mlp_only_layers"], found["max_window_layers"], found["num_hidden_layers"]) == ([2], 2, 3)


def test_weights_without_an_index(tmp_path: Path) -> None:
    folder = _model(tmp_path / "m", 3)
    (folder / "model-0-of-3.safetensors").unlink()
    with pytest.raises(UserError, match="lacks model-0-of-3"):
        cut.weights(folder)
    (folder / "model.safetensors.index.json").unlink()
    with pytest.raises(UserError, match="3 files of weights"):
        cut.weights(folder)
