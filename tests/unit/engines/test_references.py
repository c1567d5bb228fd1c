"""The transformers engine on models that are made: adapters, layers, 4 bits."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import torch

from w2s import models
from w2s.config.schema import Runtime
from w2s.engines import transformers
from w2s.engines.base import Decoding, Loading, Request
from w2s.errors import UserError

CPU = Runtime(device="cpu", offline=True)
GREEDY = Decoding(12, temperature=0.0, stop=())
REQUESTS = [Request(f"q{i}", 0, f"Question: {'x' * i}\nAnswer:") for i in range(4)]


@pytest.fixture(scope="module")
def folder(network, tokenizer, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("model")
    network().save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place


@pytest.fixture
def adapter(network, folder: Path, tmp_path: Path) -> Path:
    """A PEFT adapter of rank 2 that changes the texts."""
    from peft import LoraConfig, get_peft_model

    changed = get_peft_model(network(), LoraConfig(r=2, target_modules=["q_proj", "down_proj"]))
    for name, weight in changed.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.3)
    changed.save_pretrained(tmp_path / "adapter")
    _edit(tmp_path / "adapter" / "adapter_config.json", base_model_name_or_path=str(folder))
    return tmp_path / "adapter"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("W2S_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _edit(file: Path, **fields: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def _texts(reference: str | Path) -> list[str]:
    engine = transformers.load(reference, Loading(runtime=CPU))
    return [c.text for batch in engine.plan(REQUESTS, GREEDY) for c in engine.run(batch, GREEDY)]


def test_an_adapter_is_a_model_like_any_other(folder: Path, adapter: Path, cache: Path) -> None:
    """Merged into a folder it answers as the engine that merges in memory does, and not as its base."""
    identity = models.identify(adapter)
    assert identity.startswith("adapter:") and identity.endswith(models.identify(folder)) and not cache.exists()
    assert models.find(adapter).local() == folder
    found = models.resolve(str(adapter))
    assert found.identity == identity and Path(found.path_or_id).parent == cache
    assert models.folder(adapter) == Path(found.path_or_id)
    assert _texts(found.path_or_id) == _texts(adapter) != _texts(folder)


def test_layers_of_an_adapter_are_those_of_the_merged_model(adapter: Path) -> None:
    both = f"{adapter}#layers=0,1"
    assert _texts(both) == _texts(adapter) != _texts(f"{adapter}#layers=1")
    assert models.identify(both) != models.identify(adapter)


def test_a_base_that_is_not_its_own_is_told(adapter: Path, network, tokenizer, tmp_path: Path) -> None:
    network(hidden_size=16).save_pretrained(tmp_path / "narrow")
    tokenizer.save_pretrained(tmp_path / "narrow")
    _edit(adapter / "adapter_config.json", base_model_name_or_path=str(tmp_path / "narrow"))
    with pytest.raises(UserError, match="does not fit its base"):
        models.folder(adapter)


def test_a_quantised_model_has_its_layers_in_4_bits_and_answers(folder: Path, adapter: Path) -> None:
    from_package = pytest.importorskip("bitsandbytes")
    assert models.identify(f"{folder}#quantize=4bit") == f"{models.identify(folder)}#quantize=4bit"
    for reference in (f"{folder}#quantize=4bit", f"{adapter}#quantize=4bit"):
        engine = transformers.load(reference, Loading(runtime=CPU))
        held = [m for m in engine._model.modules() if isinstance(m, from_package.nn.Linear4bit)]
        assert len(held) == 2 * 7
        assert len(_texts(reference)) == 4


def test_without_bitsandbytes_nothing_is_loaded_unquantised(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"w2s-reasoning\[quantize\]"):
        transformers.load(f"{folder}#quantize=4bit", Loading(runtime=CPU))


def test_a_models_own_code_runs_only_if_asked_for(folder: Path, tmp_path: Path) -> None:
    own = shutil.copytree(folder, tmp_path / "own")
    code = {"AutoConfig": "code.C", "AutoModelForCausalLM": "code.M"}
    _edit(own / "config.json", model_type="of-its-own", auto_map=code)
    (own / "code.py").write_text(f"open({str(tmp_path / 'was-run')!r}, 'w')\n")
    with pytest.raises(UserError, match=r"code of its own(.|\n)*trust_remote_code=true"):
        transformers.load(own, Loading(runtime=CPU))
    assert not (tmp_path / "was-run").exists()
