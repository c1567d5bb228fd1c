"""Which presets can run on a machine, and what each other still needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from w2s.errors import EXTRAS
from w2s.preflight.machine import Gpu, Machine
from w2s.verbs import doctor

BARE = Machine(versions=dict.fromkeys({*EXTRAS} - {"vllm"}, ""), cpus=2)
LARGE = Machine(
    versions=dict.fromkeys(EXTRAS, ""), cpus=64, gpus=(Gpu("A", 80 * 2**30, 79 * 2**30),) * 8,
    driver_cuda="13.0", torch_cuda="12.8",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without files, no cache of models, and a disk with 200 GB free."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("W2S_CACHE", str(tmp_path / "models"))
    monkeypatch.setattr(doctor, "disk", lambda place: (1, 200 * 10**9))
    monkeypatch.delenv("W2S_WORD_PROBLEMS", raising=False)


def on(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> dict[str, doctor.Readiness]:
    monkeypatch.setattr(doctor, "look", lambda: machine)
    return {each.preset: each for each in doctor.readiness()}


def test_a_bare_machine_can_run_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    found = on(BARE, monkeypatch)
    assert found["tiny"].ready and not found["tiny"].notes
    assert found["smollm2-gsm8k"].ready
    kinds = [kind for kind, _ in found["smollm2-gsm8k"].notes]
    assert kinds == ["models", "data"]


def test_each_thing_that_is_missing_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    large = on(BARE, monkeypatch)["gsm8k-llama2-7b-to-llama2-70b"]
    lacks = dict(large.lacks)
    assert not large.ready and [kind for kind, _ in large.lacks] == ["engine", "GPU", "data"]
    assert lacks["engine"].endswith("pip install 'w2s-reasoning[vllm]'")
    assert lacks["GPU"] == "written for 8 GPUs of 80 GB; there is none here"
    assert "task.train_1=FILE task.train_2=FILE task.test=FILE" in lacks["data"]
    (models,) = [text for kind, text in large.notes if kind == "models"]
    pair = "meta-llama/Llama-2-7b-hf (about 13.5 GB) and meta-llama/Llama-2-70b-hf (about 138 GB)"
    assert models == f"fetches {pair} when first used"


def test_room_for_models_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "disk", lambda place: (1, 10**9))
    assert dict(on(BARE, monkeypatch)["gsm8k-qwen2.5-0.5b-to-7b"].lacks)["disk"] == (
        "16.2 GB of models to fetch, and 1 GB are free"
    )


def test_with_gpus_engine_and_files_a_large_preset_is_ready(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert dict(on(LARGE, monkeypatch)["gsm8k-8gpu-lora"].lacks).keys() == {"data"}
    for split in ("train_1", "train_2", "test"):
        (tmp_path / f"{split}.jsonl").touch()
    assert on(LARGE, monkeypatch)["gsm8k-8gpu-lora"].ready
