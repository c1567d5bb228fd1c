"""Killable worker processes that read with SymPy what `canonical` cannot, each answer under a hard wall clock (ours).

SymPy can loop for hours on a line of LaTeX, and a signal-based limit needs the main thread. So the limit is kept from
outside, by killing: this works from threads, async code, notebooks and web servers alike. A worker is a guard, which
imports SymPy once, and a child forked from it, which reads (`w2s.answers.worker`): to kill and replace a child costs
milliseconds, not a second import. Whoever asked is answered in time even where the guard is late; should it stay late
or be dead, its whole process group is killed here.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.util
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import NamedTuple

from w2s.answers.channel import Channel

MAX_LENGTH = 2_000
"""Characters an answer may have to be sent to a worker."""
_SECONDS = 0.95
_MARGIN = 0.2  # from the guard's limit to ours: what killing and replying may take on a busy machine
_GRACE = 3.0  # for a guard that missed the limit: on a machine so busy, another start would take long
_START_SECONDS = 20.0  # a start takes one or two, on a loaded machine many; nobody waits longer for it
_FAILED_STARTS = 3
_CACHED = 20_000  # about 10 MB
_LOG = logging.getLogger(__name__)


class Reading(NamedTuple):
    """What a worker made of an answer.

    Attributes:
        key: its canonical key; None where Math-Verify and SymPy cannot read it either.
        decided: False where the wall clock ran out, the worker died, or there is none.
    """

    key: str | None
    decided: bool


UNDECIDED = Reading(None, decided=False)


class _Worker:
    """One worker process and the channel to it."""

    def __init__(self, module: str, seconds: float) -> None:
        path = [os.getcwd() if entry == "" else entry for entry in sys.path]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "OPENBLAS_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=environment,
            start_new_session=True,
        )
        assert self.process.stdin and self.process.stdout  # both are pipes
        self._ends = (self.process.stdout, self.process.stdin)
        self._channel = Channel(self._ends[0].fileno(), self._ends[1].fileno())
        self.started = False
        self.expect(_START_SECONDS)

    def expect(self, seconds: float) -> None:
        """It owes a line, by which it will be ready: "ready" itself, or the reply to an answer given up."""
        self._deadline = time.monotonic() + seconds

    def at_hand(self) -> bool:
        """Whether it is ready for answers by now. EOFError: it will never be."""
        if not self._channel.ready(0):
            if time.monotonic() > self._deadline:
                raise EOFError
            return False
        self._channel.receive(_START_SECONDS, self.stop)
        self.started = True
        return True

    def ask(self, answer: str, seconds: float) -> Reading:
        """Its reading of `answer`. TimeoutError, EOFError or OSError: it must be killed."""
        self._channel.send(json.dumps(answer).encode())
        key, decided = json.loads(self._channel.receive(seconds, self.stop))
        return Reading(key, decided)

    def stop(self) -> None:
        """End it and what it started, at once; whoever reads from it sees the end."""
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg") and self.process.returncode is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)

    def kill(self) -> None:
        """`stop`, and close the pipes: nobody else may be reading."""
        self.stop()
        self.hang_up()

    def hang_up(self) -> None:
        """Close the pipes, at which an idle worker ends."""
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.close()

    def end(self) -> None:
        """Wait for one that was hung up on; the guard thereby reaps its child, which not every init process does."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1)
        self.stop()

    def disown(self) -> None:
        """Give it up in the child of a fork: the process is not ours to wait for."""
        self.hang_up()
        self.process.returncode = 0


