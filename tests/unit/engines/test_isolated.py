"""An engine in a process of its own: the same answers, clear errors, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from w2s.engines import isolated, journal, scripted
from w2s.engines.base import Decoding, Loading, Request, ticks
from w2s.errors import UserError

SCRIPT = """
import os, subprocess, sys
from w2s.engines.base import ticks
sys.modules["__main__"].TICK_SECONDS = 0  # `isolated`, in its process
def telling(request, decoding):
    ticks.tell(request.sample + 1, 7)
    return "x"
def echo(request, decoding):
    print("not a reply")
    return f"{request.id} {request.sample} {decoding.stop} {request.prompt}"
def crash(request, decoding):
    print("the card is on fire", file=sys.stderr, flush=True)
    os._exit(7)
def killed(request, decoding):
    os.kill(os.getpid(), 9)
def bug(request, decoding):
    raise KeyError("my bug")
def worker(request, decoding):
    return str(subprocess.Popen(["sleep", "100"]).pid)
"""
REQUESTS = [Request(f"q{number}", sample, f"é\u2028 {number}") for number in range(3) for sample in range(2)]
DECODING = Decoding(50, temperature=1.0, stop=("A\n", "B"), seed=3)


Load = Callable[..., isolated.IsolatedEngine]


@pytest.fixture
def processes() -> Iterator[isolated.Processes]:
    with isolated.Processes() as processes:
        yield processes


@pytest.fixture
def load(tmp_path, monkeypatch) -> Iterator[Load]:
    """Load a function of the script, in `processes` where these are given; all engines end with the test."""
    (tmp_path / "w2s_test_script.py").write_text(SCRIPT)
    monkeypatch.syspath_prepend(str(tmp_path))
    engines = []

    def start(
        function: str, share: str | None = None, processes: isolated.Processes | None = None
    ) -> isolated.IsolatedEngine:
        place, model = "w2s.engines.scripted:load", f"scripted:w2s_test_script:{function}"
        engine = isolated.load(place, model, Loading("scripted", processes=processes), share)
        engines.append(engine)
        return engine

    yield start
    for engine in engines:
        engine.end()


def _gone(pid: int) -> bool:
    """Within ten seconds; a zombie counts as gone."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.1)
    return False


def test_it_answers_as_in_this_process(load) -> None:
    engine = load("echo")
    here = scripted.load("scripted:w2s_test_script:echo", Loading("scripted"))
    assert engine.plan(REQUESTS, DECODING) == here.plan(REQUESTS, DECODING)
    assert journal.generate(engine, REQUESTS, DECODING) == journal.generate(here, REQUESTS, DECODING)
    assert engine.count_tokens("one two") == 2


def test_ticks_come_through_the_pipe_before_the_reply(load) -> None:
    """The scripted engine asks for one text after another: samples 0, 1, 0, 1, ... of three questions."""
    engine, told = load("telling"), []
    with ticks.heard(lambda *now: told.append(now)):
        assert len(engine.run(REQUESTS, DECODING)) == 6
    assert told == [(1, 7), (2, 7)] * 3
    assert engine.count_tokens("one two") == 2


def test_the_memory_of_its_gpu_is_that_of_its_process(load, monkeypatch) -> None:
    """None of an engine that has no method for it, and of a process that died with its work done."""
    engine = load("echo")
    assert engine.device_memory() is None
    monkeypatch.setattr(engine.process, "call", lambda *call: call)
    assert engine.device_memory() == (1, "device_memory")
    monkeypatch.undo()
    engine.process.kill()
    assert engine.device_memory() is None

    class Measured:
        def device_memory(self) -> int:
            return 5

    assert isolated._reply({1: Measured()}, 1, "device_memory", []) == 5  # type: ignore[dict-item]


def test_closing_ends_the_process_and_what_it_started(load) -> None:
    engine = load("worker")
    worker = int(engine.run(REQUESTS[:1], DECODING)[0].text)
    assert not Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].startswith(" Z")
    engine.close()
    assert _gone(worker) and _gone(engine.process.pid)
    engine.close()


def test_a_users_error_is_passed_on_and_the_engine_lives(load) -> None:
    engine = load("echo")
    with pytest.raises(UserError, match="requested twice"):
        engine.plan([REQUESTS[0], Request("q0", 0, "x")], DECODING)
    assert len(engine.run(REQUESTS, DECODING)) == 6
    with pytest.raises(UserError, match="is called 'nothing'"):
        load("nothing")


def test_a_bug_comes_with_its_traceback(load) -> None:
    with pytest.raises(RuntimeError, match="KeyError: 'my bug'"):
        load("bug").run(REQUESTS, DECODING)


