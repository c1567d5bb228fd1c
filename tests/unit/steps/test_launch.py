"""The engines' processes that stay between the steps of a run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from w2s import cli, engines, results
from w2s.config.schema import Runtime
from w2s.engines.base import Loading
from w2s.engines.isolated import Processes
from w2s.errors import UserError
from w2s.flow import runner
from w2s.flow.step import Context, Step
from w2s.results import table
from w2s.steps import launch


def test_a_training_finds_the_device_free(monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[bool] = []
    with Processes() as processes:
        monkeypatch.setattr(processes, "release", lambda: released.append(True))
        context = SimpleNamespace(runtime=Runtime(), progress=None, measure=None, processes=processes)
        with launch.training(lambda model, on_progress: (model, list(released)), context) as train:
            assert train("model") == ("model", [True])


def look(context: Context) -> dict:
    LOOKED.append(context.processes)
    raise UserError("out of questions")


LOOKED: list[Processes] = []


def test_the_processes_of_a_run_reach_its_steps_and_end_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    run, ended = runner.run, []
    monkeypatch.setattr(runner, "run", lambda steps, *rest, **options: run([Step("look", look)], *rest, **options))
    monkeypatch.setattr(results, "write", lambda *_: None)
    monkeypatch.setattr(table, "tables", lambda *_: "")
    monkeypatch.setattr(Processes, "__exit__", lambda processes, *_: ended.append(processes))
    assert cli.main(["run", "tiny", "--out", str(tmp_path / "run"), "--limit", "20"]) == 2
    assert ended == LOOKED and isinstance(LOOKED[0], Processes)


def test_workers_on_other_machines_get_no_process_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from w2s.flow import ray

    made = []
    monkeypatch.setattr(ray, "size", lambda runtime: 1)
    monkeypatch.setattr(ray, "Pool", lambda make, size, runtime: made.append(make))
    monkeypatch.setattr(engines, "load", lambda model, loading: (model, loading.engine, loading.processes))
    launch.engine("m", Loading("vllm", runtime=Runtime(launcher="ray"), processes=Processes()))
    assert made[0]()._engine == ("m", "vllm", None)
