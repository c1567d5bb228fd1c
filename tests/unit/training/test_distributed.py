"""Processes that share one training: how long they wait for each other."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed")

from torch import distributed

from w2s.config.schema import Runtime
from w2s.training import distributed as parallel


def test_the_others_wait_while_the_first_one_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """280 GB at 100 MB/s are 2,800 s, more than torch's 600 s (NCCL) and 1,800 s (gloo). A group of one will do."""
    told: list[timedelta] = []
    form = distributed.init_process_group

    def alone(backend: str, timeout: timedelta) -> None:
        told.append(timeout)
        form(backend, timeout=timeout, init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)

    monkeypatch.setattr(distributed, "init_process_group", alone)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with parallel.join(Runtime(device="cpu")) as team:
        assert (team.rank, team.size) == (0, 1)
        group = distributed.distributed_c10d._get_default_group()
        assert group._get_backend(team.device).options._timeout == told[0] >= timedelta(seconds=2 * 2800)
    assert not distributed.is_initialized()
