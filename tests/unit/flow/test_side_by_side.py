"""Steps side by side, as on a Ray cluster; the steps here need no cluster."""

from __future__ import annotations

import signal
import sys
import time
from types import SimpleNamespace

import pytest

from w2s.config.schema import Runtime
from w2s.errors import UserError
from w2s.flow import ray, runner
from w2s.flow.step import Step
from w2s.flow.store import Store

CALLS: list[str] = []


@pytest.fixture(autouse=True)
def _no_calls():
    CALLS.clear()


def numbers(context):
    CALLS.append("numbers")
    return {}


def waits(context):
    """Ends when the other step of its kind has begun too."""
    (context.cache.parent / f"begun-{context.params['n']}").touch()
    for _ in range(1000):
        if len(list(context.cache.parent.glob("begun-*"))) == 2:
            CALLS.append(f"waits {context.params['n']}")
            if context.params["n"] == context.params.get("fails"):
                raise UserError("bad input")
            return {}
        time.sleep(0.01)
    raise TimeoutError("the other step did not begin")


@pytest.fixture
def side_by_side(monkeypatch):
    """Steps in threads, without a cluster: they need none themselves."""
    monkeypatch.setattr(ray, "begin", lambda runtime: None)
    return Runtime(launcher="ray", side_by_side=2)


def test_steps_that_do_not_need_each_other_run_side_by_side(tmp_path, side_by_side):
    both = [Step(f"w{n}", waits, {"n": n}) for n in (1, 2)]
    below = Step("numbers", numbers, {}, {"a": both[0], "b": both[1]})
    outcome = runner.run([below], tmp_path, side_by_side)
    assert list(outcome) == ["w1", "w2", "numbers"] and {o.status for o in outcome.values()} == {"done"}
    assert sorted(CALLS[:2]) == ["waits 1", "waits 2"] and CALLS[2:] == ["numbers"]
    assert list(Store(tmp_path).reached()) == ["w1", "w2", "numbers"]
    assert all(o.reused for o in runner.run([below], tmp_path, side_by_side).values()) and len(CALLS) == 3


def test_an_error_in_one_step_lets_the_other_finish(tmp_path, side_by_side):
    both = [Step(f"w{n}", waits, {"n": n, "fails": 1}) for n in (1, 2)]
    below = Step("numbers", numbers, {}, {"a": both[0]})
    with pytest.raises(UserError, match="bad input"):
        runner.run([both[1], below], tmp_path, side_by_side)
    assert Store(tmp_path).record("w1") is None and Store(tmp_path).record("w2")["status"] == "done"
    assert "numbers" not in CALLS


def test_without_a_cluster_the_folder_stays_as_it_was(tmp_path, monkeypatch):
    first = [Step("numbers", numbers)]
    runner.run(first, tmp_path, Runtime())

    def refuse(runtime):
        raise UserError("no Ray cluster answers")

    monkeypatch.setattr(ray, "begin", refuse)
    before = Store(tmp_path).reached()
    with pytest.raises(UserError, match="no Ray cluster"):
        runner.run([*first, Step("more", numbers)], tmp_path, Runtime(launcher="ray"))
    assert Store(tmp_path).reached() == before


def test_a_cluster_does_not_take_the_handler_of_sigterm(monkeypatch):
    """`ray.init` sets one that exits with code 15, and the steps' threads would go on."""

    def init(**_: object) -> None:
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))

    fake = SimpleNamespace(init=init, is_initialized=lambda: False)
    monkeypatch.setitem(sys.modules, "ray", fake)
    before = signal.getsignal(signal.SIGTERM)
    assert ray.begin(Runtime(launcher="ray")) is fake
    assert signal.getsignal(signal.SIGTERM) is before
