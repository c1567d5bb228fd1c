"""Workers that hang, die, or are forked away: every result comes in time, and nothing is left behind."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from w2s.answers.workers import pool, process
from w2s.answers.workers.pool import UNDECIDED, Pool, WorkerResult

LIMIT = 30.0  # far above the second promised: the machine may be busy, and a hang would take a minute

STUB = """
    import os, signal, time
    from w2s.answers.workers import worker

    def read(answer):
        if answer == "sleep":
            time.sleep(60)
        if answer.startswith("nap"):
            time.sleep(0.25)
        if answer == "spin":
            while True:
                pass
        if answer == "deaf":
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGPROF])
            while True:
                pass
        if answer == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if answer == "kill supervisor":
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        if answer == "memory":
            bytearray(8 << 30)
        if answer == "print":
            print('["forged", true]', flush=True)
            os.write(1, b'["forged", true]\\n')
        if answer == "raise":
            raise ValueError
        if answer.startswith("pids"):
            return f"{os.getppid()} {os.getpid()}"
        return answer.upper()

    worker.main(read)
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules a worker can be."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "stub_worker.py").write_text(textwrap.dedent(STUB))
    return tmp_path


@pytest.fixture
def stub(modules: Path) -> Iterator[Pool]:
    with Pool(workers=2, seconds=0.7, module="stub_worker") as workers:
        yield workers


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    end = time.monotonic() + LIMIT
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive(pid)


def reads(workers: Pool, text: str) -> None:
    """Some such text is read: on a busy machine one may take longer than the limit."""
    texts = [f"{text}{n}" for n in range(20)]
    assert any(workers.read(each) == WorkerResult(each.upper(), True) for each in texts)


def pids(workers: Pool) -> tuple[int, int]:
    found = (workers.read(f"pids {time.monotonic()}").key for _ in range(20))
    supervisor, child = map(int, next(filter(None, found)).split())
    return supervisor, child


@pytest.mark.parametrize("bad", ["sleep", "spin", "deaf", "die", "kill supervisor", "memory"])
def test_an_answer_that_hangs_or_kills_is_undecided_in_time_and_the_next_is_read(stub: Pool, bad: str) -> None:
    reads(stub, "a")
    start = time.monotonic()
    assert stub.read(bad) == UNDECIDED
    assert time.monotonic() - start < LIMIT
    reads(stub, "b")


