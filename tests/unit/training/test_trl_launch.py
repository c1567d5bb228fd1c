"""Processes of accelerate."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import NoReturn

import pytest

from w2s.config.schema import Runtime
from w2s.training import trl_launch


def test_a_process_ends_where_its_command_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a killed training would go on beside the one that continues it."""
    looked: list[float] = []

    def end(code: int) -> NoReturn:
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(time, "sleep", looked.append)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with pytest.raises(SystemExit, match="1"):
        trl_launch._end_with(ended.pid)
    assert len(looked) == 1


def test_only_the_command_starts_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Runtime(accelerate="accelerate.yaml")
    monkeypatch.delenv("W2S_LAUNCHED", raising=False)
    assert trl_launch.needed(config) and not trl_launch.needed(Runtime())
    monkeypatch.setenv("W2S_LAUNCHED", "1")
    assert not trl_launch.needed(config)


def test_only_whole_messages_are_told() -> None:
    """Processes share one output: a bar without its end may stand in front, and another process may write after."""
    told = trl_launch._TOLD + '["progress", 1, 2]'
    assert trl_launch._read(told + "\n") == trl_launch._read("50 %\r" + told) == ["progress", 1, 2]
    for line in ("loss 0.7", told + "UserWarning: x", trl_launch._TOLD, trl_launch._TOLD + "3"):
        assert trl_launch._read(line) is None
