"""Takes steps in order and reuses, runs or skips each; `plan` says the same beforehand and computes nothing.

With Ray, steps that do not need each other run side by side.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from w2s.config import Runtime
from w2s.costs import NO_WORK, Work
from w2s.errors import BranchEnds, UserError
from w2s.flow import fingerprint
from w2s.flow.lock import Lock
from w2s.flow.provenance import provenance
from w2s.flow.step import Context, Step, ordered
from w2s.flow.store import SCHEMA, Store

Decision = Literal["reuse", "run", "rerun", "skip"]
"""`run`: there is no output that can be used. `rerun`: there is one, of another identity. `skip`: an input ended."""


@dataclass(frozen=True)
class PlannedStep:
    """What `run` would do with a step, and why; seconds are None where nothing is known about its speed.

    `rate` says by what its speed is known (`Step.rate`); tokens, seconds and work are none where it is not run.
    """

    name: str
    kind: str
    decision: Decision
    reason: str
    expected_tokens: int
    expected_seconds: float | None
    rate: str = ""
    work: Work = NO_WORK


@dataclass(frozen=True)
class StepOutcome:
    """How a step came out; `message` says why it ended or was skipped. `seconds` is what making it once took."""

    status: Literal["done", "ended", "skipped"]
    result: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    reused: bool = False
    message: str = ""


Outcome = dict[str, StepOutcome]
"""By step name, in the order taken."""


class Observer(Protocol):
    """Is told what happens. Each step: `reused`, `skipped`, or `started` and then `finished`; `ended` for either."""

    def started(self, step: Step, reason: str, number: int, of: int) -> None:
        """Step `number` (from 1) `of` all begins."""

    def progress(self, step: Step, done: int, total: int, tokens: int) -> None:
        """`done` of `total` units of the running step, and the tokens so far (0: not counted); often."""

    def shown(self, step: Step, text: str) -> None:
        """The running step has something for people to look at, of some lines."""

    def finished(self, step: Step, outcome: StepOutcome) -> None:
        """The record is written."""

    def ended(self, step: Step, outcome: StepOutcome) -> None:
        """The step has nothing to work on: now, or (`outcome.reused`) in an earlier run."""

    def reused(self, step: Step, outcome: StepOutcome) -> None:
        """The record of an earlier run stands."""

    def skipped(self, step: Step, outcome: StepOutcome) -> None:
        """A step that it needs ended or was skipped."""


class Silent:
    """Observes and says nothing."""

    def started(self, step: Step, reason: str, number: int, of: int) -> None: ...
    def progress(self, step: Step, done: int, total: int, tokens: int) -> None: ...
    def shown(self, step: Step, text: str) -> None: ...
    def finished(self, step: Step, outcome: StepOutcome) -> None: ...
    def ended(self, step: Step, outcome: StepOutcome) -> None: ...
    def reused(self, step: Step, outcome: StepOutcome) -> None: ...
    def skipped(self, step: Step, outcome: StepOutcome) -> None: ...


def plan(steps: Sequence[Step], folder: Path, rates: Mapping[str, float] | None = None) -> list[PlannedStep]:
    """What `run` would do. Reads records only, writes nothing.

    Args:
        steps: the steps asked for; those they need are added.
        folder: the run's folder, which need not exist.
        rates: tokens a second by `Step.rate`, for those of which this folder has no record yet.
    """
    store = Store(folder)
    speeds = {**(rates or {}), **recorded_rates(steps, folder)}
    known: Outcome = {}
    planned = []
    for step in ordered(steps):
        decision, reason = _decide(step, store, known)
        record = store.record(step.name)
        tokens, seconds, work = 0, 0.0 if decision in ("reuse", "skip") else None, NO_WORK
        if decision == "skip":
            known[step.name] = StepOutcome("skipped", message=reason)
        elif decision == "reuse" and record:
            known[step.name] = _outcome(record, reused=True)
        else:
            tokens, speed, work = step.expected_tokens, speeds.get(step.rate), step.work
            seconds = tokens / speed if tokens and speed else record["seconds"] if record else None
        planned.append(PlannedStep(step.name, step.kind, decision, reason, tokens, seconds, step.rate, work))
    return planned


def recorded_rates(steps: Sequence[Step], folder: Path) -> dict[str, float]:
    """Tokens a second by `Step.rate`, over this folder's records; a resumed step timed only its last part."""
    rates = {step.name: step.rate for step in ordered(steps)}
    spent: dict[str, tuple[int, float]] = {}
    for record in Store(folder).records():
        made, seconds = record["result"].get("tokens"), record["seconds"]
        if isinstance(made, int) and made > 0 and seconds > 0 and not record["resumed"] and record["name"] in rates:
            rate = rates[record["name"]]
            before = spent.get(rate, (0, 0.0))
            spent[rate] = (before[0] + made, before[1] + seconds)
    return {rate: tokens / seconds for rate, (tokens, seconds) in spent.items()}


