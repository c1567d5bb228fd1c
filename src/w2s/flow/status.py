"""What a run does now, for another process: `.status.json` in its folder, and its lock."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from w2s.data import disk
from w2s.errors import UserError
from w2s.flow import lock
from w2s.flow.decisions import PlannedStep
from w2s.flow.observer import Silent, StepOutcome
from w2s.flow.pace import Pace
from w2s.flow.step import Step
from w2s.flow.store import Store

FILE = ".status.json"
EVERY = 1.0
"""Seconds between two writings, at least."""

State = Literal["running", "finished", "stopped", "damaged"]
"""`damaged`: all steps have ended, and a record, an output or the report is missing or not as it was written."""


@dataclass(frozen=True, slots=True)
class Now:
    """A step that runs; rows or training steps `done` of `total` (0: not known), seconds left."""

    name: str
    number: int
    since: str
    done: int = 0
    total: int = 0
    tokens_per_second: float | None = None
    left_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """A run's state; `ended` of `of` steps (None: an earlier version's folder), seconds left where they are known.

    `unfinished`: steps with partial work. `problems`: a line per damage that shows without reading outputs, none of a
    running run (`w2s check` reads all). `holder`: the process that runs it.
    """

    folder: str
    state: State
    ended: int
    of: int | None
    began: str | None = None
    now: Sequence[Now] = ()
    left_seconds: float | None = None
    unfinished: Sequence[str] = ()
    problems: Sequence[str] = ()
    holder: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Writer(Silent):
    """An observer that keeps the file; a failing disk is the run's own error, not this file's."""

    folder: Path
    planned: Sequence[PlannedStep] = ()
    clock: Callable[[], float] = time.monotonic
    _since: dict[str, str] = field(default_factory=dict)
    _next: float = 0.0
    _wrote: bool = False

    def __post_init__(self) -> None:
        self._pace, self._began = Pace(self.planned, self.clock), _stamp()

    def started(self, step: Step, reason: str, number: int, of: int) -> None:
        self._since[step.name] = _stamp()  # first: another step's thread may write in between
        self._pace.start(step.name, number, of)
        self._write()

    def progress(self, step: Step, done: int, total: int, tokens: int) -> None:
        self._pace.move(step.name, done, total, tokens)
        if self.clock() >= self._next:
            self._write()

    def finished(self, step: Step, outcome: StepOutcome) -> None:
        self._pace.end(step.name, outcome)
        self._write()

    ended = reused = skipped = finished

    def close(self) -> None:
        """Remove the file, if it is this run's."""
        if not self._wrote:  # another run may have the folder
            return
        with contextlib.suppress(OSError):
            (self.folder / FILE).unlink()

    def _write(self) -> None:
        pace, now = self._pace, self.clock()
        self._next, self._wrote = now + EVERY, True
        content = {
            "began": self._began,
            "left_seconds": pace.left(),
            "now": [
                asdict(
                    Now(
                        each.name, each.number, self._since[each.name], each.done, each.total, each.speed(now),
                        each.left(now),
                    )
                )
                for each in list(pace.running.values())
            ],
        }  # fmt: skip
        with contextlib.suppress(OSError, UserError):
            disk.write(self.folder / FILE, json.dumps(content) + "\n", durable=False)


def read(folder: Path) -> Status:
    """What a folder's run does, or how it ended. Writes nothing.

    Raises:
        UserError: the folder holds no run.
    """
    store, holder = Store(folder), lock.holder(folder)
    if holder is None and not store.names() and not store.reached():
        expected = "a folder that `w2s run` wrote, or one with folders seed-N"
        raise UserError("holds no run" if folder.exists() else "is missing", file=folder, expected=expected)
    left = store.left()
    ended, of = (left[1] - left[0], left[1]) if left else (len(store.names()), None)
    if holder is None:
        problems = store.visible_damage()
        state: State = "stopped" if left and left[0] else "damaged" if problems else "finished"
        unfinished = store.unfinished() if state == "stopped" else []
        return Status(str(folder), state, ended, of, unfinished=unfinished, problems=problems)
    found = _content(folder)
    return Status(
        str(folder), "running", ended, of, found.get("began"), [Now(**each) for each in found.get("now", ())],
        found.get("left_seconds"), holder=holder,
    )  # fmt: skip


def not_begun(folder: Path) -> Status:
    """Of a folder seed-N in which no step has ended yet."""
    holder = lock.holder(folder)
    return Status(str(folder), "stopped" if holder is None else "running", 0, None, holder=holder)


def _content(folder: Path) -> dict[str, Any]:
    """Empty if it is not there, or not as `Writer` writes it."""
    try:
        found = json.loads(disk.read(folder / FILE))
        numbers = [found["left_seconds"]]
        for now in [Now(**each) for each in found["now"][:]]:  # TypeError: no list, or other fields
            datetime.now(UTC) - datetime.fromisoformat(now.since)  # ValueError, TypeError: no time with a zone
            numbers += [now.number, now.done, now.total, now.tokens_per_second, now.left_seconds]
        datetime.now(UTC) - datetime.fromisoformat(found["began"])
        return found if all(each is None or isinstance(each, int | float) for each in numbers) else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def _stamp() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
