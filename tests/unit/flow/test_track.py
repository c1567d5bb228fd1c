"""Trackers: fakes of their clients, and TensorBoard's real writer (the other real ones: `test_track_clients.py`)."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from w2s.config import load
from w2s.config.schema import Runtime
from w2s.errors import UserError
from w2s.flow import track
from w2s.flow.observer import StepOutcome, measured
from w2s.flow.step import Step
from w2s.preflight import software
from w2s.preflight.machine import Machine


def nothing(context: Any) -> dict[str, Any]:
    return {}


TRAIN, EVALUATE = Step("m_plus", nothing, kind="train"), Step("evaluate_m_plus", nothing, kind="evaluate")


pytestmark = pytest.mark.usefixtures("no_tracker_settings")


class FakeRun:
    """What `init` of wandb and trackio returns."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.summary: dict[str, float] = {}

    def log(self, values: dict[str, float]) -> None:
        self.calls.append(values)

    def define_metric(self, *arguments: str, **options: str) -> None:
        self.calls.append((arguments, options))

    def finish(self, exit_code: int | None = None) -> None:
        self.calls.append("finished" if exit_code is None else f"finished with {exit_code}")


class FakeMlflow:
    """An `MlflowClient`."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def get_experiment_by_name(self, name: str) -> None:
        self.calls.append(name)

    def create_experiment(self, name: str) -> str:
        return "7"

    def create_run(self, experiment: str, run_name: str) -> Any:
        self.calls.append((experiment, run_name))
        return SimpleNamespace(info=SimpleNamespace(run_id="r"))

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments, **options: self.calls.append((name, arguments, options))


def _init(calls: dict[str, Any], client: str, **options: Any) -> FakeRun:
    calls["options"].append(options)
    run: FakeRun = calls[client]
    return run


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Modules in place of the clients, and what they were called with."""
    calls: dict[str, Any] = {"wandb": FakeRun(), "trackio": FakeRun(), "mlflow": FakeMlflow(), "options": []}
    for name in ("wandb", "trackio"):
        module = ModuleType(name)
        module.init = partial(_init, calls, name)  # type: ignore[attr-defined]
        module.finish = calls[name].finish  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
    mlflow = ModuleType("mlflow")
    mlflow.MlflowClient = lambda: calls["mlflow"]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    return calls


def told(tracker: track.Tracker) -> None:
    measured(tracker, TRAIN, 1, {"loss": 0.5, "grad_norm": math.inf})
    tracker.finished(TRAIN, StepOutcome("done", {"loss_last": 0.25, "curve": [1.0], "first_example": {}}, 2.0))
    tracker.finished(EVALUATE, StepOutcome("done", {"accuracy": 0.75, "model": "m_plus", "ok": True}, 1.0))
    tracker.close()


def test_what_each_client_gets(fake: dict[str, Any], tmp_path: Path) -> None:
    runtime = Runtime(track=("wandb", "trackio", "mlflow"), offline=True)
    told(track.start(runtime, tmp_path / "study" / "seed-3", {"seed": 3}))
    first, second = fake["options"]
    assert first == {"project": "w2s", "name": "study/seed-3", "config": {"seed": 3}, "mode": "offline"}
    assert second == {"project": "w2s", "name": "study/seed-3", "config": {"seed": 3}}
    assert fake["wandb"].calls == [
        (("m_plus/step",), {}), (("m_plus/*",), {"step_metric": "m_plus/step"}),
        {"m_plus/loss": 0.5, "m_plus/step": 1}, "finished with 0",
    ]  # fmt: skip
    assert fake["wandb"].summary == {
        "m_plus/loss_last": 0.25, "m_plus/seconds": 2.0,
        "evaluate_m_plus/accuracy": 0.75, "evaluate_m_plus/seconds": 1.0,
    }  # fmt: skip
    assert fake["trackio"].calls[0] == {"m_plus/loss": 0.5, "m_plus/step": 1.0}
    assert fake["trackio"].calls[-1] == "finished"
    logged = [call[1] for call in fake["mlflow"].calls if call[0] == "log_metric"]
    assert ("r", "m_plus/loss", 0.5) in logged and ("r", "evaluate_m_plus/accuracy", 0.75) in logged
    assert fake["mlflow"].calls[:2] == ["w2s", ("7", "study/seed-3")]
    assert fake["mlflow"].calls[-1] == ("set_terminated", ("r",), {"status": "FINISHED"})


def test_tensorboard_s_files_can_be_read(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="the extra `tensorboard` is not installed")
    from tensorboardX.proto.event_pb2 import Event

    told(track.start(Runtime(track=("tensorboard",)), tmp_path, {}))
    (file,) = (tmp_path / "tensorboard").iterdir()
    raw, place, values = file.read_bytes(), 0, {}
    while place < len(raw):  # records of length (8 bytes), its checksum (4), content, checksum (4)
        size = int.from_bytes(raw[place : place + 8], "little")
        event = Event.FromString(raw[place + 12 : place + 12 + size])
        values |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
        place += size + 16
    assert values == {
        ("m_plus/loss", 1): 0.5, ("m_plus/loss_last", 0): 0.25, ("m_plus/seconds", 0): 2.0,
        ("evaluate_m_plus/accuracy", 0): 0.75, ("evaluate_m_plus/seconds", 0): 1.0,
    }  # fmt: skip


