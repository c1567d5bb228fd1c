"""A callback is heard in its block and its thread, and nowhere else."""

from __future__ import annotations

import threading

import pytest

from w2s.callback import Callback


def test_the_innermost_block_hears_and_the_outer_one_hears_again_after_it() -> None:
    ticks: Callback[[int]] = Callback("ticks")
    outer: list[int] = []
    inner: list[int] = []
    ticks.tell(0)
    with ticks.heard(outer.append):
        ticks.tell(1)
        with pytest.raises(ValueError, match="stopped"), ticks.heard(inner.append):
            ticks.tell(2)
            raise ValueError("stopped")
        ticks.tell(3)
    ticks.tell(4)
    assert (outer, inner) == ([1, 3], [2])


def test_another_thread_and_another_callback_are_not_heard() -> None:
    one: Callback[[int]] = Callback("one")
    other: Callback[[int]] = Callback("one")
    told: list[int] = []
    with one.heard(told.append):
        other.tell(1)
        thread = threading.Thread(target=one.tell, args=(2,))
        thread.start()
        thread.join()
    assert told == []
