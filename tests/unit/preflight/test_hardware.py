"""Devices that a job needs."""

from __future__ import annotations

from typing import Any

import pytest

from w2s.config.schema import Runtime
from w2s.preflight import Job, hardware
from w2s.preflight.machine import Gpu, Machine

GPU = Gpu("A", 80 * 2**30, 70 * 2**30)
GPUS = Machine(versions={"torch": "2", "vllm": "0.11"}, gpus=(GPU,) * 2, driver_cuda="12.4", torch_cuda="12.8", cpus=8)


def said(machine: Machine, engine: str = "transformers", **runtime: Any) -> list[tuple[bool, str | None]]:
    job = Job(engine, True, Runtime(**runtime), {})
    return [(finding.refusal, finding.field) for finding in hardware.findings(job, machine)]


def test_a_gpu_where_one_is_needed() -> None:
    none = Machine(versions={"torch": "2", "vllm": "0.11"})
    assert said(none) == [] and said(none, device="cuda") == [(True, "runtime.device")]
    assert said(none, "vllm") == [(True, "engine")]
    assert said(Machine(versions={"torch": "2", "vllm": "0.11+cpu"}), "vllm") == []
    assert said(GPUS, "vllm", tensor_parallel=2) == []
    assert said(GPUS, "vllm", tensor_parallel=3) == [(True, "runtime.tensor_parallel")]
    assert hardware.findings(Job("scripted", False, Runtime(device="cuda"), {}), none) is not None
    assert not list(hardware.findings(Job("scripted", False, Runtime(device="cuda"), {}), none))


@pytest.mark.parametrize(
    ("driver", "torch", "unusable"),
    [("12.4", "12.8", False), ("11.8", "12.8", True), ("13.0", "12.8", False), ("12.4", None, True),
     (None, "12.8", False)],
)  # fmt: skip
def test_the_driver_fits_torch(driver: str | None, torch: str | None, unusable: bool) -> None:
    """A driver runs what was built for its major version of CUDA, and for earlier ones."""
    machine = Machine(versions={"torch": "2"}, gpus=(GPU,), driver_cuda=driver, torch_cuda=torch)
    assert said(machine) == ([(False, "runtime.device")] if unusable else [])
    assert said(machine, device="cuda") == ([(True, "runtime.device")] if unusable else [])
    assert hardware.used(Runtime(), machine) == (() if unusable else (GPU,))
    assert hardware.used(Runtime(device="cpu"), machine) == ()


def test_ray_on_this_machine_has_room() -> None:
    ray = {"launcher": "ray"}
    assert said(GPUS, train_workers=2, **ray) == [] and said(GPUS, train_workers=3, **ray) != []
    assert said(GPUS, train_workers=8, device="cpu", **ray) == []  # eight CPUs
    assert said(GPUS, train_workers=9, address="there:1", **ray) == [(False, "runtime.address")]
