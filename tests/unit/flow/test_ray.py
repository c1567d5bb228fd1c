"""Workers on a cluster of three nodes: nothing is lost or done twice, and errors come back as they were raised."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed")

import ray
from ray.cluster_utils import Cluster

from w2s.config.schema import TIMEOUT_SECONDS, Runtime
from w2s.errors import UserError
from w2s.flow import ray as workers
from w2s.flow.ray import cluster as cluster_of
from w2s.flow.ray import pool as pool_of

ray.cloudpickle.register_pickle_by_value(__import__(__name__, fromlist=["x"]))
pytestmark = pytest.mark.slow


class Doubler:
    def __init__(self, notes: Path | None = None, delay: float = 0.0) -> None:
        self.notes, self.delay = notes, delay

    def double(self, number: int) -> int:
        time.sleep(self.delay)
        if self.notes:
            (self.notes / f"{number}-{os.getpid()}-{time.time_ns()}").touch()
        return 2 * number

    def meet(self, others: int) -> None:
        """Come back when so many workers are here, each with a piece of work."""
        (self.notes / f"here-{os.getpid()}").touch()
        while len(list(self.notes.glob("here-*"))) < others:
            time.sleep(0.1)

    def wait(self) -> int:
        """Come back when it has been asked how far it is."""
        self.asked = threading.Event()
        assert self.asked.wait(60)
        return threading.get_ident()

    def far(self) -> int:
        if hasattr(self, "asked"):
            self.asked.set()
        return 7

    def refuse(self) -> None:
        raise UserError("is too large", field="training.batch_size")

    def here(self) -> Path:
        return Path.cwd()

    def die(self) -> None:
        os._exit(1)


def train_nothing(number: int, tell: Callable[..., None]) -> int:
    return 2 * number


@pytest.fixture
def cluster():
    """Three nodes with one CPU each, on this machine."""
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes = [started.add_node(num_cpus=1) for _ in range(2)]
    runtime = Runtime(launcher="ray", address=started.address, device="cpu", threads=1)
    yield started, nodes, runtime
    ray.shutdown()
    started.shutdown()


def test_work_is_shared_and_every_result_comes_once(cluster) -> None:
    _, _, runtime = cluster
    assert workers.size(runtime) == 3 and workers.size(runtime.model_copy(update={"workers": 2})) == 2
    pool = workers.Pool(Doubler, 3, runtime)
    results = list(pool.each("double", [(number,) for number in range(20)]))
    assert sorted(results) == [(number, 2 * number) for number in range(20)]
    with pytest.raises(UserError, match=r"\[training.batch_size\]: is too large"):
        pool.call("refuse")
    pool.close()


def test_busy_workers_say_how_far_they_are(cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that ends only once somebody has looked; all work of a worker is done in one thread."""
    _, _, runtime = cluster
    monkeypatch.setattr(pool_of, "LOOK_SECONDS", 0.1)
    pool, seen = workers.Pool(Doubler, 1, runtime), list[list[int]]()
    threads = {thread for _, thread in pool.each("wait", [(), (), ()], ("far", seen.append))}
    assert len(threads) == 1 and [7] in seen and all(each in ([], [7]) for each in seen)
    assert pool.idle("far") == [7]
    pool.close()
    assert pool.idle("far") == []


def test_after_the_connection_is_closed_no_thread_calls_ray(cluster) -> None:
    """Ray would end the process. Closing waits for calls that are under way."""
    _, _, runtime = cluster
    pool = workers.Pool(Doubler, 1, runtime)
    raised: list[BaseException] = []

    def work() -> None:
        try:
            list(pool.each("wait", [()]))  # for ever: nobody looks
        except BaseException as error:
            raised.append(error)
        pool.close()

    thread = threading.Thread(target=work)
    thread.start()
    workers.shutdown(ray)
    thread.join()
    assert [type(error) for error in raised] == [cluster_of.Closed]
    with pytest.raises(cluster_of.Closed):
        cluster_of.connect(runtime)
    assert workers.begin(runtime) is ray and ray.is_initialized()


