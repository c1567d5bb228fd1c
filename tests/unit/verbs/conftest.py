"""What tests of several verbs share."""

from __future__ import annotations

from pathlib import Path

import pytest
from exportable import made


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return made(tmp_path / "run", "org/base")
