"""A first time where nothing was measured: whose figures count, and where none is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from w2s import preflight, recipe
from w2s.cli import outlook
from w2s.config import load
from w2s.costs import plan as costs
from w2s.costs.plan import Assumptions
from w2s.preflight.machine import Gpu, Machine

LARGE = ["strong=Qwen/Qwen2.5-7B", "weak=Qwen/Qwen2.5-0.5B", "runtime.offline=true", "dtype=bfloat16", "engine=vllm",
         "training.lora.rank=16", "preference.lora.rank=16"]  # fmt: skip
NONE = Machine(memory=2**40, free_memory=2**40)


def made(tmp_path: Path, *overrides: str, machine: Machine = NONE, device: str | None = None, **figures: Any) -> Any:
    run = load.load("tiny", ["task.train_1=50", "task.train_2=80", "task.test=40", *overrides])
    steps = recipe.build(run, planning=True)
    plan = costs.plan(run, steps, tmp_path / "none", Assumptions(**figures))
    return preflight.examine(run, steps, plan, tmp_path / "none", machine, device=device, supposed=device is not None)


def times(plan: Any) -> list[str]:
    lines = outlook.lines(plan)
    first = next(number for number, line in enumerate(lines) if line.startswith("time"))
    last = next(number for number, line in enumerate(lines) if line.startswith("steps"))
    return [" ".join(line.split()) for line in lines[first:last]]


def test_without_a_gpu_an_h100_is_the_example(tmp_path: Path) -> None:
    plan = made(tmp_path, *LARGE)
    here, *there = times(plan)
    assert here == "time unknown: --speed-test measures it" and " on one H100: a first estimate, within a" in there[0]
    assert "factor of 2 to 3" in " ".join(there) and "989 TFLOP/s in bfloat16, 3.35 TB/s" in " ".join(there)
    assert plan.budget.seconds is None and not plan.first.here
    read = json.loads(json.dumps(plan.as_dict()["first_estimate"]))
    assert read["device"] == "H100" and read["seconds"] == plan.first.seconds > 60 and read["here"] is False


def test_the_gpu_that_is_here_counts_and_its_times_are_the_plans(tmp_path: Path) -> None:
    gpus = (Gpu("NVIDIA L40S", 46 * 2**30, 46 * 2**30),)
    plan = made(tmp_path, *LARGE, machine=Machine(gpus=gpus, torch_cuda="13.0", memory=2**40, free_memory=2**40))
    assert plan.first.device.title == "L40S" and plan.first.here and plan.budget.seconds == plan.first.seconds
    assert plan.budget.sources == {"estimated"}
    due = [step for step in plan.steps if step.work.model]
    assert sum(step.expected_seconds for step in due) == pytest.approx(plan.budget.seconds)
    unknown = (Gpu("Tesla T4", 2**34, 2**34),)
    other = made(tmp_path, *LARGE, machine=Machine(gpus=unknown, torch_cuda="13.0", memory=2**40, free_memory=2**40))
    assert other.first.device.title == "H100" and not other.first.here


def test_a_named_device_counts_with_its_memory(tmp_path: Path) -> None:
    """The strong model's training takes 4 bytes of each of 7.6e9 parameters, more than the 24 GB of an L4."""
    plan = made(tmp_path, *LARGE, device="l4")
    assert plan.first.here and plan.free_memory == 24 * 10**9
    assert any("and 1 L4 has 24 GB" in finding.problem for finding in plan.findings)
    assert times(plan)[0].endswith("on one L4: a first estimate, within a factor of 2 to 3,")
    assert not any("H100 has" in finding.problem for finding in made(tmp_path, *LARGE, device="h100").findings)


def test_known_rates_come_first(tmp_path: Path) -> None:
    rates = {"strong": 100.0, "weak": 100.0}
    assert made(tmp_path, *LARGE, tokens_per_second=rates, train_tokens_per_second=rates).first is None
    half = made(tmp_path, *LARGE, tokens_per_second=rates, device="h100")
    assert half.budget.sources == {"assumed", "estimated"}


def test_small_and_unknown_models_have_none(tmp_path: Path) -> None:
    """With few parameters a GPU waits for Python. Of models of unknown size nothing can be said."""
    assert made(tmp_path).first is None
    assert made(tmp_path, "strong=some/model", "runtime.offline=true", device="h100").first is None
