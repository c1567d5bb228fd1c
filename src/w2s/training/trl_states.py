"""Watches a training of TRL: progress, losses, stops, and which of its checkpoints are whole.

Transformers writes a checkpoint file by file. Ours is a file of digests beside them, written last: a checkpoint without
it, or that differs, is removed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
import tempfile
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import TrainerCallback

from w2s import models
from w2s.config import schema as configs
from w2s.config import trainers
from w2s.data import disk, sealed
from w2s.errors import UserError
from w2s.models import device
from w2s.training.distributed import Team
from w2s.training.early_stop import DropStop
from w2s.training.history import History, Measured
from w2s.training.loop import OnProgress
from w2s.training.setup import Setup
from w2s.training.signals import Waiting

_log = logging.getLogger(__name__)

_MARK = "w2s.json"
"""The file of digests."""
REFERENCES = "reference-"
"""In front of the name of a file with a reference's log-probabilities."""
_FAR = 0.5
"""Nats per token between policy and reference before any update that no rounding explains (ours)."""


class Watch(TrainerCallback):
    """A callback of transformers' Trainer.

    Args:
        content: the start and the rows: what decides the training beside its settings.
    """

    def __init__(
        self,
        setup: Setup,
        config: configs.Training,
        team: Team,
        waiting: Waiting,
        content: Sequence[Any],
        on_progress: OnProgress | None,
    ) -> None:
        self.history = History(pairs=isinstance(config, configs.Preference))
        device.watch()
        self.stop: DropStop | None = None
        self.fallen: Callable[[Mapping[str, float], float, float], float] = lambda *_: 0.0
        self.before: Mapping[tuple[int, ...], float] = {}
        self._setup, self._config, self._team, self._waiting = setup, config, team, waiting
        self._on_progress = on_progress
        self._saves = setup.state is not None and setup.runtime.save_minutes > 0
        self._key = _key(setup, config, team, content) if self._saves else ""
        self._temporary = tempfile.TemporaryDirectory()
        own = setup.state if self._saves and setup.state is not None else Path(self._temporary.name)
        self.folder = Path(team.from_first(str(own)))
        self._ended = time.monotonic()
        self._counts = 0, 0.0

    def close(self) -> None:
        self._temporary.cleanup()

    def plan(self, trainer: Any) -> int:
        """Set steps and warm-up as our loop has them; the number of steps."""
        config = self._config
        total = math.ceil(math.ceil(len(trainer.train_dataset) / config.batch_size) * config.epochs)
        trainer.args.max_steps = total
        trainer.args.warmup_steps = min(math.ceil(total * config.warmup_ratio), total - 1)
        return total

    def forget_references(self) -> None:
        """Remove what an earlier process wrote, on all processes at once."""
        if self._team.rank == 0:
            for file in self.folder.glob(f"{REFERENCES}*"):
                file.unlink()
        self._team.wait()

    def count(self, mean: float) -> None:
        """What `fallen` gets of a micro-batch, a mean over its chosen completions: TRL logs the mean of such means."""
        self._counts = self._counts[0] + 1, self._counts[1] + mean

    def resume(self) -> str | None:
        """The last whole checkpoint of this training."""
        found = self._newest() if self._saves and self._team.rank == 0 else None
        name: str | None = self._team.from_first(None if found is None else str(found))
        if name is None:
            return None
        mark = json.loads((Path(name) / _MARK).read_bytes())
        self.history.resume(mark["history"])
        if self.stop is not None:
            self.stop.resume(mark["stop"])
        return name

    def on_train_begin(self, args: Any, state: Any, control: Any, **keywords: Any) -> None:
        self._report(state)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **keywords: Any) -> None:
        """Each step."""
        if not logs or "loss" not in logs:
            return
        value, norm, number, total = logs["loss"], logs.get("grad_norm", 0.0), state.global_step, state.max_steps
        if not math.isfinite(value) or not math.isfinite(norm):
            raise UserError(
                f"{'grad_norm' if math.isfinite(value) else 'loss'} is not a finite number at step {number} of {total}",
                field="learning_rate",
                expected="a finite loss, with a finite gradient",
                hint=f"lower the learning rate (it is {self._config.learning_rate:g}), or use dtype=float32",
            )
        self.history.add(Measured(value, logs.get("rewards/margins", 0.0), norm, logs.get("learning_rate")))
        if self.stop is not None and isinstance(self._config, configs.Preference):
            counts = self._team.gather(self._counts)
            number_of, sums = (sum(side) for side in zip(*counts, strict=True))
            drop = self.fallen(logs, self._config.beta, sums / number_of)
            if number == 1 and abs(drop) > _FAR:
                raise UserError(
                    f"before any update chosen completions are {abs(drop):.2f} nats per token from the reference",
                    field="trainer",
                    expected="a reference that is the model at the start",
                    hint="this combination of settings is at fault, please report it; trainer=w2s trains it too",
                )
            self.stop.add(drop, number, total)
        self._counts = 0, 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **keywords: Any) -> None:
        self._report(state)
        came = bool(self._waiting.came)
        due = self._team.rank == 0 and time.monotonic() - self._ended >= 60 * self._setup.runtime.save_minutes
        if self._saves and self._team.any(came or due):
            control.should_save = True
        elif came:
            self._waiting.pass_on()

    def saving(self, save: Callable[[], None]) -> None:
        """Save a checkpoint, and say last that it is whole; then pass on signals that came."""
        try:
            save()
            self._team.wait()
            if self._team.rank == 0:
                self._mark()
        except (OSError, SafetensorError) as error:
            if self._team.size > 1:
                raise
            _log.warning("%s: a checkpoint cannot be saved (%s); the training goes on", self.folder, error)
        self._ended = time.monotonic()
        if self._waiting.came:
            self._waiting.pass_on()

    def _mark(self) -> None:
        newest = max(self.folder.glob("checkpoint-*"), key=_number)
        stop = None if self.stop is None else self.stop.facts()
        facts = {"key": self._key, "history": self.history.facts(), "stop": stop, "files": _digests(newest)}
        disk.sync(newest)
        with disk.replacing(newest / _MARK) as file:
            file.write(json.dumps(sealed.seal(facts)).encode())

    def _newest(self) -> Path | None:
        for folder in sorted(self.folder.glob("checkpoint-*"), key=_number, reverse=True):
            problem = _problem(folder, self._key)
            if problem is None:
                return folder
            _log.warning("%s: a checkpoint is not used (%s)", folder, problem)
            shutil.rmtree(folder, ignore_errors=True)
        return None

    def _report(self, state: Any) -> None:
        if self._on_progress is not None and self._team.rank == 0:
            self._on_progress(state.global_step, state.max_steps)


