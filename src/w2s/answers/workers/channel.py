"""Lines between processes, with a deadline (ours)."""

from __future__ import annotations

import os
import select
import time

_LONGEST = 1 << 20  # bytes of a line


class Channel:
    """Lines over two pipe ends; OSError or EOFError: the other side is gone."""

    def __init__(self, source: int, sink: int) -> None:
        self._source, self._sink = source, sink
        self._buffer = b""

    def send(self, line: bytes) -> None:
        line += b"\n"
        while line:
            line = line[os.write(self._sink, line) :]

    def receive(self, seconds: float) -> bytes:
        deadline = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            if not self.ready(deadline - time.monotonic()):
                raise TimeoutError
            part = os.read(self._source, 1 << 16)
            self._buffer += part
            if not part or len(self._buffer) > _LONGEST:
                raise EOFError
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def ready(self, seconds: float) -> bool:
        if self._buffer:
            return True
        poller = select.poll()
        poller.register(self._source, select.POLLIN)
        return bool(poller.poll(max(0.0, seconds) * 1000))
