"""Libraries that a job needs."""

from __future__ import annotations

import pytest

from w2s import models
from w2s.config.schema import Lora, Recipe, Runtime, Training
from w2s.preflight import Job, software
from w2s.preflight.machine import Machine

TRAIN = {name: "9" for name in software.TRAINING}


def said(machine: Machine, engine: str | None = "transformers", trains: bool = True, **more: object) -> list[str]:
    job = Job(engine, trains, more.pop("runtime", Runtime()), more.pop("models", {}))  # type: ignore[arg-type]
    found = list(software.findings(job, machine))
    assert all(finding.refusal for finding in found)
    return [str(finding) for finding in found]


def test_only_what_is_done_needs_its_libraries() -> None:
    bare = Machine()
    assert said(bare, "scripted", trains=False) == [] == said(bare, None, trains=False)
    (one,) = said(bare, "scripted", trains=True)
    assert one.startswith("this needs torch, transformers, peft and safetensors, which are not installed")
    assert said(bare, "openai", trains=False) == [
        "[engine]: engine=openai needs openai and tenacity, which are not installed\n"
        "  hint: pip install 'w2s-reasoning[openai]'"
    ]
    assert said(Machine(versions=TRAIN)) == []


def test_a_version_below_the_bound() -> None:
    bounds = {"torch": ">=2.6", "vllm": ">=0.10", "openai": ">=1.60"}
    old = Machine(versions=TRAIN | {"torch": "2.5.1+cpu", "vllm": "0.9.2"}, bounds=bounds)
    assert said(old, "vllm") == [
        "torch 2.5.1+cpu is installed, and torch>=2.6 is needed\n  hint: pip install --upgrade 'w2s-reasoning[train]'",
        "[engine]: vllm 0.9.2 is installed, and vllm>=0.10 is needed\n"
        "  hint: pip install --upgrade 'w2s-reasoning[vllm]'",
    ]
    assert len(said(old)) == 1  # without vLLM its age does not matter
    new = Machine(versions=TRAIN | {"torch": "2.6.0", "vllm": "0.10.0+cpu"}, bounds=bounds)
    assert said(new, "vllm") == [] == said(Machine(versions=TRAIN | {"torch": ""}, bounds=bounds))


@pytest.mark.parametrize(
    ("version", "device", "refused"),
    [("0.11", "auto", 0), ("0.11", "cpu", 1), ("0.11", "cuda", 0), ("0.11+cpu", "cuda", 1), ("0.11+cpu", "cpu", 0)],
)
def test_the_build_of_vllm_fits_the_device(version: str, device: str, refused: int) -> None:
    found = said(Machine(versions=TRAIN | {"vllm": version}), "vllm", runtime=Runtime(device=device))
    assert len(found) == refused and all("the installed vLLM runs on" in each for each in found)


def test_models_in_four_bits_and_gguf_files_and_ray(tmp_path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    named = {"weak": models.find("w2s:tiny-weak#quantize=4bit"), "strong": models.find(str(tmp_path / "m.gguf"))}
    found = said(Machine(versions=TRAIN), models=named, runtime=Runtime(launcher="ray"))
    assert [each.split(",")[0] for each in found] == [
        "[runtime.launcher]: runtime.launcher=ray needs ray",
        "[weak]: quantize=4bit needs bitsandbytes",
        "[strong]: a GGUF file needs gguf",
    ]


def test_adapters_that_vllm_cannot_load() -> None:
    def found(rank: int, save: str, engine: str = "vllm") -> int:
        lora = Lora(rank=rank, save=save)  # type: ignore[arg-type]
        made = Recipe(name="x", task={"name": "arith"}, engine=engine, training=Training(lora=lora))  # type: ignore
        return len(list(software.adapters(made)))

    assert found(1024, "adapter") == 1
    assert found(512, "adapter") == found(1024, "merged") == found(1024, "adapter", "transformers") == 0
