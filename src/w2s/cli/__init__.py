"""The command line: parse, call the Python API, print.

Exit codes: 0; 2: a user's error or a disk; 130, 143: SIGINT, SIGTERM; 1: ours.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType

from w2s.errors import UserError, system_error

_STOPPED = "w2s: stopped; the same command goes on"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    with _stoppable() as signals:
        try:
            code = _run(arguments)
            signals.ended = True
        except KeyboardInterrupt:
            code = 128 + signal.SIGINT
        if signals.came and code:  # after a signal, whatever else went wrong did so because of it
            code = 128 + signals.came[0]
        if code in (128 + signal.SIGINT, 128 + signal.SIGTERM):
            print(_STOPPED, file=sys.stderr)
    return code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        from w2s.cli.verbs import app

        app(args=None if arguments is None else list(arguments), prog_name="w2s")
    except UserError as error:
        print(f"w2s: {error}", file=sys.stderr)
        return 2
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except Exception as error:
        known = system_error(error)
        if known is not None:
            print(f"w2s: {known}", file=sys.stderr)
            return 2
        traceback.print_exc()
        print(f"w2s failed: {type(error).__name__}: {error}\nWhat was made stays made; this is a bug.", file=sys.stderr)
        return 1
    return 0


@dataclass
class _Signals:
    """Those that came; once the verb has `ended` they change nothing."""

    came: list[int] = field(default_factory=list)
    ended: bool = False


@contextlib.contextmanager
def _stoppable() -> Iterator[_Signals]:
    """A first SIGINT or SIGTERM raises KeyboardInterrupt; a second one of either kind kills."""
    signals = _Signals()

    def stop(number: int, frame: FrameType | None) -> None:
        if signals.ended:
            return
        signals.came.append(number)
        for taken in stopping:
            signal.signal(taken, signal.SIG_DFL)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    stopping = [number for number, handler in before.items() if handler is not signal.SIG_IGN]  # nohup, background
    for number in stopping:
        signal.signal(number, stop)
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
