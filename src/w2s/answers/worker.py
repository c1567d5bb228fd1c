"""A worker process of `w2s.answers.pool`: answers in, one JSON line each, readings out (ours).

Run as `python -m w2s.answers.worker SECONDS`. It imports SymPy, says that it is ready, and forks a child that reads. A
slow answer is given up inside the child, by a limit on its processor time; one that cannot be interrupted there (a huge
power is one instruction) is ended by killing the child at the wall clock. It ends when its standard input does.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType

from w2s.answers.channel import Channel

Read = Callable[[str], "str | None"]

_MEMORY = 1536 << 20  # bytes of address space; SymPy and its parser take about 150 MB
_PATIENCE = 0.7  # of the wall clock, as processor time, before an answer is given up without killing
_RECURSION = 5_000  # the parser takes about 25 frames a level, and nesting is bounded before it


class _Late(BaseException):
    """The processor time of an answer is used up. No library catches it as an Exception."""


def main(read: Read | None = None) -> None:
    """Serve standard input until it ends, then exit.

    Args:
        read: gives an answer's key; by default `w2s.answers.symbolic.key`.
    """
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    source, sink = _take_standard_streams()
    _limit_resources()
    if read is None:
        from w2s.answers import symbolic

        symbolic.prepare()
        read = symbolic.key
    os.write(sink, b"ready\n")
    if hasattr(os, "fork"):
        _guard(read, seconds, source, sink)
    else:
        _serve(read, seconds, source, sink)
    os._exit(0)  # tearing SymPy down would take longer than a reading


def _guard(read: Read, seconds: float, source: int, sink: int) -> None:
    gc.freeze()  # a child's collector shall not touch, and so copy, what it shares
    child = _Child(read, seconds, source, sink)
    with open(source, "rb", closefd=False) as requests:
        for request in requests:
            try:
                if child.gone():
                    child = _Child(read, seconds, source, sink)
                reply = child.ask(request.strip(), seconds)
            except (OSError, EOFError):  # late or dead
                child.kill()
                reply = b"[null, false]"
            os.write(sink, reply + b"\n")
            if child.pid is None:
                child = _Child(read, seconds, source, sink)
    child.kill()


class _Child:
    """The forked process that reads."""

    def __init__(self, read: Read, seconds: float, *not_its: int) -> None:
        request_source, request_sink = os.pipe()
        reply_source, reply_sink = os.pipe()
        self.pid: int | None = os.fork()
        if self.pid == 0:
            try:
                for end in (request_sink, reply_source, *not_its):
                    os.close(end)
                _serve(read, seconds, request_source, reply_sink)
            finally:
                os._exit(0)
        os.close(request_source)
        os.close(reply_sink)
        self._ends = (reply_source, request_sink)
        self._channel = Channel(*self._ends)

    def ask(self, request: bytes, seconds: float) -> bytes:
        self._channel.send(request)
        return self._channel.receive(seconds, self.kill)

    def gone(self) -> bool:
        """Whether it died while it had nothing to do."""
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
            os.write(sink, json.dumps(_reading(read, json.loads(request), seconds * _PATIENCE)).encode() + b"\n")


def _reading(read: Read, answer: str, seconds: float) -> tuple[str | None, bool]:
    try:
        with _processor_time(seconds):
            return read(answer), True
    except (_Late, MemoryError):
        return None, False
    except Exception:  # of which the libraries raise every kind: they cannot read it
        return None, True


@contextlib.contextmanager
def _processor_time(seconds: float) -> Iterator[None]:
    if not hasattr(signal, "setitimer"):
        yield
        return

    def late(number: int, frame: FrameType | None) -> None:
        raise _Late

    signal.signal(signal.SIGPROF, late)
    # Again and again, should a library swallow the first one. Caught outside by killing if it comes at a bad moment.
    signal.setitimer(signal.ITIMER_PROF, seconds, 0.05)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _take_standard_streams() -> tuple[int, int]:
    """Descriptors of the requests and replies; what libraries print or read goes nowhere."""
    source, sink = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return source, sink


def _limit_resources() -> None:
    sys.setrecursionlimit(_RECURSION)
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


if __name__ == "__main__":
    main()
