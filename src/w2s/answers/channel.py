"""Lines between processes, with a deadline (ours)."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable

_LINE = 1 << 20


class Channel:
    """Lines over two pipe ends, received with a deadline."""

    def __init__(self, source: int, sink: int) -> None:
        self._ends = (source, sink)
        self._received = b""

    def send(self, line: bytes) -> None:
        """Send one line (without its end). OSError: the other side is gone."""
        line += b"\n"
        while line:
            line = line[os.write(self._ends[1], line) :]

    def receive(self, seconds: float, stop: Callable[[], object]) -> bytes:
        """The next line; TimeoutError after `seconds`, EOFError where the other side is gone.

        `stop` ends the other side; it is called, at the deadline, only where pipes cannot be polled (Windows).
        """
        deadline = time.monotonic() + seconds
        timer = None if hasattr(select, "poll") else threading.Timer(seconds, stop)
        if timer:
            timer.start()
        try:
            while b"\n" not in self._received:
                if not self.ready(deadline - time.monotonic()):
                    raise TimeoutError
                part = os.read(self._ends[0], 1 << 16)
                self._received += part
                if not part or len(self._received) > _LINE:
                    raise EOFError
        finally:
            if timer:
                timer.cancel()
        line, _, self._received = self._received.partition(b"\n")
        return line

    def ready(self, seconds: float) -> bool:
        """Whether something can be read within `seconds` without waiting. Always true on Windows."""
        if self._received or not hasattr(select, "poll"):
            return True
        poller = select.poll()
        poller.register(self._ends[0], select.POLLIN)
        return bool(poller.poll(max(0.0, seconds) * 1000))
