"""What a run measures, for the trackers of `runtime.track`, through their own clients.

Each is imported on request only. A tracker that cannot start is refused before the run; one that fails later does not
stop it: it is named once, and left out. A run that goes on after a kill is another run of the same name there, and gets
the results of finished steps again.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import math
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from w2s.config.schema import Runtime
from w2s.errors import UserError, first_line
from w2s.flow.observer import Silent, StepOutcome
from w2s.flow.step import Step

PROJECT = "w2s"
"""Where a tracker's own variable (WANDB_PROJECT, TRACKIO_PROJECT, MLFLOW_EXPERIMENT_NAME) names no other."""
LIBRARIES = {"tensorboard": "tensorboardX", "wandb": "wandb", "trackio": "trackio", "mlflow": "mlflow"}
"""The client of each tracker."""
DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",
    "WANDB_CONSOLE": "off", "WANDB_ERROR_REPORTING": "false",
}  # fmt: skip
"""Where the user sets no others: by themselves clients report their use to their makers, W&B sends what a run prints,
training examples too, and MLflow tries 7 times again, for minutes in which a training waits."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """What a tracker gets of a run.

    Args:
        folder: the run's.
        config: the recipe's settings.
        offline: nothing may leave the machine.
    """

    folder: Path
    config: Mapping[str, Any]
    offline: bool = False

    @property
    def name(self) -> str:
        """The folder's name; of a folder seed-N with its parent's."""
        folder = self.folder.absolute()
        return f"{folder.parent.name}/{folder.name}" if folder.name.startswith("seed-") else folder.name


class Client(Protocol):
    """A tracker's run."""

    def log(self, group: str, values: Mapping[str, float], step: int | None) -> None:
        """Values of a step of the run (`group`), at one of its training steps or at its end."""

    def close(self, whole: bool) -> None:
        """`whole`: the run came to its end."""


class Tracker(Silent):
    """An observer that tells clients what trainings measure, and the numbers in results of all steps.

    As a context it closes them; an error or an interrupt in it marks their runs as failed.
    """

    def __init__(self, clients: Mapping[str, Client]) -> None:
        self._clients = dict(clients)
        self._one_at_a_time = threading.Lock()  # with Ray steps run side by side

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(whole=kind is None)

    def measured(self, step: Step, number: int, values: Mapping[str, float]) -> None:
        self._tell(step.name, values, number)

    def finished(self, step: Step, outcome: StepOutcome) -> None:
        self._tell(step.name, {**_numbers(outcome.result), "seconds": outcome.seconds}, None)

    def reused(self, step: Step, outcome: StepOutcome) -> None:
        self.finished(step, outcome)

    def close(self, whole: bool = True) -> None:
        for name in list(self._clients):
            self._try(name, lambda client: client.close(whole))
        self._clients.clear()

    def _tell(self, group: str, values: Mapping[str, float], step: int | None) -> None:
        finite = {name: float(value) for name, value in values.items() if math.isfinite(value)}
        for name in list(self._clients):
            self._try(name, lambda client: client.log(group, finite, step))

    def _try(self, name: str, act: Callable[[Client], None]) -> None:
        try:
            with self._one_at_a_time, _apart():
                act(self._clients[name])
        except Exception as error:
            self._clients.pop(name, None)
            _log.warning("%s stopped (%s: %s); the run goes on without it", name, type(error).__name__, error)


def start(runtime: Runtime, folder: Path, config: Mapping[str, Any], *, first: bool = True) -> Tracker:
    """A tracker with a client for each name in `runtime.track`.

    Args:
        runtime: with `track` and `offline`.
        folder: the run's.
        config: the recipe's settings.
        first: nothing is computed yet; a later seed goes on without a client that cannot start.

    Raises:
        UserError: a client cannot start, and this is the first run.
    """
    place = Place(folder, config, runtime.offline)
    clients: dict[str, Client] = {}
    for name, value in DEFAULTS.items() if runtime.track else ():
        os.environ.setdefault(name, value)  # read on import
    for name in runtime.track:
        try:
            with _apart():
                clients[name] = _CLIENTS[name](importlib.import_module(LIBRARIES[name]), place)
        except Exception as error:  # each client has errors of its own
            problem = (
                f"{name} cannot be started ({type(error).__name__}: {first_line(error, type(error).__name__):.300})"
            )
            if not first:
                _log.warning("%s; the run goes on without it", problem)
                continue
            Tracker(clients).close(whole=False)
            raise UserError(
                problem,
                field="runtime.track",
                hint=f"see {name}'s own settings, or leave it out of runtime.track",
            ) from error
    return Tracker(clients)


