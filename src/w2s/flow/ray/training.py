"""Training on several processes (Ray Train)."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from w2s.config.schema import TIMEOUT_SECONDS, Runtime
from w2s.errors import first_line
from w2s.flow import capacity
from w2s.flow.ray import cluster
from w2s.flow.ray.pool import LOOK_SECONDS

_log = logging.getLogger(__name__)


def train(
    function: Callable[..., Any],
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    runtime: Runtime,
    shared: Path,
    hear: Callable[..., None],
) -> Any:
    """Call `function` on `runtime.train_workers` processes in one torch process group; the first one's result.

    `function` has a keyword `tell`: `hear` gets here, in order, what the first process tells. An error of `hear` ends
    the hearing, not the training. `shared`: an absolute path that all machines see.

    Raises:
        UserError: the cluster is too small.
        Exception: the function's own.
    """
    ray = cluster.connect(runtime)
    gpu = cluster.has_gpus(ray) and runtime.device != "cpu"
    cpus, folder = max(1, runtime.threads), os.getcwd()
    capacity.require(cluster.nodes(ray), runtime.train_workers, cpus, int(gpu))
    box = ray.remote(_Box).options(num_cpus=0).remote()

    def process(first: bool) -> Any:
        def tell(*message: Any) -> None:
            if first:
                box.tell.remote(message)

        tell()  # it has begun
        cluster.work_in(folder)
        result = function(*arguments, tell=tell, **keywords)
        if first:
            with contextlib.suppress(ray.exceptions.RayError):
                ray.get(box.put.remote(result))  # after all that was told
        return result

    with _Listener(ray, box, hear, lambda: cluster.warn_late(ray, "processes of a training", cpus, int(gpu))):
        if runtime.train_workers == 1:  # forming a group of one takes Ray Train 20 s
            return _alone(ray, process, cpus, gpu)
        _group(process, cpus, gpu, runtime.train_workers, shared)
        return _answer(ray, box.result)


def _alone(ray: Any, process: Callable[[bool], Any], cpus: int, gpu: bool) -> Any:
    task = ray.remote(process).options(num_cpus=cpus, num_gpus=int(gpu), max_retries=cluster.DEATHS)
    try:
        return ray.get(task.remote(True))
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error


def _group(process: Callable[[bool], Any], cpus: int, gpu: bool, workers: int, shared: Path) -> None:
    from ray import train as ray_train
    from ray.train.torch import TorchConfig, TorchTrainer

    trainer = TorchTrainer(
        lambda: process(ray_train.get_context().get_world_rank() == 0),
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
    """An actor: what the first process told, until it is taken, and its result."""

    def __init__(self) -> None:
        self._messages: list[tuple[Any, ...]] = []

    def tell(self, message: tuple[Any, ...]) -> None:
        self._messages.append(message)

    def take(self) -> list[tuple[Any, ...]]:
        taken, self._messages = self._messages, []
        return taken

    def put(self, result: Any) -> None:
        self._result = result

    def result(self) -> Any:
        return self._result


class _Listener:
    """A thread that passes on messages, while its block runs; `late`: nothing was for LATE_SECONDS."""

    def __init__(self, ray: Any, box: Any, hear: Callable[..., None], late: Callable[[], None]) -> None:
        self._ray, self._box, self._hear, self._late = ray, box, hear, late
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _listen(self) -> None:
        try:
            begun, ended, waited = False, False, 0.0
            while not ended:
                ended = self._ended.wait(LOOK_SECONDS)  # then one more look
                messages = _answer(self._ray, self._box.take)
                begun = begun or bool(messages)
                for message in filter(None, messages):
                    self._hear(*message)
                waited += LOOK_SECONDS
                if not begun and waited >= cluster.LATE_SECONDS:
                    begun = True  # one warning
                    with cluster.gate.entered():
                        self._late()
        except cluster.Closed:
            pass
        except Exception as error:
            what = f"{type(error).__name__}: {first_line(error, '')}"
            _log.warning("a training's progress is no longer shown (%s); it goes on", what)


def _answer(ray: Any, method: Any) -> Any:
    """Of an actor. Raises Closed."""
    with cluster.gate.entered():
        call = method.remote()
    cluster.wait(ray, [call], None)
    with cluster.gate.entered():
        return ray.get(call)
