"""One worker process as its pool sees it (ours)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import NamedTuple

from w2s.answers.workers.channel import Channel

START_SECONDS = 20.0
"""The longest wait for a start, usually a second."""


class WorkerResult(NamedTuple):
    """The result for one answer.

    Attributes:
        key: None if SymPy cannot read it either.
        decided: False if the time ran out or the worker died.
    """

    key: str | None
    decided: bool


class Worker:
    """One worker process that runs `module`; `seconds`: wall clock per answer."""

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
        self._pipes = (self.process.stdout, self.process.stdin)
        self._channel = Channel(self._pipes[0].fileno(), self._pipes[1].fileno())
        self.started = False
        self.expect_line(START_SECONDS)

    def expect_line(self, seconds: float) -> None:
        """Allow `seconds` for "ready" or a late reply."""
        self._deadline = time.monotonic() + seconds

    def ready(self) -> bool:
        """EOFError: it never will be."""
        if not self._channel.ready(0):
            if time.monotonic() > self._deadline:
                raise EOFError
            return False
        self._channel.receive(START_SECONDS)
        self.started = True
        return True

    def read(self, answer: str, seconds: float) -> WorkerResult:
        """TimeoutError: it owes a reply. EOFError, OSError: kill it."""
        self._channel.send(json.dumps(answer).encode())
        key, decided = json.loads(self._channel.receive(seconds))
        return WorkerResult(key, decided)

    def stop(self) -> None:
        """A thread that reads then gets EOFError."""
        with contextlib.suppress(OSError):
            if self.process.returncode is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)

    def kill(self) -> None:
        """Stop it; no other thread may read."""
        self.stop()
        self.close_pipes()

    def close_pipes(self) -> None:
        for pipe in self._pipes:
            with contextlib.suppress(OSError):
                pipe.close()

    def wait(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1)
        self.stop()

    def leave_to_parent(self) -> None:
        self.close_pipes()
        self.process.returncode = 0
