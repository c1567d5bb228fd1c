"""What a process that is kept for the next generation has to do with the rest of a run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from w2s import cli, report
from w2s.config import Runtime
from w2s.engines import isolated
from w2s.errors import UserError
from w2s.flow import runner
from w2s.report import table
from w2s.steps import launch


class Kept:
    """In the place of an engine that is closed and kept."""

    ended = False

    def __init__(self) -> None:
        self.process = object()

    def end(self) -> None:
        self.ended = True


def test_a_training_finds_the_device_free(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Kept()
    monkeypatch.setattr(isolated, "_parked", [engine])
    context = SimpleNamespace(runtime=Runtime(), progress=None)
    assert launch.train(lambda on_progress: engine.ended, context) is True


def test_a_run_keeps_processes_and_leaves_none(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    engine = Kept()
    seen = []

    def fail(*_: object) -> None:
        seen.append(isolated._keeping)
        isolated._parked.append(engine)
        raise UserError("out of questions")

    monkeypatch.setattr(runner, "run", fail)
    monkeypatch.setattr(report, "write", lambda *_: None)
    monkeypatch.setattr(table, "tables", lambda *_: "")
    assert cli.main(["run", "tiny", "--out", str(tmp_path / "run"), "--limit", "20"]) == 2
    assert seen == [True] and engine.ended and not isolated._keeping and not isolated._parked
