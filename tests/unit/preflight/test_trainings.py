"""Trainings that cannot work are refused while the graph is built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from w2s import models, recipe
from w2s.config import load
from w2s.config.schema import Lora
from w2s.errors import UserError
from w2s.models import adapters
from w2s.preflight import trainings

SMALL = ("task.train_1=5", "task.train_2=5", "task.test=5")


def copied(out: Path, **changes: dict[str, Any] | None) -> Path:
    """The weak model's folder; each change adds to a JSON file, or takes it away."""
    out.mkdir()
    for path in models.folder("w2s:tiny-weak").iterdir():
        (out / path.name).write_bytes(path.read_bytes())
    for name, change in changes.items():
        file = out / f"{name}.json"
        if change is None:
            file.unlink(missing_ok=True)
        else:
            file.write_text(json.dumps((json.loads(file.read_text()) if file.is_file() else {}) | change))
    return out


def test_what_is_shipped_passes() -> None:
    for reference in models.shipped():
        trainings.check(models.find(reference), Lora())


@pytest.mark.parametrize("reference", ["scripted:a:b", "owner/name-that-is-not-here"])
def test_what_is_not_on_this_machine_is_left_to_training(reference: str) -> None:
    trainings.check(models.find(reference), Lora(targets=("nothing",)))


@pytest.mark.parametrize("target", ["qkv_proj", "lm_head", "embed_tokens", "proj", "input_layernorm"])
def test_targets_that_match_no_layer_are_refused_by_the_headers_alone(target: str) -> None:
    with pytest.raises(UserError, match=rf"(?s)no layer that can be adapted: {target}\n.*down_proj, gate_proj"):
        trainings.check(models.find("w2s:tiny-weak"), Lora(targets=("q_proj", target)))
    trainings.check(models.find("w2s:tiny-weak"), Lora(targets=("q_proj", "mlp.up_proj")))


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"tokenizer_config": {"eos_token": None}}, True),  # the class has none of its own, whatever config.json says
        ({"tokenizer_config": {"eos_token": None}, "special_tokens_map": {"eos_token": "<eos>"}}, False),
        ({"tokenizer_config": {"eos_token": None, "tokenizer_class": "LlamaTokenizer"}}, False),
        (
            {
                "tokenizer_config": {"eos_token": None, "tokenizer_class": "LlamaTokenizer"},
                "config": {"eos_token_id": None},
                "generation_config": None,
            },
            True,
        ),
        ({"tokenizer_config": {"eos_token": {"content": "<eos>"}}}, False),
    ],
)
def test_a_tokenizer_without_eos_is_refused(tmp_path: Path, changes: dict[str, Any], refused: bool) -> None:
    folder = copied(tmp_path / "model", **changes)
    if not refused:
        trainings.check(models.find(str(folder)), None)
        return
    with pytest.raises(UserError, match=r"\[eos_token\].*could not learn to stop"):
        trainings.check(models.find(str(folder)), None)


def test_a_model_with_code_of_its_own_is_not_trained_even_if_that_code_is_trusted(tmp_path: Path) -> None:
    """An auto_map alone says nothing: models that transformers has taken up keep theirs."""
    code = {"AutoModelForCausalLM": "own.Model"}
    taken_up = copied(tmp_path / "taken up", config={"auto_map": code})
    trainings.check(models.find(str(taken_up)), None)
    own = copied(tmp_path / "own", config={"auto_map": code, "model_type": "of-its-own"})
    with pytest.raises(UserError, match=r"of-its-own(.|\n)*training runs no other code"):
        recipe.build(load.load("tiny", [*SMALL, f"strong={own}", "trust_remote_code=true"]))


def test_a_run_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    mute = copied(tmp_path / "model", tokenizer_config={"eos_token": None})
    for change, message in (
        ([f"weak={mute}"], "no end-of-sequence token"),
        (["training.lora.targets=[qkv]"], "lora.targets.*qkv"),
        (["preference.lora.targets=[qproj]"], "lora.targets.*qproj"),
        (["preference.lora.rank=8", "training.lora.save=adapter", "training.lora.rank=4"], "rank 4 there and 8 here"),
        (["preference.lora.alpha=8", "training.lora.save=adapter"], "alpha 16 there and 8 here"),
    ):
        with pytest.raises(UserError, match=message):
            recipe.build(load.load("tiny", [*SMALL, *change]))


@pytest.mark.parametrize(
    "change",
    [
        ["preference.lora.rank=8", "training.lora.rank=4"],  # merged: a fresh adapter
        ["training.lora.save=adapter", "preference.lora.save=adapter"],
        ["training.lora.save=adapter"],  # Stage II trains every parameter of the merged policy
    ],
)
def test_what_can_go_on_is_let_through(change: list[str]) -> None:
    assert recipe.build(load.load("tiny", [*SMALL, *change]))


def test_an_adapter_s_folder_is_judged_by_its_base_and_its_own_rank(tmp_path: Path) -> None:
    base = copied(tmp_path / "model")
    folder = tmp_path / "adapter"
    folder.mkdir()
    config = {"base_model_name_or_path": str(base), "r": 4, "lora_alpha": 16, "target_modules": ["q_proj"]}
    (folder / adapters.CONFIG).write_text(json.dumps(config))
    (folder / adapters.WEIGHTS).write_bytes(b"")
    trainings.check(models.find(str(folder)), Lora(rank=4, targets=("q_proj",)))
    with pytest.raises(UserError, match="rank 4 there and 8 here"):
        trainings.check(models.find(str(folder)), Lora(targets=("q_proj",)))
    trainings.check(models.find(str(folder)), None)
    (base / "tokenizer_config.json").write_text("{}")
    (base / "config.json").write_text("{}")
    (base / "generation_config.json").unlink()
    with pytest.raises(UserError, match="no end-of-sequence token"):
        trainings.check(models.find(str(folder)), None)


def test_a_tokenizer_with_code_of_its_own_is_refused_before_a_run(tmp_path: Path) -> None:
    code = {"auto_map": {"AutoTokenizer": ["own.Own", None]}, "tokenizer_class": "OwnTokenizer"}
    own = copied(tmp_path / "own", tokenizer_config=code)
    with pytest.raises(UserError, match=r"own: runs Python code of its own, and training runs no code"):
        trainings.check(models.find(str(own)), None)


def test_a_model_s_own_code_is_not_run_unless_it_is_trusted(tmp_path: Path) -> None:
    trainings.own_code(models.find("w2s:tiny-weak"), trusted=False)
    taken_up = copied(tmp_path / "taken up", config={"auto_map": {"AutoModelForCausalLM": "own.Model"}})
    trainings.own_code(models.find(str(taken_up)), trusted=False)
    own = copied(tmp_path / "own", config={"auto_map": {"AutoModelForCausalLM": "own.Model"}, "model_type": "its-own"})
    with pytest.raises(UserError, match=r"own \[trust_remote_code\]: runs Python code of its own(.|\n)*read that code"):
        trainings.own_code(models.find(str(own)), trusted=False)
    trainings.own_code(models.find(str(own)), trusted=True)


def test_a_quantised_base_is_not_sharded() -> None:
    quantised = [*SMALL, "strong=w2s:tiny-strong#quantize=4bit", "runtime.sharding=fsdp"]
    lora = ["training.lora.rank=2", "preference.lora.rank=2"]
    with pytest.raises(UserError, match=r"\[runtime.sharding\]: the base is quantised"):
        recipe.build(load.load("tiny", [*quantised, *lora]))
