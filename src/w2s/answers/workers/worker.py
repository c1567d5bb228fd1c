"""The worker process of `workers.pool`: answers in, results out, one JSON line each (ours).

A supervisor forks a child that reads, and kills it at the wall clock.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType

from w2s.answers.workers.channel import Channel

Read = Callable[[str], "str | None"]

_MEMORY = 1536 << 20  # bytes of address space; SymPy and its parser take about 150 MB
_PROCESSOR_SHARE = 0.7  # of the wall clock, as processor time, before an answer is given up without killing
_RECURSION = 5_000  # the parser takes about 25 frames a level, and nesting is bounded before it


class _Late(BaseException):
    """Processor time is used up; no `except Exception` catches it."""


def main(read: Read | None = None) -> None:
    """Serve standard input until it ends, then exit."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    source, sink = _take_standard_streams()
    _limit_resources()
    if read is None:
        from w2s.answers.math import symbolic

        symbolic.prepare()
        read = symbolic.key
    os.write(sink, b"ready\n")
    _supervise(read, seconds, source, sink)
    os._exit(0)  # tearing SymPy down would take longer than an answer


def _supervise(read: Read, seconds: float, source: int, sink: int) -> None:
    gc.freeze()  # a child's collector must not touch, and so copy, shared memory
    child = _Child(read, seconds, source, sink)
    with open(source, "rb", closefd=False) as requests:
        for request in requests:
            try:
                if child.dead():
                    child = _Child(read, seconds, source, sink)
                reply = child.read(request.strip(), seconds)
            except (OSError, EOFError):  # late or dead
                child.kill()
                reply = b"[null, false]"
            os.write(sink, reply + b"\n")
            if child.pid is None:
                child = _Child(read, seconds, source, sink)
    child.kill()


class _Child:
    def __init__(self, read: Read, seconds: float, *supervisor_only: int) -> None:
        request_source, request_sink = os.pipe()
        reply_source, reply_sink = os.pipe()
        self.pid: int | None = os.fork()
        if self.pid == 0:
            try:
                for end in (request_sink, reply_source, *supervisor_only):
                    os.close(end)
                _serve(read, seconds, request_source, reply_sink)
            finally:
                os._exit(0)
        os.close(request_source)
        os.close(reply_sink)
        self._ends = (reply_source, request_sink)
        self._channel = Channel(*self._ends)

    def read(self, request: bytes, seconds: float) -> bytes:
        self._channel.send(request)
        return self._channel.receive(seconds)

    def dead(self) -> bool:
        if self.pid is not None and os.waitpid(self.pid, os.WNOHANG)[0]:
            self.pid = None
            self._close()
        return self.pid is None

    def kill(self) -> None:
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = None
            self._close()

    def _close(self) -> None:
        for end in self._ends:
            os.close(end)


def _serve(read: Read, seconds: float, source: int, sink: int) -> None:
    with open(source, "rb", closefd=False) as requests:
        for request in requests:
            os.write(sink, json.dumps(_result(read, json.loads(request), seconds * _PROCESSOR_SHARE)).encode() + b"\n")


def _result(read: Read, answer: str, seconds: float) -> tuple[str | None, bool]:
    try:
        with _processor_time(seconds):
            return read(answer), True
    except (_Late, MemoryError):
        return None, False
    except Exception:  # the libraries raise every kind for what they cannot read
        return None, True


@contextlib.contextmanager
def _processor_time(seconds: float) -> Iterator[None]:
    def late(number: int, frame: FrameType | None) -> None:
        raise _Late

    signal.signal(signal.SIGPROF, late)
    # Again and again, as a library may swallow the first one. If it comes at a bad moment, the supervisor kills.
    signal.setitimer(signal.ITIMER_PROF, seconds, 0.05)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _take_standard_streams() -> tuple[int, int]:
    source, sink = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return source, sink


def _limit_resources() -> None:
    sys.setrecursionlimit(_RECURSION)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


if __name__ == "__main__":
    main()
