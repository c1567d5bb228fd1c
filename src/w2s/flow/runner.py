"""Reuses, runs or skips steps. Safe to kill and to start again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from w2s.config.schema import Runtime
from w2s.data import disk
from w2s.errors import BranchEnds, UserError
from w2s.flow.decisions import decide, in_words, recorded, replaced
from w2s.flow.lock import Lock
from w2s.flow.observer import Observer, Silent, StepOutcome, measured, notify
from w2s.flow.provenance import memory_peak, provenance
from w2s.flow.step import Context, Step, ordered
from w2s.flow.store import SCHEMA, Store

_log = logging.getLogger(__name__)


def run(
    steps: Sequence[Step],
    folder: Path,
    runtime: Runtime,
    observer: Observer | None = None,
    processes: Any = None,
    *,
    replace: bool = False,
    last: Callable[[], None] | None = None,
) -> dict[str, StepOutcome]:
    """Run the steps and their inputs; outcomes by name, inputs first. `last` is called while the folder is still held.

    Raises:
        UserError: another process uses the folder; finished work would be replaced without `replace`; a step's input is
            bad or has changed; the disk is full or refuses. Finished steps stay.
    """
    order = ordered(steps)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot be used as a run folder ({error.strerror})", file=folder) from error
    store = Store(folder.absolute())  # another process, in another folder, may use its paths
    with disk.writing(folder), Lock(folder) as lock:
        if not replace:
            refuse_to_replace(order, folder)
        this = _Run(order, store, lock, runtime, observer or Silent(), processes)
        if runtime.launcher == "ray":
            _side_by_side(this)
        else:
            this.begin()
            for step in order:
                this.take(step)
        this.reach(durable=True)
        store.sweep(ended=True)
        if last is not None:
            last()
    return {step.name: this.outcomes[step.name] for step in order}


def refuse_to_replace(order: Sequence[Step], folder: Path) -> None:
    """UserError: finished work of other settings would be replaced."""
    if found := replaced(order, folder):
        raise UserError(
            f"finished work of other settings would be replaced:{in_words(found, most=3)}",
            file=folder,
            hint="--out NEW keeps it, --replace replaces it; `w2s plan` names all, and what differs",
        )


class _Run:
    def __init__(
        self, order: list[Step], store: Store, lock: Lock, runtime: Runtime, observer: Observer, processes: Any
    ) -> None:
        self.order, self.runtime = order, runtime
        self._store, self._lock, self._observer, self._processes = store, lock, observer, processes
        self._numbers = {step.name: number for number, step in enumerate(order, start=1)}
        self.outcomes: dict[str, StepOutcome] = {}
        self._one_at_a_time = threading.Lock()

    def begin(self) -> None:
        self._store.sweep()
        self._store.reach((), len(self.order), durable=True)

    def take(self, step: Step) -> None:
        with disk.writing(self._store.folder / (step.output or f"records/{step.name}.json")):
            self._take(step)

    def _take(self, step: Step) -> None:
        store, observer = self._store, self._observer
        decision, reason = decide(step, store, self.outcomes)
        if decision == "run" and step.name in store.names():
            _log.warning("%s is made again: %s", step.name, reason)
        if decision == "skip":
            store.remove(step)  # of another identity: it must not be taken for this run's
            outcome = StepOutcome("skipped", message=reason)
        elif decision == "reuse":
            store.tidy(step)
            outcome = recorded(store.record(step.name) or {}, reused=True)
        else:
            self._verify_inputs(step)
            observer.started(step, reason, self._numbers[step.name], len(self.order))
            context = self._context(step)
            resumed = store.partial(step)
            started, clock = datetime.now(UTC), time.perf_counter()
            status, message, result = "done", "", {}
            try:
                result = step.run(context)
            except BranchEnds as end:
                status, message = "ended", str(end)
            seconds = round(time.perf_counter() - clock, 3)
            self._lock.check()
            facts = _record(step, store, started) | {"status": status, "message": message, "result": result}
            outcome = recorded(store.commit(step, facts | {"seconds": seconds, "resumed": resumed}), reused=False)
        with self._one_at_a_time:
            self.outcomes[step.name] = outcome
            self.reach()
        store.remember_hashes()
        notify(observer, step, outcome)

    def reach(self, *, durable: bool = False) -> None:
        skipped = [name for name, outcome in self.outcomes.items() if outcome.status == "skipped"]
        reached = [step for step in self.order if step.name in self.outcomes]
        self._store.reach(reached, len(self.order), skipped=skipped, durable=durable)

    def _verify_inputs(self, step: Step) -> None:
        """Refuse inputs that changed since they were made."""
        for needed in step.inputs.values():
            if self.outcomes[needed.name].status != "done":
                continue
            record = self._store.record(needed.name)
            damage = f"record missing: {needed.name}" if record is None else self._store.damage(record)
            if damage:
                hint = "leave the folder alone while it is in use; the same command makes the output again"
                raise UserError(f"{damage}; {step.name} needs it", file=self._store.folder, hint=hint)

    def _context(self, step: Step) -> Context[Any]:
        store, observer = self._store, self._observer
        output, scratch = store.open(step)
        return Context(
            params=step.params,
            inputs={
                role: store.folder / needed.output
                for role, needed in step.inputs.items()
                if needed.output and self.outcomes[needed.name].status == "done"
            },
            results={role: self.outcomes[needed.name].result for role, needed in step.inputs.items()},
            output=output,
            scratch=scratch,
            cache=store.folder / ".cache",
            runtime=self.runtime,
            progress=lambda done, total, tokens=0: observer.progress(step, done, total, tokens),
            resources=step.resources,
            show=lambda text: observer.shown(step, text),
            processes=self._processes,
            measure=lambda number, values: measured(observer, step, number, values),
        )


def _side_by_side(this: _Run) -> None:
    """After an error the running steps still finish."""
    from w2s.flow import ray

    cluster = ray.begin(this.runtime)
    this.begin()
    waiting, running = list(this.order), set[Future[None]]()
    with ThreadPoolExecutor(this.runtime.side_by_side) as threads:
        try:
            while waiting or running:
                ready = [s for s in waiting if all(needed.name in this.outcomes for needed in s.inputs.values())]
                for step in ready[: this.runtime.side_by_side - len(running)]:
                    waiting.remove(step)
                    running.add(threads.submit(this.take, step))
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for ended in done:
                    ended.result()
        except KeyboardInterrupt:
            ray.shutdown(cluster)  # else the threads would wait for their workers
            raise


def _record(step: Step, store: Store, started: datetime) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "name": step.name,
        "kind": step.kind,
        "fingerprint": step.fingerprint,
        "payload": step.payload,
        "inputs": {
            role: {
                "step": needed.name,
                "fingerprint": needed.fingerprint,
                "digest": (store.record(needed.name) or {}).get("digest"),
            }
            for role, needed in step.inputs.items()
        },
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "provenance": provenance(),
        "memory_peak": memory_peak(),
    }
