"""What this machine has: packages, GPUs, memory, disks. Imports nothing heavy."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from w2s.errors import EXTRAS

SECONDS = 20
"""For nvidia-smi; a machine with many GPUs takes some."""

_DISTRIBUTION = "w2s-reasoning"


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU and its memory in bytes."""

    name: str
    total: int
    free: int


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine's facts; None: unknown.

    Args:
        versions: of the installed libraries among `errors.EXTRAS`.
        bounds: what this package needs of them, as ">=2.6".
        gpus: those that CUDA may use.
        driver_cuda: the driver's CUDA version.
        torch_cuda: that torch was built for; None: for CPUs.
        memory: bytes of main memory and swap, in all.
        free_memory: of these, free.
        cluster: the address of a running Ray cluster (RAY_ADDRESS).
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    bounds: Mapping[str, str] = field(default_factory=dict)
    gpus: tuple[Gpu, ...] = ()
    driver_cuda: str | None = None
    torch_cuda: str | None = None
    memory: int | None = None
    free_memory: int | None = None
    cpus: int = 1
    cluster: str | None = None


def look() -> Machine:
    """This machine."""
    smi = _nvidia_smi()
    total, free = _memory()
    return Machine(
        versions={library: version for library in EXTRAS if (version := installed(library)) is not None},
        bounds=_bounds(),
        gpus=visible(_gpus(smi[0]), os.environ.get("CUDA_VISIBLE_DEVICES")),
        driver_cuda=smi[1],
        torch_cuda=_torch_cuda(),
        memory=total,
        free_memory=free,
        cpus=os.cpu_count() or 1,
        cluster=os.environ.get("RAY_ADDRESS") or None,
    )


def installed(library: str) -> str | None:
    """The version of a library, "" if it is not on record; None: not installed."""
    if importlib.util.find_spec(library) is None:
        return None
    try:
        return metadata.version(library.replace("_", "-"))
    except metadata.PackageNotFoundError:
        return ""


def visible(gpus: Mapping[str, Gpu], devices: str | None) -> tuple[Gpu, ...]:
    """The GPUs, by UUID, that CUDA_VISIBLE_DEVICES leaves."""
    if devices is None:
        return tuple(gpus.values())
    left = []
    for name in (part.strip() for part in devices.split(",")):
        by_number = list(gpus.values())[int(name)] if name.isdigit() and int(name) < len(gpus) else None
        gpu = by_number or next((gpu for uuid, gpu in gpus.items() if name and uuid.startswith(name)), None)
        if gpu is None and not name.startswith("MIG-"):  # CUDA stops at the first that it does not know
            break
        left += [gpu or next(iter(gpus.values()))] if gpus else []
    return tuple(left)


def existing(place: Path) -> Path:
    """The nearest folder above, or the place itself, that is there."""
    place = place.absolute()
    return next(path for path in (place, *place.parents) if path.exists())


def disk(place: Path) -> tuple[int, int]:
    """(file system's number, free bytes) where `place` is or would be."""
    there = existing(place)
    return there.stat().st_dev, shutil.disk_usage(there).free


def writable(place: Path) -> bool:
    """Whether a folder can be written, or made."""
    there = existing(place)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _bounds() -> dict[str, str]:
    """From this package's own record; without one, or without `packaging`, nothing."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return {}
    try:
        needed = [Requirement(text) for text in metadata.requires(_DISTRIBUTION) or ()]
    except metadata.PackageNotFoundError:
        return {}
    return {r.name.replace("-", "_"): str(r.specifier) for r in needed if str(r.specifier)}


def _nvidia_smi() -> tuple[str, str | None]:
    """(rows of GPUs, the driver's CUDA version)."""
    rows, cuda = "", None
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        query = ["nvidia-smi", "--query-gpu=uuid,name,memory.total,memory.free", "--format=csv,noheader,nounits"]
        rows = subprocess.run(query, capture_output=True, text=True, timeout=SECONDS, check=True).stdout
        shown = subprocess.run(["nvidia-smi"], capture_output=True, text=True, timeout=SECONDS, check=False).stdout
        cuda = match[1] if (match := re.search(r"CUDA Version\s*:\s*([0-9.]+)", shown)) else None
    return rows, cuda


def _gpus(rows: str) -> dict[str, Gpu]:
    """By UUID; a GPU without a figure is left out."""
    found = {}
    for row in rows.splitlines():
        match = re.fullmatch(r"\s*([^,]+), (.+), (\d+), (\d+)\s*", row)
        if match:
            found[match[1]] = Gpu(match[2], int(match[3]) * 2**20, int(match[4]) * 2**20)
    return found


def _torch_cuda() -> str | None:
    """As torch's version file says: importing torch takes seconds."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    try:
        text = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
    match = re.search(r"^cuda\b[^=]*=\s*'([0-9.]+)'", text, re.MULTILINE)
    return match[1] if match else None


def _memory() -> tuple[int | None, int | None]:
    """(all, free) bytes with swap, within this process's control group."""
    values = dict(_meminfo())
    if "MemTotal" not in values:
        return None, None
    total, free = (values[first] + values.get(second, 0) for first, second in
                   (("MemTotal", "SwapTotal"), ("MemAvailable", "SwapFree")))  # fmt: skip
    limit, used = (_number(Path("/sys/fs/cgroup") / name) for name in ("memory.max", "memory.current"))
    if limit is not None and limit < total:
        total, free = limit, min(free, max(0, limit - (used or 0)))
    return total, free


def _meminfo() -> Iterator[tuple[str, int]]:
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:  # not Linux
        return
    for name, kilobytes in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE):
        yield name, int(kilobytes) * 1024


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # "max"
        return None
