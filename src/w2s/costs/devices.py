"""Published figures of GPUs, for a first estimate of time where nothing was measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from w2s.config.choices import Dtype
from w2s.errors import one_of


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU by its maker's data sheet.

    Args:
        title: as people name it.
        bfloat16: dense operations (FLOP) per second of its tensor cores, with float32 sums.
        float32: the same without tensor cores, as torch computes float32 by default.
        bandwidth: of its memory, bytes per second.
        memory: bytes.
        pattern: matches the name that nvidia-smi shows.
    """

    title: str
    bfloat16: float
    float32: float
    bandwidth: float
    memory: float
    pattern: str

    def peak(self, dtype: Dtype) -> float:
        return self.bfloat16 if dtype == "bfloat16" else self.float32

    @property
    def source(self) -> str:
        """Its figures in words."""
        return f"{self.bfloat16 / 1e12:,.0f} TFLOP/s in bfloat16, {self.bandwidth / 1e12:.3g} TB/s"


DEVICES: Mapping[str, Device] = {
    name: Device(title, bfloat16 * 1e12, float32 * 1e12, bandwidth * 1e12, memory * 1e9, pattern)
    for name, title, bfloat16, float32, bandwidth, memory, pattern in (
        ("b200", "B200", 2250, 75, 7.7, 180, r"\bB200\b"),
        ("h200", "H200", 989, 67, 4.8, 141, r"\bH200\b"),
        ("h100-pcie", "H100 PCIe", 756, 51, 2.0, 80, r"\bH100 PCIe\b"),
        ("h100", "H100", 989, 67, 3.35, 80, r"\bH100\b"),
        ("a100-40gb", "A100 of 40 GB", 312, 19.5, 1.555, 40, r"\bA100\b.*\b40GB"),
        ("a100", "A100 of 80 GB", 312, 19.5, 2.039, 80, r"\bA100\b"),
        ("l40s", "L40S", 362, 91.6, 0.864, 48, r"\bL40S\b"),
        ("l4", "L4", 121, 30.3, 0.3, 24, r"\bL4\b"),
        ("a10", "A10", 125, 31.2, 0.6, 24, r"\bA10\b"),
        ("rtx-4090", "RTX 4090", 165, 82.6, 1.008, 24, r"\bRTX 4090\b"),
        ("rtx-3090", "RTX 3090", 71, 35.6, 0.936, 24, r"\bRTX 3090\b"),
    )
}
"""By the name that `--device` takes; the first whose pattern fits a name counts. Sources: NVIDIA's data sheets (of B200
an eighth of the HGX board; where a sheet gives a figure with sparsity, half of it) and, for RTX, its white papers of
GA102 and of Ada."""

REFERENCE = "h100"
"""Taken where this machine has no GPU that is known here."""


def find(name: str) -> Device:
    """The device of `--device`.

    Raises:
        UserError: another name.
    """
    one_of("device", name.lower(), DEVICES, "--device")
    return DEVICES[name.lower()]


def named(name: str) -> Device | None:
    """By the name that nvidia-smi shows; None: not known here."""
    return next((device for device in DEVICES.values() if re.search(device.pattern, name, re.IGNORECASE)), None)
