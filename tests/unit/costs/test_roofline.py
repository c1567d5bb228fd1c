"""First estimates of time, by hand on a model and a device of round numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from w2s.config import load
from w2s.config.schema import Lora
from w2s.costs import roofline
from w2s.costs.devices import DEVICES, Device, find, named
from w2s.errors import UserError
from w2s.flow.work import Work
from w2s.models.architecture import Architecture

DEVICE = Device("X", 1e14, 1e13, 1e12, 80e9, "x")
MODEL = Architecture(10**9, {"num_hidden_layers": 10, "num_key_value_heads": 8, "head_dim": 64})
WORK = Work("strong", prompts=1000, prompt_characters=400_000, rows=1000, new_tokens=400)


def run(*overrides: str) -> Any:
    return load.load("tiny", ["dtype=bfloat16", "engine=vllm", *overrides])


def seconds(*overrides: str, device: Device = DEVICE, work: Work = WORK, workers: int = 1) -> float:
    made = run(*overrides)
    found = roofline.generation(work, MODEL, made.recipe, made.runtime, device, workers)
    assert found is not None
    return found


def test_a_generation_that_computes() -> None:
    """A token takes 2e9 / (0.35 * 1e14) = 57.14 us. 256 rows of 0.35 * 400 = 140 tokens go at once: 546.9 passes.

    Each takes 256 * 57.14 us = 14.63 ms and 10 layers' 0.2 ms; reading takes less: 2 GB of weights and 256 * (100 + 70)
    tokens of 20,480 bytes, 2.891 GB at 0.6 TB/s, are 4.82 ms. 60 s of start, 2 s of reading weights from the disk,
    100,000 tokens of prompts: 60 + 2 + 5.714 + 546.9 * 16.63 ms = 76.81.
    """
    assert seconds() == pytest.approx(60 + 2 + 5.7143 + 546.875 * (0.0146286 + 0.002), rel=1e-4)
    assert seconds(workers=4) == pytest.approx(
        60 + 2 + 5.7143 / 4 + 250 * 140 / 250 * (250 * 5.71429e-5 + 0.002), rel=1e-4
    )


def test_a_generation_that_reads() -> None:
    """A device that computes a hundred times as fast: 4.818 ms per pass of reading, beside 0.15 ms of computing."""
    fast = replace(DEVICE, bfloat16=1e16)
    read = (2e9 + 256 * 170 * 20_480) / 0.6e12
    assert seconds(device=fast) == pytest.approx(62 + 0.057143 + 546.875 * (read + 0.002), rel=1e-4)
    shared = seconds("runtime.tensor_parallel=2", device=fast)  # two devices read twice as fast
    assert shared == pytest.approx(62 + 0.0285714 + 546.875 * (read / 2 + 0.002), rel=1e-4)


def test_little_memory_means_few_rows() -> None:
    """2.4 GB: 0.9 of it less 2 GB of weights is 160 MB, 15 rows of 500 tokens of 20,480 bytes: 9333.3 passes."""
    small = seconds(device=replace(DEVICE, memory=2.4e9, bfloat16=1e16))
    read = (2e9 + 15 * 170 * 20_480) / 0.6e12
    assert small == pytest.approx(62 + 0.057143 + 1000 * 140 / 15 * (read + 0.002), rel=1e-4)


def test_a_batch_of_transformers_ends_with_its_longest_row() -> None:
    """4 GiB of keys and values hold 419 rows: 3 batches of 400 passes, 116.67 rows each on the mean."""
    passes, per_pass = 1200, 140_000 / 1200
    each = max(per_pass * 5.71429e-5, (2e9 + per_pass * 170 * 20_480) / 0.6e12) + 6e-4 * 10
    assert seconds("engine=transformers") == pytest.approx(10 + 2 + 5.7143 + passes * each, rel=1e-4)


def test_trainings() -> None:
    """1e6 tokens of a model of 1e9 parameters: 6e15 operations at 0.35e14 per second are 171.43 s; 10 s of start, 2 GB
    read and 4 GB written. Adapters: 4e15, and with gradient checkpointing 6e15 again. Float32: a tenth of the speed."""
    made, lora = run(), Lora(rank=8)
    checkpointing = run("runtime.gradient_checkpointing=true")

    def train(of: Any, work: Work, processes: int = 1) -> float | None:
        return roofline.training(10**6, MODEL, work, of.recipe, of.runtime, DEVICE, processes)

    assert train(made, Work("strong")) == pytest.approx(171.4286 + 16)
    assert train(made, Work("strong"), 2) == pytest.approx(171.4286 / 2 + 16)
    assert train(made, Work("strong", lora=lora)) == pytest.approx(114.2857 + 16)
    assert train(checkpointing, Work("strong", lora=lora)) == pytest.approx(171.4286 + 16)
    assert train(run("dtype=float32"), Work("strong")) == pytest.approx(1714.286 + 16)


def test_what_is_unknown_stays_unknown() -> None:
    made, unknown = run(), Architecture(None, {})
    assert roofline.generation(WORK, unknown, made.recipe, made.runtime, DEVICE) is None
    assert roofline.training(5, unknown, WORK, made.recipe, made.runtime, DEVICE) is None
    server = run("engine=scripted")
    assert roofline.generation(WORK, MODEL, server.recipe, server.runtime, DEVICE) is None


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "h100"), ("NVIDIA H100 PCIe", "h100-pcie"), ("NVIDIA H200", "h200"),
        ("NVIDIA A100-SXM4-40GB", "a100-40gb"), ("NVIDIA A100-PCIE-40GB", "a100-40gb"),
        ("NVIDIA A100-SXM4-80GB", "a100"),
        ("NVIDIA A100 80GB PCIe", "a100"), ("NVIDIA L40S", "l40s"), ("NVIDIA L4", "l4"), ("NVIDIA A10", "a10"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"), ("NVIDIA GeForce RTX 3090", "rtx-3090"), ("NVIDIA B200", "b200"),
    ],
)  # fmt: skip
def test_names_that_nvidia_smi_shows(shown: str, name: str) -> None:
    assert named(shown) is DEVICES[name]


def test_devices_that_are_not_known() -> None:
    assert [named(name) for name in ("Tesla T4", "NVIDIA L40", "NVIDIA A10G", "NVIDIA A1000")] == [None] * 4
    assert find("H100").source == "989 TFLOP/s in bfloat16, 3.35 TB/s"
    with pytest.raises(UserError, match="no device is called 'h10'"):
        find("h10")
