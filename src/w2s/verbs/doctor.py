"""`w2s doctor`: what this machine has and can run."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from w2s import models, preflight
from w2s.config import load
from w2s.config.schema import FilesTask, Recipe
from w2s.errors import UserError
from w2s.findings import Finding
from w2s.models import hub
from w2s.preflight import space
from w2s.preflight.machine import Machine, disk, look

BASE = ("pydantic", "pyyaml", "typer", "rich", "jinja2", "mpmath", "numpy")
EXTRAS = {
    "train": ("torch", "transformers", "peft", "safetensors"),
    "gguf": ("gguf",),
    "quantize": ("bitsandbytes",),
    "math": ("math-verify",),
    "hub": ("datasets",),
    "files": ("pyarrow", "zstandard"),
    "openai": ("openai",),
    "vllm": ("vllm",),
    "ray": ("ray",),
    "tensorboard": ("tensorboardX",),
    "wandb": ("wandb",),
    "trackio": ("trackio",),
    "mlflow": ("mlflow",),
    "trl": ("trl", "accelerate"),
}
CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16")

_GPUS = re.compile(r"\b(one|two|four|eight|\d+) GPUs? of \d+ GB")
"""In a preset's first words."""

Facts = list[tuple[str, str]]


def version(package: str) -> str | None:
    """The installed version, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def machine() -> Facts:
    """Python, processor, memory, accelerator and cache."""
    here = look()
    return [
        ("python", f"{platform.python_version()} ({sys.executable})"),
        ("system", f"{platform.system()} {platform.machine()}"),
        ("cpu flags", " ".join(flag for flag in CPU_FLAGS if flag in _cpu_flags()) or "none of " + " ".join(CPU_FLAGS)),
        ("threads", f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()}"),
        ("memory", _memory(here)),
        ("accelerator", _accelerator(here)),
        ("cache", _cache()),
    ]


def packages() -> Facts:
    """Versions of needed packages, then of each extra."""
    needed = dict.fromkeys((*BASE, *(package for extra in EXTRAS.values() for package in extra)))
    return [(package, version(package) or f"missing ({_source(package)})") for package in needed]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a preset can run here, and what of engine, GPU, models, data and disk it lacks, or fetches (`notes`)."""

    preset: str
    lacks: Facts
    notes: Facts

    @property
    def ready(self) -> bool:
        return not self.lacks


def readiness() -> list[Readiness]:
    """Per preset what it lacks here, and what it fetches when it is first used. Fetches nothing."""
    here = look()
    return [_ready(name, here) for name in load.names()]


def _ready(name: str, here: Machine) -> Readiness:
    run = load.load(name)
    lacks: Facts = []
    notes: Facts = []
    try:
        found = {field: models.find(getattr(run.recipe, field), offline=True) for field in ("weak", "strong")}
    except UserError as error:
        found = {}
        lacks.append(("models", _in_words(error)))
    job = preflight.Job(run.recipe.engine, True, run.runtime, found)
    refused = [finding for finding in preflight.of_job(job, here) if finding.refusal]
    lacks += [("GPU" if _of_devices(each) else "engine", _in_words(each)) for each in refused]
    if not here.gpus and (gpus := _GPUS.search(load.describe(name))):
        made_for = f"written for {gpus[0]}; there is none here"
        lacks = [fact for fact in lacks if fact[0] != "GPU"] + [("GPU", made_for)]
    fetched = list({fetch.model: fetch for fetch in space.fetches(found)}.values())
    total, free = sum(fetch.bytes or 0 for fetch in fetched), disk(hub.cache())[1]
    if fetched:
        notes.append(("models", f"fetches {' and '.join(map(_sized, fetched))} when first used"))
    if total > free:
        lacks.append(("disk", f"{space.size_of(total)} of models to fetch, and {space.size_of(free)} are free"))
    _data(run.recipe, lacks, notes)
    return Readiness(name, lacks, notes)


def _sized(fetch: space.Fetch) -> str:
    about = "" if fetch.exact else "about "
    return f"{fetch.model} ({'of unknown size' if fetch.bytes is None else about + space.size_of(fetch.bytes)})"


def _data(recipe: Recipe, lacks: Facts, notes: Facts) -> None:
    from w2s import tasks

    task = recipe.task
    if hub := tasks.from_hub(task):
        notes.append(("data", f"fetches {', '.join(hub)} of {task.name} from the hub when first used"))
    elif isinstance(task, FilesTask):
        given = {split: getattr(task, split) for split in ("train_1", "train_2", "test") if getattr(task, split)}
        gone = {split: file for split, file in given.items() if not Path(file).exists()}
        if gone:
            settings = " ".join(f"task.{split}=FILE" for split in gone)
            lacks.append(("data", f"there is no {', '.join(gone.values())} here: give {settings}"))
    else:
        try:
            tasks.prepare(task, recipe.limit)
        except UserError as error:
            lacks.append(("data", _in_words(error)))


def _of_devices(finding: Finding) -> bool:
    return "GPU" in finding.problem or "processes" in finding.problem or finding.field == "runtime.tensor_parallel"


def _in_words(of: Finding | UserError) -> str:
    return of.problem + (f": {of.hint}" if of.hint else "")


def _source(package: str) -> str:
    if package in BASE:
        return "base"
    return "pip install 'w2s-reasoning[" + next(extra for extra, names in EXTRAS.items() if package in names) + "]'"


def _cpu_flags() -> set[str]:
    try:
        match = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:  # not Linux
        return set()
    return set(match.group(1).split()) if match else set()


def _memory(here: Machine) -> str:
    if here.memory is None or here.free_memory is None:
        return "unknown"
    return f"{here.free_memory / 2**30:.1f} of {here.memory / 2**30:.1f} GiB free"


def _accelerator(here: Machine) -> str:
    named = ", ".join(f"{gpu.name} ({gpu.free / 2**30:.1f} of {gpu.total / 2**30:.1f} GiB free)" for gpu in here.gpus)
    if importlib.util.find_spec("torch") is None:
        return named or "unknown without torch"
    import torch

    if not torch.cuda.is_available():
        return f"none that torch can use (CUDA {here.torch_cuda}): {named}" if named else "none: runs on the CPU"
    return named or ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))


def _cache() -> str:
    folder = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    place = next(path for path in (folder, *folder.parents) if path.exists())
    return f"{folder} ({'writable' if os.access(place, os.W_OK) else 'NOT writable: set HF_HOME to another folder'})"