def _apart() -> contextlib.redirect_stdout[Any]:
    """What clients print goes to standard error: standard output is for results."""
    return contextlib.redirect_stdout(sys.stderr)


def _numbers(result: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: value for name, value in result.items() if isinstance(value, int | float) and not isinstance(value, bool)
    }


class _TensorBoard:
    """Event files in the run's folder."""

    def __init__(self, module: Any, place: Place) -> None:
        self._writer = module.SummaryWriter(str(place.folder / "tensorboard"))

    def log(self, group: str, values: Mapping[str, float], step: int | None) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"{group}/{name}", value, 0 if step is None else step)
        if step is None:
            self._writer.flush()

    def close(self, whole: bool) -> None:
        self._writer.close()


class _Wandb:
    """Each training has a step axis of its own: those of W&B never fall."""

    def __init__(self, module: Any, place: Place) -> None:
        project = os.environ.get("WANDB_PROJECT", PROJECT)
        mode = "offline" if place.offline else None
        self._run = module.init(project=project, name=place.name, config=dict(place.config), mode=mode)
        self._groups: set[str] = set()

    def log(self, group: str, values: Mapping[str, float], step: int | None) -> None:
        if step is None:
            for name, value in values.items():
                self._run.summary[f"{group}/{name}"] = value
            return
        if group not in self._groups:
            self._groups.add(group)
            self._run.define_metric(f"{group}/step")
            self._run.define_metric(f"{group}/*", step_metric=f"{group}/step")
        self._run.log({f"{group}/{name}": value for name, value in values.items()} | {f"{group}/step": step})

    def close(self, whole: bool) -> None:
        self._run.finish(exit_code=0 if whole else 1)


class _Trackio:
    """On this machine, unless TRACKIO_SPACE_ID or TRACKIO_SERVER_URL names another."""

    def __init__(self, module: Any, place: Place) -> None:
        remote = [name for name in ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL") if os.environ.get(name)]
        if place.offline and remote:
            raise ValueError(f"runtime.offline is set, and {remote[0]} names another machine")
        self._module = module
        project = os.environ.get("TRACKIO_PROJECT", PROJECT)
        self._run = module.init(project=project, name=place.name, config=dict(place.config))

    def log(self, group: str, values: Mapping[str, float], step: int | None) -> None:
        steps = {} if step is None else {f"{group}/step": float(step)}
        self._run.log({f"{group}/{name}": value for name, value in values.items()} | steps)

    def close(self, whole: bool) -> None:
        self._module.finish()  # of the run alone, it would be done, and printed, again at exit


class _Mlflow:
    """In MLFLOW_TRACKING_URI, else where MLflow's default is: `mlflow.db` and `mlruns` in the current folder (3.17)."""

    def __init__(self, module: Any, place: Place) -> None:
        experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        self._client = module.MlflowClient()
        found = self._client.get_experiment_by_name(experiment)
        number = found.experiment_id if found is not None else self._client.create_experiment(experiment)
        self._run = self._client.create_run(number, run_name=place.name).info.run_id
        self._client.log_dict(self._run, dict(place.config), "recipe.json")

    def log(self, group: str, values: Mapping[str, float], step: int | None) -> None:
        for name, value in values.items():
            self._client.log_metric(self._run, f"{group}/{name}", value, step=0 if step is None else step)

    def close(self, whole: bool) -> None:
        self._client.set_terminated(self._run, status="FINISHED" if whole else "FAILED")


_CLIENTS: dict[str, Callable[[Any, Place], Client]] = {
    "tensorboard": _TensorBoard, "wandb": _Wandb, "trackio": _Trackio, "mlflow": _Mlflow,
}  # fmt: skip