class Pool:
    """Workers that start when first needed, are shared by all threads, and are replaced when they hang or die.

    Args:
        workers: at most so many at a time; by default the number of cores, at most 4.
        seconds: the wall clock of one answer, counted from when a started worker gets it.
        module: the worker's module.
    """

    def __init__(
        self, workers: int | None = None, seconds: float = _SECONDS, module: str = "w2s.answers.worker"
    ) -> None:
        self.workers = workers or min(4, _cores())
        self.seconds = seconds
        self.module = module
        self._cache: OrderedDict[str, Reading] = OrderedDict()
        self._changed = threading.Condition()
        self._idle: list[_Worker] = []
        self._starting: list[_Worker] = []
        self._busy: list[_Worker] = []
        self._waiting = self._failures = 0
        _POOLS.add(self)

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, answer: str, until: float | None = None) -> Reading:
        """The reading of `answer`. Thread-safe; never raises for any answer; the first call also waits for a start.

        Args:
            answer: any text.
            until: a time of `time.monotonic`, at which it is undecided if it was not read before.
        """
        if len(answer) > MAX_LENGTH:
            return Reading(None, decided=True)
        with self._changed:
            known = self._cache.get(answer)
            if known is not None and known is not _TRIED_ONCE:
                self._cache.move_to_end(answer)
                return known
        worker = self._acquire(until)
        if worker is None:
            return UNDECIDED
        reading: Reading | None = None
        late = False
        left = self.seconds if until is None else until - time.monotonic()
        try:
            reading = worker.ask(answer, max(0.0, min(self.seconds, left)))
        except TimeoutError:
            reading = UNDECIDED
            worker.expect(_GRACE)
            late = True
        except (OSError, EOFError, ValueError):
            reading = UNDECIDED
            worker.kill()
        finally:
            if reading is None:  # KeyboardInterrupt and its like: its reply would be taken for the next answer's
                worker.kill()
            self._release(worker, late)
        if not reading.decided and left < self.seconds - _MARGIN:
            return reading  # it did not have its time
        with self._changed:
            # A second try for what may have been a busy machine; a third would cost a second for nothing.
            self._cache[answer] = reading if reading.decided or known is _TRIED_ONCE else _TRIED_ONCE
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        return reading

    def read_many(self, answers: Sequence[str], seconds: float | None = None) -> list[Reading]:
        """The readings of `answers`, in their order; equal ones are read once, and all workers are used.

        Args:
            answers: any texts.
            seconds: the wall clock for all of them, counted from when there is a worker; None: each has its own.
        """
        different = list(dict.fromkeys(answers))
        until = None if seconds is None else time.monotonic() + seconds + (0 if self._warm() else _START_SECONDS)
        if len(different) == 1 or self.workers == 1:
            read = {answer: self.read(answer, until) for answer in different}
        else:
            threads = ThreadPoolExecutor(self.workers, "w2s-answers")
            try:
                read = dict(zip(different, threads.map(lambda each: self.read(each, until), different), strict=True))
            finally:
                threads.shutdown(cancel_futures=True)
        return [read[answer] for answer in answers]

    def close(self) -> None:
        """End all workers, also those at work. A later `read` starts new ones."""
        with self._changed:
            idle, starting, busy = [*self._idle], [*self._starting], [*self._busy]
            self._idle.clear()
            self._starting.clear()
            self._failures = 0
        for worker in idle:
            worker.hang_up()
        for worker in starting:
            worker.kill()
        for worker in busy:  # who reads from it closes it
            worker.stop()
        for worker in idle:
            worker.end()

    def _warm(self) -> bool:
        with self._changed:
            self._take_in_started()
            return bool(self._busy) or any(worker.started for worker in (*self._idle, *self._starting))

    def _acquire(self, until: float | None) -> _Worker | None:
        patience = time.monotonic() + _START_SECONDS
        with self._changed:
            self._waiting += 1
            try:
                while True:
                    self._take_in_started()
                    if self._idle:
                        self._busy.append(self._idle.pop())
                        return self._busy[-1]
                    now = time.monotonic()
                    if self._failures >= _FAILED_STARTS or (until is not None and now >= until):
                        return None
                    if self._busy:
                        patience = now + _START_SECONDS
                    elif now >= patience:
                        return None
                    if len(self._starting) < min(self._waiting, self.workers - len(self._busy)):
                        self._start()
                    self._changed.wait(0.01)  # for another thread's worker, or for one to start
            finally:
                self._waiting -= 1

    def _start(self) -> None:
        try:
            self._starting.append(_Worker(self.module, self.seconds - _MARGIN))
        except (OSError, ValueError) as error:
            self._failed(error)

    def _take_in_started(self) -> None:
        for worker in [*self._idle]:
            if worker.process.poll() is not None:
                self._idle.remove(worker)
                worker.kill()
        for worker in [*self._starting]:
            try:
                if worker.at_hand():
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

    def _release(self, worker: _Worker, late: bool) -> None:
        with self._changed:
            if worker in self._busy:  # not in the child of a fork
                self._busy.remove(worker)
                if worker.process.returncode is None:
                    (self._starting if late else self._idle).append(worker)
                else:
                    worker.hang_up()
            self._changed.notify()

    def leave_to_parent(self) -> None:
        """Forget the workers, in the child of a fork: they are the parent's, and its threads may hold the lock."""
        self._changed = threading.Condition()
        for workers in (self._idle, self._starting, self._busy):
            for worker in workers:
                worker.disown()
            workers.clear()
        self._waiting = self._failures = 0


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _after_fork() -> None:
    for pool in [*_POOLS]:
        pool.leave_to_parent()


_TRIED_ONCE = Reading(None, decided=False)  # told from UNDECIDED by identity
_POOLS: weakref.WeakSet[Pool] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
_SHARED = Pool()


@functools.cache
def available() -> bool:
    """Whether the libraries that read mathematics symbolically are installed (extra `math`)."""
    return all(importlib.util.find_spec(name) is not None for name in ("latex2sympy2_extended", "sympy"))


def read(answer: str) -> Reading:
    """What SymPy makes of `answer`, within a second; undecided at once without the libraries. Never raises."""
    return _SHARED.read(answer) if available() else UNDECIDED


def read_many(answers: Sequence[str], seconds: float | None = None) -> list[Reading]:
    """`read` for each of `answers`, in order, with all workers busy; `seconds` as `Pool.read_many`."""
    return _SHARED.read_many(answers, seconds) if available() else [UNDECIDED] * len(answers)


@atexit.register
def close() -> None:
    """End the shared workers; called at exit. A later `read` starts new ones."""
    _SHARED.close()
