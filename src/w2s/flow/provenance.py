"""Versions and machine for the record, not the identity."""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import socket
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

from w2s.version import __version__

PACKAGES = ("torch", "transformers", "peft", "accelerate", "trl", "vllm", "ray", "math-verify", "numpy")
"""Packages that can change a result."""


@cache
def versions() -> dict[str, str]:
    """Versions of w2s, Python and `PACKAGES`."""
    known = {"w2s": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            known[package] = metadata.version(package)
    return known


def provenance() -> dict[str, str]:
    """The versions, the host's name, its processor and GPUs, the commit of a source tree, and the command."""
    return {**versions(), "host": socket.gethostname(), **_machine(), "command": _command()}


def _command() -> str:
    """Without the folder of the program."""
    program = Path(sys.argv[0]).name
    return shlex.join(["w2s" if program in ("__main__.py", "w2s") else program, *sys.argv[1:]])


@cache
def _machine() -> dict[str, str]:
    found = {"processor": _processor(), "gpus": ", ".join(_gpus()), "commit": _commit()}
    return {name: value for name, value in found.items() if value}


def _processor() -> str:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        return f"{name}, {os.cpu_count()} cores"
    return f"{platform.machine()}, {os.cpu_count()} cores"


def _gpus() -> list[str]:
    """NVIDIA's, as the driver lists them: torch is not imported here."""
    names = []
    for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        with contextlib.suppress(OSError):
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            names += [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    return names


def _commit() -> str:
    """Of the source tree that this package runs from, with "+" where files differ from it; "" for an installation."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return ""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        git = ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"]
        return subprocess.run(git, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    return ""


def memory_peak() -> int | None:
    """Most resident bytes so far of this process and of its children that still run, added; None where not known."""
    processes = [Path("/proc/self")]
    with contextlib.suppress(OSError):
        for task in Path("/proc/self/task").iterdir():
            processes += [Path("/proc", child) for child in (task / "children").read_text().split()]
    peaks = []
    for process in processes:
        with contextlib.suppress(OSError, ValueError, StopIteration):
            lines = (process / "status").read_text(encoding="utf-8", errors="replace").splitlines()
            peaks.append(1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM:"))))
    return sum(peaks) or None
