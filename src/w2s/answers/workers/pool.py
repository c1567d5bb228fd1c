"""Worker processes that read with SymPy, each answer within a second (ours)."""

from __future__ import annotations

import atexit
import functools
import importlib.util
import logging
import os
import sys
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from w2s.answers.workers import process
from w2s.answers.workers.process import Worker, WorkerResult

MAX_LENGTH = 2_000
"""Characters of the longest answer for a worker."""
UNDECIDED = WorkerResult(None, decided=False)

_SECONDS = 0.95
_MARGIN = 0.2  # from the supervisor's limit to ours: what killing and replying may take on a busy machine
_GRACE = 3.0  # for a supervisor that missed the limit: on a machine so busy, another start would take long
_FAILED_STARTS = 3
_CACHED = 20_000  # about 10 MB
_REMEMBERED = 100_000  # about 30 MB
_LOG = logging.getLogger(__name__)
_TRIED_ONCE = WorkerResult(None, decided=False)  # apart from UNDECIDED by identity


class Pool:
    """Workers that start when needed, serve all threads, and are replaced when they hang or die.

    `workers`: default the cores, at most 4. `seconds`: wall clock per answer.
    """

    def __init__(
        self, workers: int | None = None, seconds: float = _SECONDS, module: str = "w2s.answers.workers.worker"
    ) -> None:
        self.workers = workers or min(4, _cores())
        self.seconds = seconds
        self.module = module
        self._cache: OrderedDict[str, WorkerResult] = OrderedDict()
        self._changed = threading.Condition()
        self._idle: list[Worker] = []
        self._starting: list[Worker] = []
        self._busy: list[Worker] = []
        self._waiting = self._failures = 0
        _POOLS.add(self)

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, answer: str, until: float | None = None) -> WorkerResult:
        """The result, undecided at `until` (`time.monotonic`). Never raises."""
        if len(answer) > MAX_LENGTH:
            return WorkerResult(None, decided=True)
        with self._changed:
            known = self._cache.get(answer)
            if known is not None and known is not _TRIED_ONCE:
                self._cache.move_to_end(answer)
                return known
        worker = self._acquire(until)
        if worker is None:
            return UNDECIDED
        result: WorkerResult | None = None
        late = False
        left = self.seconds if until is None else until - time.monotonic()
        try:
            result = worker.read(answer, max(0.0, min(self.seconds, left)))
        except TimeoutError:
            result = UNDECIDED
            worker.expect_line(_GRACE)
            late = True
        except (OSError, EOFError, ValueError):
            result = UNDECIDED
            worker.kill()
        finally:
            if result is None:  # KeyboardInterrupt and its like: the reply would be taken for the next answer's
                worker.kill()
            self._release(worker, late)
        if not result.decided and left < self.seconds - _MARGIN:
            return result  # it did not have its time
        with self._changed:
            # A second try for what may have been a busy machine; a third would cost a second for nothing.
            self._cache[answer] = result if result.decided or known is _TRIED_ONCE else _TRIED_ONCE
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        return result

    def read_many(self, answers: Sequence[str], seconds: float | None = None) -> list[WorkerResult]:
        """The results in order; `seconds`: wall clock together."""
        different = list(dict.fromkeys(answers))
        until = None if seconds is None else time.monotonic() + seconds + (0 if self._warm() else process.START_SECONDS)
        if len(different) == 1 or self.workers == 1:
            results = {answer: self.read(answer, until) for answer in different}
        else:
            threads = ThreadPoolExecutor(self.workers, "w2s-answers")
            try:
                read = threads.map(lambda each: self.read(each, until), different)
                results = dict(zip(different, read, strict=True))
            finally:
                threads.shutdown(cancel_futures=True)
        return [results[answer] for answer in answers]

    def close(self) -> None:
        with self._changed:
            idle, starting, busy = [*self._idle], [*self._starting], [*self._busy]
            self._idle.clear()
            self._starting.clear()
            self._failures = 0
        for worker in idle:
            worker.close_pipes()
        for worker in starting:
            worker.kill()
        for worker in busy:  # the thread that reads from it closes it
            worker.stop()
        for worker in idle:
            worker.wait()

    def _warm(self) -> bool:
        with self._changed:
            self._collect_started()
            return bool(self._busy) or any(worker.started for worker in (*self._idle, *self._starting))

    def _acquire(self, until: float | None) -> Worker | None:
        give_up = time.monotonic() + process.START_SECONDS
        with self._changed:
            self._waiting += 1
            try:
                while True:
                    self._collect_started()
                    if self._idle:
                        self._busy.append(self._idle.pop())
                        return self._busy[-1]
                    now = time.monotonic()
                    if self._failures >= _FAILED_STARTS or (until is not None and now >= until):
                        return None
                    if self._busy:
                        give_up = now + process.START_SECONDS
                    elif now >= give_up:
                        return None
                    if len(self._starting) < min(self._waiting, self.workers - len(self._busy)):
                        self._start()
                    self._changed.wait(0.01)  # for another thread's worker, or for one to start
            finally:
                self._waiting -= 1

    def _start(self) -> None:
        try:
            self._starting.append(Worker(self.module, self.seconds - _MARGIN))
        except (OSError, ValueError) as error:
            self._failed(error)

    def _collect_started(self) -> None:
        for worker in [*self._idle]:
            if worker.process.poll() is not None:
                self._idle.remove(worker)
                worker.kill()
        for worker in [*self._starting]:
            try:
                if worker.ready():
                    self._starting.remove(worker)
                    self._idle.append(worker)
                    self._failures = 0
            except (OSError, EOFError, ValueError) as error:
                self._starting.remove(worker)
                worker.kill()
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        if self._failures == _FAILED_STARTS:
            _LOG.warning("no Math-Verify worker starts (%r); see: %s -m %s", error, sys.executable, self.module)

    def _release(self, worker: Worker, late: bool) -> None:
        with self._changed:
            if worker in self._busy:  # not in the child of a fork
                self._busy.remove(worker)
                if worker.process.returncode is None:
                    (self._starting if late else self._idle).append(worker)
                else:
                    worker.close_pipes()
            self._changed.notify()

    def leave_to_parent(self) -> None:
        self._changed = threading.Condition()
        for workers in (self._idle, self._starting, self._busy):
            for worker in workers:
                worker.leave_to_parent()
            workers.clear()
        self._waiting = self._failures = 0


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _after_fork() -> None:
    for pool in [*_POOLS]:
        pool.leave_to_parent()


