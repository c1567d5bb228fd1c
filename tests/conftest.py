"""Shared fixtures: the real command line in processes of its own, and where reference data lies."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

settings.register_profile("w2s", deadline=None)  # two busy cores: no test is a timing test
settings.load_profile("w2s")

ROOT = Path(__file__).resolve().parent.parent

SMALL = (
    "task.train_1=48",
    "task.train_2=60",
    "task.test=20",
    "weak_training.epochs=1",
    "training.epochs=1",
    "sampling.n=4",
    "stage1_variants=false",
    "preference.losses=[dpo]",
    "evaluation.samples=0",
    "selection.confidence=0.25",
    "selection.reject_confidence=0.25",
    "runtime.progress=false",
)
"""Overrides that make the default preset run in seconds; the thresholds keep some pairs at so small a size."""

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def w2s() -> Cli:
    """Run `w2s ARGUMENTS...` in a process of its own and return it, whatever its exit code."""

    def call(*arguments: str, cwd: Path | None = None, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "w2s", *arguments], cwd=cwd, input=stdin, capture_output=True, text=True, timeout=400
        )

    return call


@pytest.fixture(scope="session")
def load_script() -> Callable[[str], ModuleType]:
    """Import a file of `scripts/` by its name."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"{name}_script", ROOT / "scripts" / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def small() -> tuple[str, ...]:
    """Overrides for a run of seconds."""
    return SMALL


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """The folder with the reference data; the test is skipped where there is none."""
    folder = Path(os.environ.get("W2S_REFERENCE_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "gair").is_dir():
        pytest.skip(f"no reference data at {folder}: set W2S_REFERENCE_DATA")
    return folder
