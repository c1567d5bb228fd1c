from __future__ import annotations

import os
from pathlib import Path

import pytest

from w2s.flow import track


@pytest.fixture
def no_tracker_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of a client's from outside, none left behind, and what they write where they like is written here."""
    named = {name for name in os.environ if name.startswith(("WANDB_", "TRACKIO_", "MLFLOW_"))}
    for name in named | set(track.DEFAULTS):
        monkeypatch.setenv(name, "")  # so that it is put back, also where it is not set
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