_POOLS: weakref.WeakSet[Pool] = weakref.WeakSet()
os.register_at_fork(after_in_child=_after_fork)
_SHARED = Pool()
_DECIDED: dict[str, WorkerResult] = {}


@functools.cache
def available() -> bool:
    """Whether the extra `math` is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("latex2sympy2_extended", "sympy"))


def read(answer: str) -> WorkerResult:
    """SymPy's result for `answer`; undecided without the extra `math`. Never raises."""
    return _SHARED.read(answer) if available() else UNDECIDED


def read_many(answers: Sequence[str], seconds: float | None = None) -> list[WorkerResult]:
    """`read` for each answer; `seconds`: wall clock together."""
    return _SHARED.read_many(answers, seconds) if available() else [UNDECIDED] * len(answers)


def results(unread: Mapping[str, str], seconds: float | None = None) -> dict[str, WorkerResult]:
    """The results by text key, of one answer per key.

    A text keeps its first decided result.
    """
    if not available():
        return {}
    known = {key: _DECIDED[key] for key in unread if key in _DECIDED}
    missing = {key: answer for key, answer in unread.items() if key not in known}
    if missing:
        for key, result in zip(missing, read_many(list(missing.values()), seconds), strict=True):
            remember = result.decided and len(_DECIDED) < _REMEMBERED
            known[key] = _DECIDED.setdefault(key, result) if remember else result
    return known


def forget() -> None:
    """Forget all results by text."""
    _DECIDED.clear()


@atexit.register
def close() -> None:
    """End the shared workers, at exit too."""
    _SHARED.close()
