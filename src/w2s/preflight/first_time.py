"""A first time for a plan on a machine without records and measurements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from w2s.config.schema import Run
from w2s.costs import devices, roofline
from w2s.costs import memory as costs
from w2s.costs.devices import Device
from w2s.costs.plan import Plan
from w2s.findings import Finding
from w2s.preflight import hardware
from w2s.preflight.machine import Machine
from w2s.preflight.space import size_of


def estimate(plan: Plan, run: Run, machine: Machine, device: str | None = None) -> Plan:
    """The plan with `first`; its own times are filled in where the device is here or was named.

    `device`: as `--device`; None: this machine's GPU, else `devices.REFERENCE`.

    Raises:
        UserError: an unknown device.
    """
    chosen, here = _device(run, machine, device)
    unknown = [cost for cost in plan.budget.costs if cost.seconds is None]
    if not unknown or not (device or roofline.applies(unknown, plan.budget)):
        return plan
    filled = roofline.times(plan.steps, plan.budget, run.recipe, run.runtime, chosen)
    if filled.seconds is None:
        return plan
    first = roofline.First(chosen, plan.budget.devices, filled.seconds, here)
    if not here:
        return replace(plan, first=first)
    rates = {(cost.model, cost.kind): cost.rate for cost in filled.costs if cost.rate is not None}
    steps = [
        replace(step, expected_seconds=step.expected_tokens / rates[step.work.model, step.kind].tokens_per_second)
        if step.expected_seconds is None and (step.work.model, step.kind) in rates
        else step
        for step in plan.steps
    ]
    return replace(plan, first=first, budget=filled, steps=steps)


def memory(plan: Plan, run: Run, device: str) -> Iterator[Finding]:
    """Notes where the memory of `device` is too small."""
    for cost in plan.budget.costs:
        shared, title = _shared(plan, run, cost.kind), devices.find(device).title
        room = shared * devices.find(device).memory
        if cost.memory_bytes is not None and cost.memory_bytes > room:
            what = "training" if cost.kind == "train" else "generation"
            yield Finding(
                f"{what} with the {cost.model} model may need {hardware.gibibytes(cost.memory_bytes)} of memory, and "
                f"{shared} {title} {'has' if shared == 1 else 'have'} {size_of(room)}",
                cost.model,
                hardware.LESS,
            )


def room(plan: Plan, run: Run, device: str) -> int | None:
    """Bytes of memory of the devices that hold the largest model; None: no model is loaded."""
    largest = max(plan.budget.costs, key=lambda cost: cost.memory_bytes or 0, default=None)
    return None if largest is None else int(devices.find(device).memory * _shared(plan, run, largest.kind))


def _shared(plan: Plan, run: Run, kind: str) -> int:
    return costs.shared_by(kind, run.runtime, plan.budget.devices)


def _device(run: Run, machine: Machine, device: str | None) -> tuple[Device, bool]:
    if device is not None:
        return devices.find(device), True
    gpus = () if hardware.elsewhere(run.runtime, machine) else hardware.used(run.runtime, machine)
    known = devices.named(gpus[0].name) if gpus else None
    return known or devices.DEVICES[devices.REFERENCE], known is not None
