"""Shared fixtures: the real command line in processes of its own, one small run, and where reference data lies."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType, ModuleType

import pytest
from filelock import FileLock
from hypothesis import settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job: commands of tests would ignore it too
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side, and their models are tiny

# No deadline: no test is a timing test. A push fails for what it changed and not for its luck; a night may be lucky.
settings.register_profile("push", deadline=None, max_examples=25, derandomize=True)
settings.register_profile("nightly", deadline=None, max_examples=300)

ROOT = Path(__file__).resolve().parent.parent

SMALL = (
    "task.train_1=48",
    "task.train_2=60",
    "task.test=20",
    "weak_training.epochs=6",
    "weak_training.learning_rate=2e-3",
    "weak_training.batch_size=8",
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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nightly", action="store_true", help="also the tests that are too long for every push")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("nightly" if config.getoption("nightly") else "push")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is for the night, and put files with slow tests first: workers that share files end together."""
    if not config.getoption("nightly"):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("nightly")])
        items[:] = [item for item in items if not item.get_closest_marker("nightly")]
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def w2s() -> Cli:
    """Run `w2s ARGUMENTS...` in a process of its own and return it, whatever its exit code."""

    def call(*arguments: str, cwd: Path | None = None, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "w2s", *arguments], cwd=cwd, input=stdin, capture_output=True, text=True
        )

    return call


@pytest.fixture(scope="session")
def finished(w2s: Cli, small: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one finished run of `small`, for all tests. Read it; what changes it works on `finished_copy`."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "finished"
    with FileLock(shared / "finished.lock"):
        if not (folder / "results.json").exists():
            done = w2s("run", *small, "--out", str(folder))
            assert done.returncode == 0, done.stderr
            assert "m_plus" in done.stdout
    return folder


@pytest.fixture
def finished_copy(finished: Path, tmp_path: Path) -> Path:
    """A copy of `finished` of one's own."""
    return Path(shutil.copytree(finished, tmp_path / "finished"))


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
def calls() -> Callable[[Callable[[], object]], int]:
    """How many functions, of Python or C, a piece of work calls: a measure that no load and no clock changes."""

    def count(work: Callable[[], object]) -> int:
        seen = 0

        def see(frame: FrameType, event: str, argument: object) -> None:
            nonlocal seen
            seen += event in ("call", "c_call")

        sys.setprofile(see)
        try:
            work()
        finally:
            sys.setprofile(None)
        return seen

    return count


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


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Add what a test measured to the file that `W2S_MEASURED` names, a JSON object per line; nothing where unset."""

    def add(name: str, **figures: object) -> None:
        if path := os.environ.get("W2S_MEASURED"):
            line = json.dumps({"name": name, "test": request.node.nodeid, **figures}, ensure_ascii=False)
            with open(path, "a", encoding="utf-8") as file:
                file.write(line + "\n")

    return add
