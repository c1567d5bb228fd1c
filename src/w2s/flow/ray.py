"""Ray: workers on many machines for generation and for training. The only file that imports it (extra `ray`).

The driver keeps the run's folder, the journals and the records; workers get requests and give texts, or write model
folders. So what is shared between machines is the run's folder and the model folders (a network file system).
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from w2s.config import PATIENCE_SECONDS, Runtime
from w2s.errors import UserError
from w2s.flow import room

_log = logging.getLogger(__name__)

DEATHS = 3
"""Times one item may take its worker with it (a node lost, out of memory) before it is held to be the cause (ours)."""

LATE_SECONDS = 120
"""After so long without a worker that is ready a run says what it waits for: room, as a rule, that other steps hold."""


def connect(runtime: Runtime) -> Any:
    """Ray, connected to `runtime.address`, or to a new cluster on this machine where there is none.

    Raises:
        UserError: Ray is not installed, or the cluster does not answer.
    """
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "runtime.launcher=ray needs Ray", field="runtime.launcher", mend="pip install 'w2s-reasoning[ray]'"
        ) from error
    if not ray.is_initialized():
        try:
            _knock(runtime.address)
            ray.init(address=runtime.address, log_to_driver=False, include_dashboard=False, logging_level="error")
        except (OSError, RuntimeError, ValueError) as error:
            raise UserError(
                f"no Ray cluster answers ({str(error)[:200]})",
                field="runtime.address",
                expected="HOST:PORT of a running head node, 'auto', or nothing for a cluster on this machine",
                mend="start one with: ray start --head",
            ) from error
    return ray


def _knock(address: str | None) -> None:
    """Fail in seconds where nobody listens: Ray itself tries for minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdigit() and "//" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()


def size(runtime: Runtime) -> int:
    """Workers for generation: `runtime.workers`, or as many as have their GPUs, or without GPUs one for each node."""
    ray = connect(runtime)
    gpus = _gpus(ray, runtime)
    rooms = room.rooms(_nodes(ray), max(1, runtime.threads), gpus)
    return runtime.workers or (sum(rooms) if gpus else sum(map(bool, rooms)))


def _gpus(ray: Any, runtime: Runtime) -> int:
    """GPUs that a worker for generation reserves."""
    there = bool(ray.cluster_resources().get("GPU", 0)) or runtime.tensor_parallel > 1
    return runtime.tensor_parallel if there and runtime.device != "cpu" else 0


def _nodes(ray: Any) -> room.Nodes:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _tell_late(ray: Any, what: str, cpus: int, gpus: int) -> None:
    free = ray.available_resources()
    _log.warning(
        "%s: none is ready after %d seconds. Each takes %d CPUs and %d GPUs on one node; free in the cluster are "
        "%g CPUs and %g GPUs. Still waiting.",
        what, LATE_SECONDS, cpus, gpus, free.get("CPU", 0), free.get("GPU", 0),
    )  # fmt: skip


