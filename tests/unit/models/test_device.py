"""The most memory on a GPU, with a fake one."""

from __future__ import annotations

import pytest

from w2s.models import device


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A GPU with 7 bytes; what was asked of it."""
    asked: list[str] = []
    monkeypatch.setattr(device.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(device.torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(device.torch.cuda, "reset_peak_memory_stats", lambda: asked.append("reset"))
    monkeypatch.setattr(device.torch.cuda, "max_memory_allocated", lambda: 7)
    return asked


def test_what_is_allocated_from_now_on_counts(cuda: list[str]) -> None:
    device.watch()
    assert cuda == ["reset"] and device.most() == 7


def test_nothing_on_the_gpu_is_no_measure(cuda: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As with runtime.device=cpu; torch refuses a reset before its first allocation."""
    monkeypatch.setattr(device.torch.cuda, "is_initialized", lambda: False)
    monkeypatch.setattr(device.torch.cuda, "max_memory_allocated", lambda: 0)
    device.watch()
    assert cuda == [] and device.most() is None


def test_without_a_gpu_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device.torch.cuda, "is_available", lambda: False)
    assert device.most() is None