@pytest.mark.parametrize(
    ("function", "said"),
    [("crash", "exit code 7; its last output:\nthe card is on fire"), ("killed", "signal SIGKILL")],
)
def test_a_crash_shows_what_was_said_last(load, function: str, said: str) -> None:
    engine = load(function)
    for _ in range(2):
        with pytest.raises(UserError) as error:
            engine.run(REQUESTS, DECODING)
        assert said in str(error.value)
    assert not engine.process.alive
    engine.close()


def test_engines_that_share_live_in_one_process(load, processes) -> None:
    one, two, alone = load("echo", "a", processes), load("worker", "a", processes), load("echo", "b", processes)
    assert one.process is two.process is not alone.process
    assert one.run(REQUESTS[:1], DECODING)[0].text.startswith("q0 0")
    one.close()
    assert two.run(REQUESTS[:1], DECODING)[0].text.isdigit()


def test_outside_a_run_a_process_ends_with_its_engine(load) -> None:
    one, two = load("echo", "a"), load("echo", "a")
    assert one.process is not two.process
    one.close()
    assert not one.process.alive and two.process.alive


def test_a_run_serves_engines_that_share_in_turn_with_one_process(load) -> None:
    """Three on share a, then one on b: two processes. The engines of a are open until b needs the device."""
    with isolated.Processes() as processes:
        turns = []
        for function in ("echo", "worker", "echo"):
            turns.append(load(function, "a", processes))
            turns[-1].run(REQUESTS[:1], DECODING)
            turns[-1].close()
        assert len({engine.process.pid for engine in turns}) == 1
        assert turns[0].process.running and len(turns[0].process.engines) == 3
        other = load("echo", "b", processes)
        assert other.process is not turns[0].process
        assert not turns[0].process.alive and _gone(turns[0].process.pid) and not turns[0].process.engines
        other.close()
        assert other.process.running
    assert not other.process.alive and _gone(other.process.pid)


def test_a_process_ends_where_its_memory_is_needed_and_where_the_run_fails(load) -> None:
    with isolated.Processes() as processes:
        one = load("echo", "a", processes)
        one.close()
        alone = load("echo", None, processes)  # such as the reference of a check: it is never shared
        assert not one.process.alive
        alone.close()
        assert not alone.process.alive
        two = load("echo", "a", processes)
        two.close()
        processes.release()
        assert not two.process.alive
    with pytest.raises(KeyboardInterrupt), isolated.Processes() as processes:
        late, three = load("echo", "b", processes), load("echo", "a", processes)
        three.close()
        raise KeyboardInterrupt
    assert not three.process.alive and late.process.alive
    late.close()  # after the run, closing ends the process
    assert not late.process.alive


def test_an_engine_at_work_is_not_ended_for_another_process(load, processes) -> None:
    done, working = load("echo", "a", processes), load("echo", "a", processes)
    done.close()
    load("echo", "b", processes).close()
    processes.release()
    assert len(working.run(REQUESTS, DECODING)) == 6


@pytest.mark.parametrize("noticed", [True, False])
def test_a_process_that_died_between_steps_is_not_used_again(load, processes, monkeypatch, noticed) -> None:
    """Also where it seems to run until it is called: one whose threads are still ending is not gone yet."""
    one = load("echo", "a", processes)
    one.close()
    os.killpg(one.process.pid, signal.SIGKILL)
    assert _gone(one.process.pid)
    with monkeypatch.context() as patch:
        patch.setattr(isolated.Process, "running", property(lambda process: process.alive and not noticed))
        two = load("echo", "a", processes)
    assert len(two.run(REQUESTS, DECODING)) == 6


def test_release_ends_a_process_that_died_already(load, processes, monkeypatch) -> None:
    one = load("echo", "a", processes)
    one.close()
    os.killpg(one.process.pid, signal.SIGKILL)
    monkeypatch.setattr(isolated.Process, "running", property(lambda process: process.alive))
    processes.release()
    assert not one.process.alive


def test_a_killed_parent_takes_the_child_along(tmp_path) -> None:
    (tmp_path / "w2s_test_script.py").write_text(SCRIPT)
    program = (
        "import time; from w2s.engines import isolated\n"
        "from w2s.engines.base import Decoding, Loading, Request\n"
        "engine = isolated.load('w2s.engines.scripted:load', 'scripted:w2s_test_script:worker', Loading())\n"
        "print(engine.process.pid, engine.run([Request('q', 0, 'p')], Decoding(5))[0].text, flush=True)\n"
        "time.sleep(100)\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    assert parent.stdout is not None
    child, worker = map(int, parent.stdout.readline().split())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert _gone(child) and _gone(worker)
