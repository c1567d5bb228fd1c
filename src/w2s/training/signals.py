"""Signals that stop a training wait for the end of its step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOPS = (signal.SIGINT, signal.SIGTERM)


class Waiting:
    """The signals that came since `deferred`."""

    def __init__(self) -> None:
        self.came: list[int] = []
        self.handlers: dict[int, Any] = {}

    def restore(self) -> None:
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        self.handlers.clear()

    def pass_on(self) -> None:
        """Do what the signals would have done."""
        self.restore()
        while self.came:
            signal.raise_signal(self.came.pop())


@contextmanager
def deferred(active: bool = True) -> Iterator[Waiting]:
    """Inside, a first SIGINT or SIGTERM waits for `Waiting.pass_on`, or for the end; a second acts at once.

    Only if `active`, and in the main thread: others get no signals.
    """
    waiting = Waiting()

    def wait(number: int, frame: FrameType | None) -> None:
        waiting.came.append(number)
        waiting.restore()

    if active and threading.current_thread() is threading.main_thread():
        for number in STOPS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):  # None: not Python's
                waiting.handlers[number] = signal.signal(number, wait)
    try:
        yield waiting
    finally:
        waiting.pass_on()
