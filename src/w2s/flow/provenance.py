"""What a step is made with: it is told in its record and never part of the identity."""

from __future__ import annotations

import contextlib
import platform
import socket
from functools import cache
from importlib import metadata

from w2s import __version__

PACKAGES = ("torch", "transformers", "peft", "vllm", "ray", "math-verify", "numpy")
"""What can change a number, by its name in a package index."""


@cache
def versions() -> dict[str, str]:
    """Of this package, of Python, and of all `PACKAGES` that are installed: a step may load them in other processes."""
    found = {"w2s": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def provenance() -> dict[str, str]:
    """The versions and the machine's name."""
    return {**versions(), "host": socket.gethostname()}