def test_what_the_cluster_can_never_hold_is_refused_at_once(cluster) -> None:
    """Three nodes of one CPU: no four GPUs, no 64 CPUs, room for three processes of a training."""
    _, _, runtime = cluster
    asked = runtime.model_copy(update={"device": "auto", "tensor_parallel": 4})
    with pytest.raises(UserError, match=r"(?s)runtime.tensor_parallel.*1 CPUs and 0 GPUs, 1 CPUs and 0 GPUs"):
        workers.Pool(Doubler, workers.size(asked), asked)
    asked = runtime.model_copy(update={"threads": 64})
    with pytest.raises(UserError, match=r"(?s)runtime.threads.*at most 1"):
        workers.Pool(Doubler, workers.size(asked), asked)
    with pytest.raises(UserError, match=r"(?s)runtime.threads.*at most 1"):
        workers.train(os.getpid, [], {}, asked, Path("/none"), print)
    with pytest.raises(UserError, match=r"(?s)runtime.train_workers.*at most 3"):
        workers.train(os.getpid, [], {}, runtime.model_copy(update={"train_workers": 4}), Path("/none"), print)


@pytest.mark.nightly
def test_whoever_waits_for_room_is_told_so(
    cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Another step holds all three CPUs; when it is over, what waited goes on."""
    _, _, runtime = cluster
    monkeypatch.setattr(cluster_of, "LATE_SECONDS", 1)
    for what in ("generation", "training"):
        (tmp_path / what).mkdir()
        holder = workers.Pool(partial(Doubler, tmp_path / what), 3, runtime)
        pool = workers.Pool(Doubler, 1, runtime)
        assert len(list(holder.each("meet", [(3,)] * 3))) == 3
        caplog.clear()
        with ThreadPoolExecutor() as executor:
            if what == "generation":
                waits = executor.submit(pool.call, "double", 7)
            else:
                waits = executor.submit(workers.train, train_nothing, [7], {}, runtime, Path("/none"), print)
            while not (told := [record.getMessage() for record in caplog.records if what in record.getMessage()]):
                time.sleep(0.1)
            holder.close()
            assert waits.result() == 14
        assert "takes 1 CPUs and 0 GPUs on one node; free in the cluster are 0 CPUs and 0 GPUs" in told[0]
        pool.close()


def test_a_lost_node_loses_no_work(cluster, tmp_path: Path) -> None:
    started, nodes, runtime = cluster
    pool = workers.Pool(lambda: Doubler(tmp_path, delay=0.3), 3, runtime)
    results = []
    for result in pool.each("double", [(number,) for number in range(12)]):
        results.append(result)
        if len(results) == 3:
            started.remove_node(nodes[1])
    assert sorted(results) == [(number, 2 * number) for number in range(12)]
    assert {int(path.name.split("-")[0]) for path in tmp_path.iterdir()} == set(range(12))
    assert len({path.name.split("-")[1] for path in tmp_path.iterdir()}) >= 2
    pool.close()


@pytest.fixture
def one_node():
    """All workers on one node of four CPUs; the head takes none."""
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    node = started.add_node(num_cpus=4)
    yield started, node, Runtime(launcher="ray", address=started.address, device="cpu", threads=1)
    ray.shutdown()
    started.shutdown()


@pytest.mark.nightly
def test_four_idle_workers_lost_at_once_are_nobody_s_fault(one_node, tmp_path: Path) -> None:
    """One piece of work, handed from one dead worker to the next, would be blamed for four deaths; three end a run."""
    started, node, runtime = one_node
    pool = workers.Pool(lambda: Doubler(tmp_path), 4, runtime)
    assert len(list(pool.each("meet", [(4,)] * 4))) == 4
    started.remove_node(node)
    started.add_node(num_cpus=1)
    assert list(pool.each("double", [(7,)])) == [(0, 14)]
    pool.close()


@pytest.mark.nightly
def test_four_workers_lost_at_once_while_they_load_are_started_again(one_node, tmp_path: Path) -> None:
    started, node, runtime = one_node
    go = tmp_path / "go"

    def load() -> Doubler:
        (tmp_path / f"loads-{os.getpid()}").touch()
        while not go.exists():
            time.sleep(0.1)
        return Doubler()

    pool = workers.Pool(load, 4, runtime)
    with ThreadPoolExecutor() as executor:
        results = executor.submit(lambda: list(pool.each("double", [(number,) for number in range(4)])))
        while len(list(tmp_path.glob("loads-*"))) < 4:
            time.sleep(0.1)
        started.remove_node(node)
        go.touch()
        started.add_node(num_cpus=1)
        assert sorted(results.result()) == [(number, 2 * number) for number in range(4)]
    pool.close()


@pytest.mark.nightly
def test_loading_that_always_kills_its_worker_is_given_up(cluster) -> None:
    _, _, runtime = cluster
    pool = workers.Pool(lambda: os._exit(1), 2, runtime)
    with pytest.raises(RuntimeError, match="3 workers were lost"):
        list(pool.each("double", [(1,), (2,)]))
    pool.close()


@pytest.mark.nightly
def test_work_that_kills_its_workers_is_given_up(cluster) -> None:
    _, _, runtime = cluster
    pool = workers.Pool(Doubler, 1, runtime)
    with pytest.raises(RuntimeError, match="3 workers were lost"):
        pool.call("die")
    pool.close()


def test_what_making_an_object_raises_comes_back(cluster) -> None:
    _, _, runtime = cluster

    def make() -> Doubler:
        raise UserError("cannot be loaded", file="model")

    pool = workers.Pool(make, 2, runtime)
    with pytest.raises(UserError, match="model: cannot be loaded"):
        pool.call("double", 1)
    pool.close()


@pytest.mark.nightly
def test_workers_are_where_the_driver_is(cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their nodes were started elsewhere. A folder that is not there is no fault: absolute paths do not need it."""
    _, _, runtime = cluster
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    pool = workers.Pool(Doubler, 1, runtime)
    assert pool.call("here") == tmp_path / "mine"
    pool.close()
    pool = workers.Pool(Doubler, 1, runtime)
    (tmp_path / "mine").rmdir()
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert pool.call("here") not in (tmp_path / "mine", tmp_path / "other")
    pool.close()


def test_training_processes_form_one_group(cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, runtime = cluster
    monkeypatch.chdir(tmp_path)

    def rank_sum(scale: int, out: Path, tell: Callable[..., None]) -> dict[str, int]:
        import torch

        tell("rank", torch.distributed.get_rank())
        total = torch.tensor([scale * (torch.distributed.get_rank() + 1)])
        torch.distributed.all_reduce(total)
        limit = torch.distributed.distributed_c10d._get_default_group()._get_backend(total.device).options._timeout
        assert limit.total_seconds() == TIMEOUT_SECONDS
        result = {"sum": int(total), "rank": torch.distributed.get_rank()}
        (out / f"{result['rank']}.json").write_text(json.dumps(result))
        return result

    two, heard = runtime.model_copy(update={"train_workers": 2}), []
    hear = lambda *message: heard.append(message)  # noqa: E731
    assert workers.train(rank_sum, [10], {"out": Path()}, two, tmp_path / "ray", hear) == {"sum": 30, "rank": 0}
    assert json.loads((tmp_path / "1.json").read_text()) == {"sum": 30, "rank": 1}
    assert heard == [("rank", 0)], "the second process is not heard"


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.nightly)])
def test_what_a_training_raises_comes_back(cluster, tmp_path: Path, processes: int) -> None:
    """A group of two takes Ray Train 20 s to form."""
    _, _, runtime = cluster

    def refuse(tell: Callable[..., None]) -> None:
        raise UserError("is not finite", field="loss")

    several = runtime.model_copy(update={"train_workers": processes})
    with pytest.raises(UserError, match="is not finite"):
        workers.train(refuse, [], {}, several, tmp_path / "ray", print)


def test_what_a_training_tells_is_heard_while_it_runs(
    cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It ends only once the first message was heard; all come, in order, before its result. It is where the driver is.
    An error of who hears costs no training."""
    _, _, runtime = cluster
    monkeypatch.chdir(tmp_path)
    heard: list[int] = []

    def training(tell: Callable[..., None]) -> Path:
        tell(0)
        while not Path("heard").exists():
            time.sleep(0.05)
        for number in range(1, 1000):
            tell(number)
        return Path.cwd()

    def hear(number: int) -> None:
        heard.append(number)
        Path("heard").touch()

    assert workers.train(training, [], {}, runtime, tmp_path / "ray", hear) == tmp_path
    assert heard == list(range(1000))
    assert workers.train(training, [], {}, runtime, tmp_path / "ray", lambda number: 1 // number) == tmp_path
    assert "no longer shown (ZeroDivisionError" in caplog.text


def test_no_cluster_is_one_message() -> None:
    with pytest.raises(UserError, match=r"runtime.address.*no Ray cluster answers"):
        workers.begin(Runtime(launcher="ray", address="127.0.0.1:1"))