class Pool:
    """Objects of one kind, each in a worker process somewhere in the cluster; a lost one is made again elsewhere.

    Args:
        make: makes the object; called in the worker.
        workers: at most so many; one starts when there is work for it.
        runtime: `threads` CPUs and, where the cluster has GPUs, `tensor_parallel` of them for each worker.

    Raises:
        UserError: no node has room for a worker.
    """

    def __init__(self, make: Callable[[], Any], workers: int, runtime: Runtime) -> None:
        ray = self._ray = connect(runtime)
        self._share = cpus, gpus = max(1, runtime.threads), _gpus(ray, runtime)
        room.need(_nodes(ray), 1, cpus, gpus)
        self._worker = ray.remote(_Worker).options(
            num_cpus=cpus, num_gpus=gpus, scheduling_strategy="SPREAD", max_restarts=0
        )
        self._make = ray.put(make)
        self._folder = os.getcwd()
        self._free: list[Any] = []
        self._starting: dict[Any, tuple[Any, int]] = {}
        self._workers = workers

    def _start(self, lost: int = 0) -> None:
        """One more worker; `lost` others died in its place, one after the other, before they were ready."""
        actor = self._worker.remote(self._make, self._folder)
        self._starting[actor.ready.remote()] = actor, lost

    def _bury(self) -> None:
        """Keep those of the idle workers that answer.

        The workers of a lost node die together. Work given to dead ones would be blamed for their deaths.
        """
        asked = [(actor, actor.__ray_ready__.remote()) for actor in self._free]
        self._free = []
        for actor, answer in asked:
            try:
                self._ray.get(answer)
            except self._ray.exceptions.RayError:
                self._ray.kill(actor)  # it may be out of reach only
            else:
                self._free.append(actor)

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of one of the objects."""
        return next(self.each(method, [arguments]))[1]

    def each(self, method: str, items: Sequence[Sequence[Any]]) -> Iterator[tuple[int, Any]]:
        """Call `method` with the arguments of each item; yields (place of the item, result) as they end.

        Each item's result comes once. An item whose worker was lost goes to another worker.

        Raises:
            RuntimeError: one item lost `DEATHS` workers, or so many in a row were lost before they were ready.
            Exception: what the method raises, as it was raised there.
        """
        ray = self._ray
        waiting = list(range(len(items)))[::-1]
        running: dict[Any, tuple[int, Any]] = {}
        deaths = [0] * len(items)
        patience: float | None = LATE_SECONDS
        self._bury()
        try:
            while waiting or running:
                wanted = min(self._workers, len(waiting) + len(running))
                for _ in range(wanted - len(self._free) - len(self._starting) - len(running)):
                    self._start()
                while waiting and self._free:
                    place, actor = waiting.pop(), self._free.pop()
                    running[actor.call.remote(method, items[place])] = place, actor
                ready, _ = ray.wait([*running, *self._starting], num_returns=1, timeout=None if running else patience)
                if not ready:
                    patience = None
                    _tell_late(ray, "workers for generation", *self._share)
                    continue
                (ended,) = ready
                started = ended in self._starting
                if started:
                    place, (actor, lost) = -1, self._starting.pop(ended)
                else:
                    place, actor = running.pop(ended)
                    lost = deaths[place]
                try:
                    result = ray.get(ended)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from error
                except ray.exceptions.RayError as error:
                    ray.kill(actor)  # it may be out of reach only
                    if lost + 1 == DEATHS:
                        raise RuntimeError(f"{DEATHS} workers were lost with the same work ({error})") from error
                    if started:
                        self._start(lost + 1)
                    else:
                        deaths[place] += 1
                        waiting.append(place)
                    self._bury()
                    continue
                self._free.append(actor)
                if not started:
                    yield place, result
        finally:  # given up by the caller: what those workers are at is of no use
            for _, actor in running.values():
                ray.kill(actor)

    def close(self) -> None:
        """End the workers, so that their devices are free."""
        for actor in (*self._free, *(actor for actor, _ in self._starting.values())):
            self._ray.kill(actor)
        self._free.clear()
        self._starting.clear()


def _work_in(folder: str) -> None:
    """Go where the driver is, so that relative paths (models, caches) mean what they mean there.

    A worker starts where `ray start` was typed, and Ray Train moves to a folder of its own. A machine that has no such
    folder needs none if all paths are absolute.
    """
    with contextlib.suppress(OSError):
        os.chdir(folder)


class _Worker:
    """What lives in a worker process."""

    def __init__(self, make: Callable[[], Any], folder: str) -> None:
        _work_in(folder)
        self._make = make

    def ready(self) -> None:
        """Make the object: here, where what it raises comes back as it is."""
        self._object = self._make()

    def call(self, method: str, arguments: Sequence[Any]) -> Any:
        return getattr(self._object, method)(*arguments)


def train(
    function: Callable[..., Any], arguments: Sequence[Any], keywords: Mapping[str, Any], runtime: Runtime, shared: Path
) -> Any:
    """Call `function` on `runtime.train_workers` processes that form one torch process group (Ray Train).

    Args:
        function: a top-level function; every process calls it.
        arguments: its arguments by position.
        keywords: those by name.
        runtime: how many processes, and of what.
        shared: an empty place that all machines see, for Ray's own notes; absolute (pyarrow takes no other).

    Returns:
        What the first process returned.

    Raises:
        UserError: the cluster has no room for them.
        Exception: what the function raised, as it was raised there.
    """
    ray = connect(runtime)
    gpu = bool(ray.cluster_resources().get("GPU", 0)) and runtime.device != "cpu"
    cpus, folder = max(1, runtime.threads), os.getcwd()
    room.need(_nodes(ray), runtime.train_workers, cpus, int(gpu))
    box = ray.remote(_Box).remote()

    def process() -> Any:
        box.begin.remote()
        _work_in(folder)
        return function(*arguments, **keywords)

    def late() -> None:
        if not ray.get(box.begun.remote()):
            _tell_late(ray, "processes of a training", cpus, int(gpu))

    timer = threading.Timer(LATE_SECONDS, late)
    timer.daemon = True
    timer.start()
    try:
        return _train(ray, process, box, cpus, gpu, runtime, shared)
    finally:
        timer.cancel()


def _train(ray: Any, process: Callable[[], Any], box: Any, cpus: int, gpu: bool, runtime: Runtime, shared: Path) -> Any:
    if runtime.train_workers == 1:  # a process group of one is none, and takes Ray Train 20 s to form
        task = ray.remote(process).options(num_cpus=cpus, num_gpus=int(gpu), max_retries=DEATHS)
        try:
            return ray.get(task.remote())
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error
    from ray import train as ray_train
    from ray.train.torch import TorchConfig, TorchTrainer

    def loop() -> None:
        result = process()
        if ray_train.get_context().get_world_rank() == 0:
            ray.get(box.put.remote(result))

    trainer = TorchTrainer(
        loop,
        torch_config=TorchConfig(timeout_s=PATIENCE_SECONDS),
        scaling_config=ray_train.ScalingConfig(
            num_workers=runtime.train_workers,
            use_gpu=gpu,
            resources_per_worker={"CPU": cpus} | ({"GPU": 1} if gpu else {}),
        ),
        run_config=ray_train.RunConfig(storage_path=str(shared), name="ray"),
    )
    try:
        trainer.fit()
    except ray_train.WorkerGroupError as error:
        raise error.worker_failures[min(error.worker_failures)] from error
    return ray.get(box.take.remote())


class _Box:
    """Knows whether a training has begun, and holds its result until it is fetched."""

    _has_begun = False

    def begin(self) -> None:
        self._has_begun = True

    def begun(self) -> bool:
        return self._has_begun

    def put(self, result: Any) -> None:
        self._result = result

    def take(self) -> Any:
        return self._result
