"""Folders with an adapter: how they are written, and how training goes on from them."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from w2s import models
from w2s.config.schema import Lora, Preference, Runtime, Training
from w2s.errors import UserError
from w2s.models import adapters, parity
from w2s.records import Example
from w2s.records import Preference as Pair
from w2s.training import checkpoint, preference, sft
from w2s.training.setup import Setup

EXAMPLES = [Example(f"q{i}", f"{i} + {i} ->", " " + "ab " * (i % 4) + str(2 * i)) for i in range(10)]
PAIRS = [Pair(f"q{i}", f"{i} + {i} ->", " " + "ab " * (i % 3) + str(2 * i), f" {i}{i}") for i in range(9)]
SETTINGS = {"learning_rate": 1e-2, "epochs": 2, "batch_size": 4, "warmup_ratio": 0.0, "max_length": 96}
ADAPTER, MERGED = Lora(rank=4, save="adapter"), Lora(rank=4)


def fine_tune(base: Path, out: Path, lora: Lora | None, **settings):
    return sft.train(base, EXAMPLES, out, Training(lora=lora, **SETTINGS | settings), Setup(seed=5))


def optimise(policy: Path, out: Path, lora: Lora | None, cache: Path | None = None, loss="dpo", **settings):
    config = Preference(lora=lora, **SETTINGS | {"learning_rate": 1e-3} | settings)
    return preference.train(policy, PAIRS, out, config, Setup(seed=5), loss, reference_cache=cache)


def digest(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def copy(folder: Path, out: Path) -> Path:
    out.mkdir(parents=True)
    for path in folder.iterdir():
        (out / path.name).write_bytes(path.read_bytes())
    return out


@pytest.fixture(scope="module")
def adapter(base, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    fine_tune(base, folder, ADAPTER)
    return folder


@pytest.fixture(scope="module")
def merged(base, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("merged")
    fine_tune(base, folder, MERGED)
    return folder


def test_the_folder_of_an_adapter_holds_it_its_base_and_the_tokenizer(base, adapter, tmp_path):
    assert {path.name for path in adapter.iterdir()} == {
        adapters.CONFIG, adapters.WEIGHTS, parity.FILE, "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    assert adapters.split(adapter) == (str(base.resolve()), adapter)
    targets = adapters.read(adapter)["target_modules"]
    assert targets == sorted(ADAPTER.targets)
    fine_tune(base, tmp_path, ADAPTER)
    assert digest(tmp_path) == digest(adapter)


def test_the_base_with_the_adapter_is_the_merged_model(base, adapter, merged):
    from transformers import AutoModelForCausalLM

    found = adapters.merge(AutoModelForCausalLM.from_pretrained(base), adapter).state_dict()
    for name, tensor in load_file(merged / "model.safetensors").items():
        torch.testing.assert_close(found[name], tensor)


@pytest.mark.parametrize("save", ["adapter", "merged"])
def test_stage_2_trains_the_adapter_on_and_its_reference_is_the_policy(base, adapter, tmp_path, save):
    """Nothing has moved before the first step: every margin is 0, the loss ln 2."""
    before = digest(adapter)
    result = optimise(adapter, tmp_path, Lora(rank=4, save=save))
    assert result.margin_first == pytest.approx(0, abs=1e-5)
    assert result.loss_first == pytest.approx(math.log(2), abs=1e-5)
    assert result.margin_last > result.margin_first
    assert digest(adapter) == before
    if save == "merged":
        assert (tmp_path / "model.safetensors").is_file() and not (tmp_path / adapters.CONFIG).exists()
        return
    assert adapters.split(tmp_path) == (str(base.resolve()), tmp_path)
    was, now = load_file(adapter / adapters.WEIGHTS), load_file(tmp_path / adapters.WEIGHTS)
    assert was.keys() == now.keys() and not any(torch.equal(was[name], now[name]) for name in was)


def test_trained_on_it_is_the_same_model_as_a_fresh_adapter_started_from_the_policy_would_see(
    adapter, merged, tmp_path
):
    """Its log-probabilities of the chosen completions before the first step are those of the merged policy."""
    first = optimise(adapter, tmp_path / "on", ADAPTER).chosen_logp_first
    assert first == pytest.approx(optimise(merged, tmp_path / "fresh", MERGED).chosen_logp_first, rel=1e-5)


def test_on_a_merged_policy_there_is_a_fresh_adapter(merged, tmp_path):
    result = optimise(merged, tmp_path, Lora(rank=2, save="adapter"))
    assert result.loss_first == pytest.approx(math.log(2), abs=1e-5)
    assert adapters.split(tmp_path) == (str(merged.resolve()), tmp_path)
    assert adapters.read(tmp_path)["r"] == 2


@pytest.mark.parametrize(
    ("lora", "said"),
    [
        (Lora(rank=2), "rank 4 there and 2 here"),
        (Lora(rank=4, alpha=4), "alpha 16 there and 4 here"),
        (Lora(rank=4, targets=("q_proj",)), "targets .* here"),
    ],
)
def test_another_adapter_than_the_one_there_is_refused(adapter, tmp_path, lora, said):
    with pytest.raises(UserError, match=rf"(?s){said}.*lora\.save=merged"):
        optimise(adapter, tmp_path / "out", lora)
    assert not (tmp_path / "out").exists()


def test_full_training_from_an_adapter_merges_it_first(adapter, merged, tmp_path):
    found, expected = (fine_tune(start, tmp_path / start.name, None) for start in (adapter, merged))
    assert found.curve == pytest.approx(expected.curve, abs=1e-4)
    assert (tmp_path / adapter.name / "model.safetensors").is_file()


def test_the_reference_of_an_adapter_is_kept_by_its_files_and_its_base(adapter, tmp_path):
    cache = tmp_path / "cache"
    first = optimise(adapter, tmp_path / "a", ADAPTER, cache)
    again = optimise(adapter, tmp_path / "b", ADAPTER, cache, beta=0.5)
    assert len(list(cache.iterdir())) == 1 and again.chosen_logp_first == first.chosen_logp_first
    optimise(tmp_path / "a", tmp_path / "c", ADAPTER, cache)
    assert len(list(cache.iterdir())) == 2


def test_the_identity_of_an_adapter_is_of_its_files_and_its_base(base, adapter, tmp_path):
    same = copy(adapter, tmp_path / "same")
    assert models.identify(same) == models.identify(adapter)
    other_base, moved = copy(base, tmp_path / "base"), copy(adapter, tmp_path / "moved")
    config = adapters.read(moved) | {"base_model_name_or_path": str(other_base)}
    (moved / adapters.CONFIG).write_text(json.dumps(config))
    before = models.identify(moved)
    (other_base / "generation_config.json").write_text("{}")
    assert models.identify(moved) != before


def test_collapse_is_an_error_and_a_limit_of_none_trains_on(base, tmp_path):
    settings = {"learning_rate": 0.3, "epochs": 6}
    with pytest.raises(UserError, match=r"max_chosen_drop.*lost"):
        optimise(base, tmp_path / "stopped", None, **settings)
    assert not (tmp_path / "stopped").exists()
    result = optimise(base, tmp_path / "on", None, max_chosen_drop=None, **settings)
    assert result.chosen_drop_most > 1


def test_an_adapter_over_a_hub_s_model_is_trained_on_without_the_hub(base, adapter, tmp_path, monkeypatch):
    """PEFT keeps the base by the name that it had; read again after training, that would be asked for once more."""
    import huggingface_hub

    snapshot = tmp_path / "hub" / "models--owner--name" / "snapshots" / "abc"
    copy(base, snapshot)
    refs = tmp_path / "hub" / "models--owner--name" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub, "HfApi", None)  # whoever asks fails
    fetched = lambda *_, local_files_only, **__: str(snapshot) if local_files_only else None  # noqa: E731
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetched)
    named = copy(adapter, tmp_path / "named")
    config = adapters.read(named) | {"base_model_name_or_path": "owner/name"}
    (named / adapters.CONFIG).write_text(json.dumps(config))
    settings = Training(lora=ADAPTER, **SETTINGS | {"epochs": 1})
    runtime = Runtime(device="cpu", offline=True)
    sft.train(named, EXAMPLES, tmp_path / "on", settings, Setup(seed=5, runtime=runtime))
    assert adapters.split(tmp_path / "on") == (str(snapshot.resolve()), tmp_path / "on")


def test_pickled_weights_are_not_read_whatever_lies_beside_them(base, tokenizer, tmp_path):
    """The pickle holds all that the model needs, so reading it would succeed."""
    folder = copy(base, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").rename(folder / "values.safetensors")
    with pytest.raises(UserError, match=r"no file named model\.safetensors"):
        checkpoint.load_model(folder, tokenizer)
    with pytest.raises(UserError, match="only pickled weights"):
        models.resolve(folder)