def test_an_answer_that_hung_twice_is_not_tried_again(stub: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    stub.read("a")
    assert [stub.read("sleep"), stub.read("sleep")] == [UNDECIDED, UNDECIDED]
    monkeypatch.setattr(stub, "_acquire", lambda until: pytest.fail("a worker was taken"))
    assert stub.read("sleep") == UNDECIDED


def test_one_clock_for_several_answers(modules: Path) -> None:
    """Five answers of 0.25 s on two workers take 0.75 s: within 0.4 s at least three are not read."""
    with Pool(workers=2, seconds=LIMIT, module="stub_worker") as workers:
        workers.read_many(["a", "b"])
        assert workers.read_many([f"nap {n}" for n in range(5)], seconds=0.4).count(UNDECIDED) >= 3
        assert workers.read_many([f"nap {n}" for n in range(5)]) == [WorkerResult(f"NAP {n}", True) for n in range(5)]


def test_nobody_waits_longer_for_a_start(modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "START_SECONDS", 0.3)
    (modules / "hung_worker.py").write_text("import time; time.sleep(60)")
    with Pool(workers=2, module="hung_worker") as workers:
        for seconds in (None, 0.2):
            start = time.monotonic()
            assert workers.read_many(["a", "b"], seconds) == [UNDECIDED] * 2
            assert time.monotonic() - start < LIMIT


def test_what_a_library_prints_is_no_reply(stub: Pool) -> None:
    reads(stub, "a")
    assert [stub.read("print"), stub.read("a")] == [WorkerResult("PRINT", True), WorkerResult("A", True)]


def test_an_exception_decides_that_it_cannot_be_read(stub: Pool) -> None:
    assert stub.read("raise") == WorkerResult(None, True)


def test_a_child_killed_from_outside_is_replaced_without_loss_of_an_answer(stub: Pool) -> None:
    supervisor, child = pids(stub)
    os.kill(child, signal.SIGKILL)
    assert gone(child)
    reads(stub, "a")
    assert pids(stub)[0] == supervisor


def test_a_supervisor_killed_while_idle_is_replaced_without_loss_of_an_answer(stub: Pool) -> None:
    supervisor, child = pids(stub)
    os.kill(supervisor, signal.SIGKILL)
    assert gone(child)
    reads(stub, "a")


def test_a_supervisor_that_hangs_itself_is_killed(modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_GRACE", 0.2)
    (modules / "stuck_worker.py").write_text("import time; print('ready', flush=True); time.sleep(60)")
    with Pool(workers=1, seconds=0.3, module="stuck_worker") as workers:
        start = time.monotonic()
        assert workers.read("a") == UNDECIDED
        assert time.monotonic() - start < LIMIT
        supervisor = [*workers._starting, *workers._idle]
        assert workers.read("b") == UNDECIDED
        assert all(gone(worker.process.pid) for worker in supervisor)


def test_a_supervisor_that_is_late_once_is_kept(modules: Path) -> None:
    (modules / "late_worker.py").write_text(
        "import json, sys, time\nprint('ready', flush=True)\nfor line in sys.stdin:\n"
        "    time.sleep(0.6 if 'slow' in line else 0)\n    print(json.dumps([json.loads(line), True]), flush=True)\n"
    )
    with Pool(workers=1, seconds=0.3, module="late_worker") as workers:
        assert workers.read("slow") == UNDECIDED
        first = workers._starting[0]
        assert workers.read("b") == WorkerResult("b", True)  # and not the late reply
        assert workers._idle == [first]


def test_workers_that_do_not_start_are_given_up_with_one_warning(
    modules: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (modules / "broken_worker.py").write_text("raise SystemExit(3)")
    with Pool(workers=2, module="broken_worker") as workers, caplog.at_level(logging.WARNING):
        assert workers.read_many(["a", "b", "c"]) == [UNDECIDED] * 3
    assert sum("broken_worker" in record.getMessage() for record in caplog.records) == 1


def test_without_the_libraries_nothing_is_started_and_nothing_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "available", lambda: False)
    monkeypatch.setattr(pool, "_SHARED", None)
    assert pool.read("x") == UNDECIDED
    assert pool.read_many(["x", "y"]) == [UNDECIDED, UNDECIDED]


def test_an_answer_too_long_is_not_sent() -> None:
    assert Pool(module="no such module").read("1" * 3000) == WorkerResult(None, True)


def test_read_many_keeps_the_order_and_survives_bad_answers(stub: Pool) -> None:
    answers = [f"a{i}" for i in range(50)] + ["die", "a3", "spin"] + [f"b{i}" for i in range(50)]
    results = stub.read_many(answers)
    assert results == [UNDECIDED if a in ("die", "spin") else WorkerResult(a.upper(), True) for a in answers]


def test_eight_threads_share_two_workers(stub: Pool) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = [f"{i}x" for i in range(200)]
        assert list(threads.map(stub.read, answers)) == [WorkerResult(a.upper(), True) for a in answers]
    assert len(stub._idle) + len(stub._starting) <= 2
    assert not stub._busy


def test_from_async_code(stub: Pool) -> None:
    async def several() -> list[WorkerResult]:
        return await asyncio.gather(*(asyncio.to_thread(stub.read, f"y{i}") for i in range(5)))

    assert asyncio.run(several()) == [WorkerResult(f"Y{i}", True) for i in range(5)]


def test_an_interrupted_read_does_not_shift_the_replies(stub: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    stub.read("a")
    worker = stub._idle[-1]

    def interrupted(seconds: float) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(worker._channel, "receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stub.read("late")
    reads(stub, "b")
    assert gone(worker.process.pid)


def test_a_forked_child_starts_workers_of_its_own(stub: Pool) -> None:
    supervisor, _ = pids(stub)
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        found = stub.read("pids")
        os.write(sink, (found.key or "none").encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = [int(pid) for pid in os.read(source, 100).split()]
    os.close(source)
    os.close(sink)
    assert len(theirs) == 2
    assert supervisor not in theirs
    assert all(map(gone, theirs))  # they ended with the child, although it had no chance to close
    reads(stub, "a")
    assert pids(stub)[0] == supervisor


def test_close_leaves_no_process_and_no_descriptor(modules: Path) -> None:
    descriptors = set(os.listdir("/proc/self/fd"))
    with Pool(workers=2, seconds=0.7, module="stub_worker") as workers:
        workers.read_many(["a", "b", "sleep", "die"])
        found = [pid for _ in range(3) for pid in pids(workers)]
    assert all(not alive(pid) for pid in found)
    assert set(os.listdir("/proc/self/fd")) == descriptors
    assert workers.read("c") == WorkerResult("C", True)  # starts again
    workers.close()


def test_close_while_another_thread_reads(stub: Pool) -> None:
    stub.read("a")
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(stub.read, "sleep")
        while not stub._busy:
            time.sleep(0.01)
        stub.close()
        assert reading.result(LIMIT) == UNDECIDED
    reads(stub, "b")


PROGRAM = """
import sys
from w2s.answers.workers import pool
print(pool.read_many([r"\\int_0^1 x^2\\,dx", r"\\sum_{k=1}^{10} k"]))
print(*[worker.process.pid for worker in pool._SHARED._idle + pool._SHARED._starting])
"""


@pytest.mark.skipif(not pool.available(), reason="needs the extra `math`")
@pytest.mark.parametrize("how", ["script", "-c"])
def test_from_a_script_without_main_guard_and_from_a_command_line(tmp_path: Path, how: str) -> None:
    (tmp_path / "script.py").write_text(PROGRAM)
    command = [str(tmp_path / "script.py")] if how == "script" else ["-c", PROGRAM]
    source = str(Path(pool.__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-W", "error", *command],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": source},
        timeout=60,
    )
    results, left = done.stdout.splitlines()
    assert results == "[WorkerResult(key='1/3', decided=True), WorkerResult(key='55', decided=True)]"
    assert done.stderr == ""
    assert left
    assert all(not alive(int(pid)) for pid in left.split())
