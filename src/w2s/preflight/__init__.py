"""What can be known before anything is computed: one look for `run`, `plan`, `sample`, `train` and `doctor`.

What makes a recipe unusable on every machine is refused while its steps are built. Here is the rest: libraries,
devices, memory, disks, and what is fetched. The checks are functions of facts; `machine` and `space.places` read these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from w2s.config.schema import Run
from w2s.costs.plan import Plan
from w2s.findings import Finding
from w2s.flow.step import Step, ordered
from w2s.preflight import first_time, hardware, machine, roles, software, space
from w2s.preflight.machine import Machine
from w2s.preflight.software import Job as Job


def examine(
    run: Run,
    steps: Sequence[Step],
    plan: Plan,
    folder: Path,
    here: Machine | None = None,
    *,
    supposed: bool = False,
    device: str | None = None,
) -> Plan:
    """The plan with all findings, refusals first, and what is free. Computes, fetches and writes nothing.

    `here` None: this machine is looked at. `supposed`: sizes of models or devices are the user's, so that too little
    memory or disk is noted only. A plan in which nothing runs has no finding. `device`: as `first_time.estimate`; its
    memory counts then, and not this machine's.
    """
    due = {step.name for step in plan.steps if step.decision in ("run", "rerun")}
    running = [step for step in ordered(steps) if step.name in due]
    if not running:
        return plan
    here = here or machine.look()
    kinds = {step.kind for step in running}
    engine = run.recipe.engine if "generate" in kinds else None
    trl = run.recipe.trl if run.recipe.trainer == "trl" else None
    job = Job(engine, "train" in kinds, run.runtime, roles.models(run, running), trl)
    fetched = space.fetches(job.models)
    found = [finding for step in steps for finding in getattr(step.resources, "findings", ())]
    found += of_job(job, here)
    found += roles.without_weights(run, running)
    found += software.adapters(run.recipe)
    found += software.trackers(run.runtime, here)
    found += space.unwritable(folder, fetched)
    if device is None:
        sizes = [*hardware.too_little_memory(plan.budget, run.runtime, here)]
        free = hardware.free(run.runtime, plan.budget, here)
    else:
        sizes = [*first_time.memory(plan, run, device)]
        free = first_time.room(plan, run, device)
    sizes += space.findings(folder, plan.disk, fetched, space.places(folder, fetched))
    found += [replace(finding, refusal=finding.refusal and not supposed) for finding in sizes]
    found += space.not_here(fetched)
    return replace(
        first_time.estimate(plan, run, here, device),
        findings=sorted(found, key=lambda finding: not finding.refusal),
        fetched=sum(fetch.bytes or 0 for fetch in fetched),
        free_disk=machine.disk(folder)[1],
        free_memory=free,
    )


def of_job(job: Job, here: Machine | None = None) -> list[Finding]:
    """What concerns libraries and devices. A job that loads nothing needs none."""
    if not job.loads and job.engine != "openai":
        return []
    here = here or machine.look()
    return [*software.findings(job, here), *hardware.findings(job, here)]