def test_a_client_that_fails_is_left_out_and_the_others_go_on(
    fake: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(values: object) -> None:
        raise ConnectionError("no network")

    fake["wandb"].log = fails
    with caplog.at_level(logging.WARNING):
        told(track.start(Runtime(track=("wandb", "trackio")), tmp_path, {}))
    assert caplog.messages == ["wandb stopped (ConnectionError: no network); the run goes on without it"]
    assert len(fake["trackio"].calls) == 4


def test_a_client_that_cannot_start_is_a_user_s_error(fake: dict[str, Any], tmp_path: Path) -> None:
    def init(**options: object) -> None:
        raise RuntimeError("api_key not configured\nlong advice")

    sys.modules["wandb"].init = init  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"\[runtime.track\]: wandb cannot be started \(RuntimeError: api_key not con"):
        track.start(Runtime(track=("wandb",)), tmp_path, {})


def test_a_run_that_stops_is_marked_so(fake: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), track.start(Runtime(track=("wandb", "mlflow")), tmp_path, {}):
        raise KeyboardInterrupt
    assert fake["wandb"].calls == ["finished with 1"]
    assert fake["mlflow"].calls[-1] == ("set_terminated", ("r",), {"status": "FAILED"})


def test_clients_that_started_are_closed_where_another_cannot_start(fake: dict[str, Any], tmp_path: Path) -> None:
    del sys.modules["trackio"].init
    with pytest.raises(UserError, match="trackio cannot be started"):
        track.start(Runtime(track=("wandb", "trackio")), tmp_path, {})
    assert fake["wandb"].calls == ["finished with 1"]


def test_a_later_seed_goes_on_without_a_client_that_cannot_start(
    fake: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    del sys.modules["trackio"].init
    with caplog.at_level(logging.WARNING):
        told(track.start(Runtime(track=("wandb", "trackio")), tmp_path, {}, first=False))
    (message,) = caplog.messages
    assert message.startswith("trackio cannot be started (AttributeError: ")
    assert message.endswith("; the run goes on without it")
    assert fake["wandb"].calls[-1] == "finished with 0"


def test_a_run_that_goes_on_gets_the_results_of_finished_steps_again(fake: dict[str, Any], tmp_path: Path) -> None:
    with track.start(Runtime(track=("wandb",)), tmp_path, {}) as tracker:
        tracker.reused(EVALUATE, StepOutcome("done", {"accuracy": 0.75}, 1.0, reused=True))
    assert fake["wandb"].summary == {"evaluate_m_plus/accuracy": 0.75, "evaluate_m_plus/seconds": 1.0}


def test_what_clients_print_is_not_on_standard_output(
    fake: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trackio prints in `init` and in `finish`; `w2s run` writes results to standard output."""

    def init(**options: object) -> FakeRun:
        print("* project initialized")
        return fake["trackio"]

    sys.modules["trackio"].init = init  # type: ignore[attr-defined]
    sys.modules["trackio"].finish = lambda: print("* run finished")  # type: ignore[attr-defined]
    told(track.start(Runtime(track=("trackio",)), tmp_path, {}))
    assert capsys.readouterr() == ("", "* project initialized\n* run finished\n")


def test_clients_send_no_more_than_the_numbers_unless_the_user_says_so(
    fake: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_CONSOLE", "wrap")
    told(track.start(Runtime(), tmp_path, {}))
    assert "MLFLOW_DISABLE_TELEMETRY" not in os.environ
    told(track.start(Runtime(track=("wandb", "mlflow")), tmp_path, {}))
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true" and os.environ["WANDB_CONSOLE"] == "wrap"


@pytest.mark.parametrize("name", ["TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"])
def test_offline_trackio_stays_on_this_machine(
    fake: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "org/space")
    with pytest.raises(UserError, match=f"runtime.offline is set, and {name} names another machine"):
        track.start(Runtime(track=("trackio",), offline=True), tmp_path, {})
    track.start(Runtime(track=("trackio",)), tmp_path, {}).close()


def test_a_missing_client_is_refused_with_what_installs_it() -> None:
    (found,) = software.trackers(Runtime(track=("mlflow",)), Machine())
    assert found.refusal and found.field == "runtime.track"
    assert found.problem == "runtime.track=mlflow needs mlflow, which is not installed"
    assert found.hint == "pip install 'w2s-reasoning[mlflow]'"
    assert not list(software.trackers(Runtime(), Machine()))


def test_it_is_no_part_of_the_recipe_and_a_wrong_name_is_refused() -> None:
    plain, tracked = (load.load("tiny", overrides) for overrides in ((), ("runtime.track=[tensorboard]",)))
    assert plain.recipe == tracked.recipe and tracked.runtime.track == ("tensorboard",)
    assert load.load("tiny", ["runtime.track=wandb"]).runtime.track == ("wandb",)
    with pytest.raises(UserError, match=r"runtime\.track"):
        load.load("tiny", ["runtime.track=[comet]"])
