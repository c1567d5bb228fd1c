"""Workers whose limits a loaded machine does not reach."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from w2s.answers import grading
from w2s.answers.workers import pool, process


@pytest.fixture(scope="module")
def patient_workers() -> Iterator[None]:
    """A minute for what takes a second at most: the verdict is tested, and not the limit."""
    with pool.Pool(seconds=60) as workers, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "_SHARED", workers)
        patch.setattr(grading, "_SECONDS", 60)
        patch.setattr(process, "START_SECONDS", 120.0)
        yield