def run(steps: Sequence[Step], folder: Path, runtime: Runtime, observer: Observer | None = None) -> Outcome:
    """Bring every step to its end, reusing what is made. Safe to kill at any time and to start again.

    Raises:
        UserError: another process is in the folder, or a step found bad input. What was made stays made.
    """
    observer = observer or Silent()
    order = ordered(steps)
    outcome: Outcome = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot be used as a run folder ({error.strerror})", file=folder) from error
    store = Store(folder.absolute())  # steps get its paths, and may use them in another process and folder
    at_once = runtime.side_by_side if runtime.launcher == "ray" else 1
    with Lock(folder) as lock, _executor(runtime, at_once) as executor:
        store.sweep()
        waiting, running = list(order), dict[Future[dict[str, Any]], Step]()
        while waiting or running:
            store.reach([s for s in order if s.name in outcome], durable=not outcome)
            step = next((s for s in waiting if all(n.name in outcome for n in s.inputs.values())), None)
            if step is None or len(running) == at_once:
                for ended in wait(running, return_when=FIRST_COMPLETED).done:
                    made = running.pop(ended)
                    outcome[made.name] = _outcome(ended.result(), reused=False)
                    _tell(observer, made, outcome[made.name])
                continue
            waiting.remove(step)
            decision, reason = _decide(step, store, outcome)
            if decision in ("run", "rerun"):
                observer.started(step, reason, order.index(step) + 1, len(order))
                results = {role: outcome[needed.name].result for role, needed in step.inputs.items()}
                running[executor.submit(_make, step, store, lock, runtime, observer, results)] = step
                continue
            if decision == "skip":
                store.remove(step)  # of another identity: it must not be taken for this run's
                outcome[step.name] = StepOutcome("skipped", message=reason)
            else:
                store.tidy(step)
                outcome[step.name] = _outcome(store.record(step.name) or {}, reused=True)
            _tell(observer, step, outcome[step.name])
        store.reach(order, durable=True)
        store.sweep()
    return {step.name: outcome[step.name] for step in order}


@contextmanager
def _executor(runtime: Runtime, at_once: int) -> Iterator[Executor]:
    """What makes steps: this thread, or one thread a step where Ray's workers do the work.

    An error in one step lets the others that are under way come to their end, and their records be written.
    """
    if runtime.launcher == "local":
        yield _Inline()
        return
    from w2s.flow import ray

    connection = ray.connect(runtime)
    with ThreadPoolExecutor(at_once) as executor:
        try:
            yield executor
        except KeyboardInterrupt:
            connection.shutdown()  # the threads would wait for their workers
            raise


class _Inline(Executor):
    def submit(self, call: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(call(*arguments, **keywords))
        except Exception as error:
            future.set_exception(error)
        return future


def _tell(observer: Observer, step: Step, outcome: StepOutcome) -> None:
    tell = {"skipped": observer.skipped, "ended": observer.ended}.get(outcome.status)
    (tell or (observer.reused if outcome.reused else observer.finished))(step, outcome)


def _outcome(record: Mapping[str, Any], *, reused: bool) -> StepOutcome:
    return StepOutcome(record["status"], record["result"], record["seconds"], reused, record["message"])


def _decide(step: Step, store: Store, known: Outcome) -> tuple[Decision, str]:
    """`known` has the earlier steps whose records are those of this run, and those that were skipped."""
    for name in (needed.name for needed in step.inputs.values()):
        if name in known and known[name].status != "done":
            message = known[name].message
            return "skip", f"{name} ended: {message}" if known[name].status == "ended" else message
    record = store.record(step.name)
    if record is None:
        return "run", "partial work is continued" if store.partial(step) else "not made yet"
    if record["fingerprint"] != step.fingerprint:
        return "rerun", _why(step, record, known)
    if record["output"] != step.output:
        return "rerun", f"output moves from {record['output']} to {step.output}"
    for role, needed in step.inputs.items():
        made = store.record(needed.name) if needed.name in known else None
        if made and made["digest"] != record["inputs"][role]["digest"]:
            return "rerun", f"input {role} has other content"
    damage = store.damage(record)
    return ("run", damage) if damage else ("reuse", "unchanged")


def _why(step: Step, record: Mapping[str, Any], known: Outcome) -> str:
    reasons = fingerprint.differences(record["payload"], step.payload)
    for role in sorted({*step.inputs, *record["inputs"]}):
        if role not in step.inputs or role not in record["inputs"]:
            reasons.append(f"input {role} {'added' if role in step.inputs else 'removed'}")
        elif step.inputs[role].fingerprint != record["inputs"][role]["fingerprint"]:
            name = step.inputs[role].name
            reasons.append(f"input {role} {'changed' if name in known and known[name].reused else 'reruns'}")
    return "; ".join(reasons[:3]) + (f"; {len(reasons) - 3} more" if len(reasons) > 3 else "")


def _make(
    step: Step,
    store: Store,
    lock: Lock,
    runtime: Runtime,
    observer: Observer,
    results: Mapping[str, dict[str, Any]],
) -> dict[str, Any]:
    resumed = store.partial(step)
    output, scratch = store.open(step)
    context = Context(
        params=step.params,
        inputs={role: store.folder / needed.output for role, needed in step.inputs.items() if needed.output},
        results=results,
        output=output,
        scratch=scratch,
        cache=store.folder / ".cache",
        runtime=runtime,
        progress=lambda done, total, tokens=0: observer.progress(step, done, total, tokens),
        given=step.given,
        show=lambda text: observer.shown(step, text),
    )
    started, clock = datetime.now(UTC), time.perf_counter()
    status, message, result = "done", "", {}
    try:
        result = step.run(context)
    except BranchEnds as end:
        status, message = "ended", str(end)
    seconds = round(time.perf_counter() - clock, 3)
    lock.check()
    record = {
        "schema": SCHEMA,
        "name": step.name,
        "kind": step.kind,
        "status": status,
        "message": message,
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
        "result": result,
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": seconds,
        "resumed": resumed,
        "provenance": provenance(),
    }
    return store.commit(step, record)
