"""Facts of a machine, read from what its tools print."""

from __future__ import annotations

from pathlib import Path

import pytest

from w2s.preflight import machine
from w2s.preflight.machine import Gpu

SMI = "GPU-aa, NVIDIA A100-SXM4-80GB, 81920, 81000\nGPU-bb, NVIDIA A100-SXM4-80GB, 81920, 1000\n"
FIRST, SECOND = (
    Gpu("NVIDIA A100-SXM4-80GB", 81920 * 2**20, 81000 * 2**20),
    Gpu("NVIDIA A100-SXM4-80GB", 81920 * 2**20, 1000 * 2**20),
)


@pytest.mark.parametrize(
    ("devices", "expected"),
    [
        (None, (FIRST, SECOND)),
        ("1", (SECOND,)),
        ("1,0", (SECOND, FIRST)),
        ("GPU-bb", (SECOND,)),
        ("", ()),
        ("-1", ()),
        ("0,7,1", (FIRST,)),  # CUDA stops at the first that is not there
    ],
)
def test_gpus_that_cuda_may_use(devices: str | None, expected: tuple[Gpu, ...]) -> None:
    assert machine.visible(machine._gpus(SMI), devices) == expected


def test_a_gpu_without_figures_is_left_out() -> None:
    assert machine._gpus("GPU-aa, Odd GPU, [N/A], [N/A]\n") == {} == machine._gpus("")


def test_a_folder_that_is_not_there_is_judged_by_the_nearest_above(tmp_path: Path) -> None:
    assert machine.existing(tmp_path / "a" / "b") == tmp_path and machine.writable(tmp_path / "a" / "b")
    (tmp_path / "file").write_text("")
    assert not machine.writable(tmp_path / "file") and not machine.writable(tmp_path / "file" / "below")
    assert machine.disk(tmp_path / "a")[0] == tmp_path.stat().st_dev
