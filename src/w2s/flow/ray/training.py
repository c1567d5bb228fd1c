"""Training on several processes (Ray Train)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from w2s.config.schema import TIMEOUT_SECONDS, Runtime
from w2s.flow import capacity
from w2s.flow.ray import cluster


def train(
    function: Callable[..., Any], arguments: Sequence[Any], keywords: Mapping[str, Any], runtime: Runtime, shared: Path
) -> Any:
    """Call `function` on `runtime.train_workers` processes in one torch process group; the first one's result.

    `shared`: an absolute path that all machines see.

    Raises:
        UserError: the cluster is too small.
        Exception: the function's own.
    """
    ray = cluster.connect(runtime)
    gpu = cluster.has_gpus(ray) and runtime.device != "cpu"
    cpus, folder = max(1, runtime.threads), os.getcwd()
    capacity.require(cluster.nodes(ray), runtime.train_workers, cpus, int(gpu))
    box = ray.remote(_Box).remote()

    def process() -> Any:
        box.begin.remote()
        cluster.work_in(folder)
        return function(*arguments, **keywords)

    def late() -> None:
        if not ray.get(box.has_begun.remote()):
            cluster.warn_late(ray, "processes of a training", cpus, int(gpu))

    timer = threading.Timer(cluster.LATE_SECONDS, late)
    timer.daemon = True
    timer.start()
    try:
        if runtime.train_workers == 1:  # forming a group of one takes Ray Train 20 s
            return _alone(ray, process, cpus, gpu)
        _group(process, box, cpus, gpu, runtime.train_workers, shared)
        return ray.get(box.take.remote())
    finally:
        timer.cancel()


def _alone(ray: Any, process: Callable[[], Any], cpus: int, gpu: bool) -> Any:
    task = ray.remote(process).options(num_cpus=cpus, num_gpus=int(gpu), max_retries=cluster.DEATHS)
    try:
        return ray.get(task.remote())
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error


def _group(process: Callable[[], Any], box: Any, cpus: int, gpu: bool, workers: int, shared: Path) -> None:
    import ray
    from ray import train as ray_train
    from ray.train.torch import TorchConfig, TorchTrainer

    def loop() -> None:
        result = process()
        if ray_train.get_context().get_world_rank() == 0:
            ray.get(box.put.remote(result))

    trainer = TorchTrainer(
        loop,
        torch_config=TorchConfig(timeout_s=TIMEOUT_SECONDS),
        scaling_config=ray_train.ScalingConfig(
            num_workers=workers,
            use_gpu=gpu,
            resources_per_worker={"CPU": cpus} | ({"GPU": 1} if gpu else {}),
        ),
        run_config=ray_train.RunConfig(storage_path=str(shared), name="ray"),
    )
    try:
        trainer.fit()
    except ray_train.WorkerGroupError as error:
        raise error.worker_failures[min(error.worker_failures)] from error


class _Box:
    _begun = False

    def begin(self) -> None:
        self._begun = True

    def has_begun(self) -> bool:
        return self._begun

    def put(self, result: Any) -> None:
        self._result = result

    def take(self) -> Any:
        return self._result
