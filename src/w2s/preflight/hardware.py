"""GPUs, driver and memory that a run needs."""

from __future__ import annotations

from collections.abc import Iterator

from w2s.config.schema import Runtime
from w2s.costs import memory
from w2s.costs.budget import Budget, Cost
from w2s.errors import UserError
from w2s.findings import Finding, refusal
from w2s.flow import capacity
from w2s.preflight.machine import Gpu, Machine
from w2s.preflight.software import Job

LESS = (
    "use a smaller model, adapters (training.lora.rank=8), dtype=bfloat16, or more devices (runtime.launcher=ray "
    "runtime.train_workers=N runtime.sharding=fsdp)"
)


def findings(job: Job, machine: Machine) -> Iterator[Finding]:
    """Refusals and notes on devices."""
    if not job.loads:
        return
    if elsewhere(job.runtime, machine):
        yield Finding("GPUs, memory and libraries of the cluster's nodes are not looked at", "runtime.address")
        return
    yield from _devices(job, machine)
    if job.runtime.launcher == "ray":
        yield from _cluster(job, machine)


def too_little_memory(budget: Budget, runtime: Runtime, machine: Machine) -> Iterator[Finding]:
    """Refusals where a model surely does not fit, notes where it may not."""
    if elsewhere(runtime, machine):
        return
    for cost in budget.costs:
        yield from _memory(cost, runtime, budget.devices, machine)


def elsewhere(runtime: Runtime, machine: Machine) -> bool:
    """Whether the work is done on a cluster that runs already, perhaps on other machines."""
    return runtime.launcher == "ray" and (runtime.address or machine.cluster) is not None


def used(runtime: Runtime, machine: Machine) -> tuple[Gpu, ...]:
    """The GPUs of this machine that a run may use."""
    return () if runtime.device == "cpu" or machine.torch_cuda is None or _old_driver(machine) else machine.gpus


def _devices(job: Job, machine: Machine) -> Iterator[Finding]:
    runtime, version = job.runtime, machine.versions.get("vllm")
    vllm_on_gpus = job.engine == "vllm" and version is not None and "+cpu" not in version
    needed = runtime.tensor_parallel if vllm_on_gpus and runtime.launcher == "local" else 1
    if runtime.device == "cpu":
        return
    if not machine.gpus:
        if runtime.device == "cuda" or vllm_on_gpus:
            yield Finding(
                "there is no GPU that CUDA may use" + (", and the installed vLLM needs one" if vllm_on_gpus else ""),
                "engine" if runtime.device != "cuda" else "runtime.device",
                "use runtime.device=cpu and engine=transformers, or see nvidia-smi and CUDA_VISIBLE_DEVICES",
                refusal=True,
            )
        return
    if needed > len(machine.gpus):
        yield Finding(
            f"{needed} GPUs are to share a model, and there are {len(machine.gpus)}",
            "runtime.tensor_parallel",
            expected=f"at most {len(machine.gpus)}",
            refusal=True,
        )
    unusable = (
        "the installed torch is a build for CPUs"
        if machine.torch_cuda is None
        else f"the driver knows CUDA {machine.driver_cuda}, and torch is built for {machine.torch_cuda}"
        if _old_driver(machine)
        else ""
    )
    if unusable and "torch" in machine.versions:
        must = runtime.device == "cuda" or vllm_on_gpus
        yield Finding(
            f"{unusable}, so the GPU is not used" if not must else unusable,
            "runtime.device",
            "install a torch that fits the driver (https://pytorch.org/get-started), or a newer driver",
            refusal=must,
        )


def _old_driver(machine: Machine) -> bool:
    """Whether the driver is older than torch's CUDA; within one major version any driver works (NVIDIA)."""
    if machine.driver_cuda is None or machine.torch_cuda is None:
        return False
    return int(machine.driver_cuda.partition(".")[0]) < int(machine.torch_cuda.partition(".")[0])


def _cluster(job: Job, machine: Machine) -> Iterator[Finding]:
    """What Ray on this machine alone has no room for."""
    runtime = job.runtime
    nodes, cpus, gpus = [{"CPU": machine.cpus, "GPU": len(machine.gpus)}], max(1, runtime.threads), len(machine.gpus)
    on_gpus = runtime.device != "cpu" and (gpus > 0 or runtime.tensor_parallel > 1)
    try:
        if job.trains:
            capacity.require(nodes, runtime.train_workers, cpus, int(gpus > 0 and runtime.device != "cpu"))
        if job.engine in ("transformers", "vllm"):
            capacity.require(nodes, 1, cpus, runtime.tensor_parallel if on_gpus else 0)
    except UserError as error:
        yield refusal(error)


def free(runtime: Runtime, budget: Budget, machine: Machine) -> int | None:
    """Free bytes of memory where the largest model will be; None: unknown, or another machine's."""
    if elsewhere(runtime, machine):
        return None
    largest = max(budget.costs, key=lambda cost: cost.memory_bytes or 0, default=None)
    if largest is None:
        return machine.free_memory
    return _memory_of(largest, runtime, budget.devices, machine)[2]


def _memory_of(cost: Cost, runtime: Runtime, devices: int, machine: Machine) -> tuple[str, int | None, int | None]:
    """(where, bytes in all, bytes that are free)."""
    gpus = used(runtime, machine)[: memory.shared_by(cost.kind, runtime, devices)]
    if not gpus:
        return "this machine", machine.memory, machine.free_memory
    where = "the GPU" if len(gpus) == 1 else f"{len(gpus)} GPUs"
    return where, sum(gpu.total for gpu in gpus), sum(gpu.free for gpu in gpus)


def _memory(cost: Cost, runtime: Runtime, devices: int, machine: Machine) -> Iterator[Finding]:
    if cost.memory_bytes is None or cost.least_bytes is None:
        return
    where, total, free = _memory_of(cost, runtime, devices, machine)
    what = f"{'training' if cost.kind == 'train' else 'generation'} with the {cost.model} model"
    if total is not None and cost.least_bytes > total:
        yield Finding(
            f"{what} needs at least {gibibytes(cost.least_bytes)} of memory, and {where} has {gibibytes(total)}",
            cost.model,
            LESS,
            refusal=True,
        )
    elif free is not None and cost.memory_bytes > free:
        yield Finding(
            f"{what} may need {gibibytes(cost.memory_bytes)} of memory, and {gibibytes(free)} are free on {where}",
            cost.model,
            LESS,
        )


def gibibytes(number: float) -> str:
    """As 3.2 GiB."""
    return f"{number / 2**30:,.1f} GiB"