def _key(setup: Setup, config: configs.Training, team: Team, content: Sequence[Any]) -> str:
    start, *examples = content
    trl = (setup.trl or configs.Trl()).model_dump()
    settings = [
        models.identify(start.adapter or start.base, setup.runtime.offline),
        [type(config).__name__, config.model_dump(mode="json")],
        [setup.seed, setup.dtype, trl, team.size, trainers.accelerate_config(setup.runtime)],
    ]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for row in (row for example in examples for row in example):
        digest.update(array("q", [len(row.prompt), *row.tokens]).tobytes())
    return digest.hexdigest()


def _number(folder: Path) -> int:
    number = folder.name.rpartition("-")[2]
    return int(number) if number.isdigit() else -1


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != _MARK)
    return {str(file.relative_to(folder)): disk.sha256(file) for file in files}


def _problem(folder: Path, key: str) -> str | None:
    try:
        mark = json.loads((folder / _MARK).read_bytes())
        if not sealed.is_sealed(mark):
            return f"{_MARK} is not as it was written"
        if mark["key"] != key:
            return "it is of another training"
        return None if _digests(folder) == mark["files"] else "a file has other content"
    except FileNotFoundError:
        return "it was not finished"
    except (OSError, ValueError, AttributeError, KeyError, RecursionError):
        return f"{_MARK} cannot be read"
