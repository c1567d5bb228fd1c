"""A pool of equal objects, one per worker process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from w2s.config.schema import Runtime
from w2s.flow import capacity
from w2s.flow.ray import cluster


def size(runtime: Runtime) -> int:
    """Workers for generation: `runtime.workers`, else by GPUs, else one per node."""
    ray = cluster.connect(runtime)
    gpus = _gpus(ray, runtime)
    slots = capacity.slots(cluster.nodes(ray), max(1, runtime.threads), gpus)
    return runtime.workers or (sum(slots) if gpus else sum(map(bool, slots)))


def _gpus(ray: Any, runtime: Runtime) -> int:
    wanted = cluster.has_gpus(ray) or runtime.tensor_parallel > 1
    return runtime.tensor_parallel if wanted and runtime.device != "cpu" else 0


LOOK_SECONDS = 1.0
"""Between two looks at busy workers."""

_ASIDE = "aside"

Look = tuple[str, Callable[[list[Any]], None]]
"""A method that busy objects answer in another thread, and who gets the answers."""


class Pool:
    """Objects in worker processes; a lost one is made again.

    Args:
        make: runs in the worker.
        workers: the most; they start on demand.

    Raises:
        UserError: no node is large enough.
    """

    def __init__(self, make: Callable[[], Any], workers: int, runtime: Runtime) -> None:
        ray = self._ray = cluster.connect(runtime)
        self._share = cpus, gpus = max(1, runtime.threads), _gpus(ray, runtime)
        capacity.require(cluster.nodes(ray), 1, cpus, gpus)
        self._worker = ray.remote(concurrency_groups={_ASIDE: 1})(_Worker).options(
            num_cpus=cpus, num_gpus=gpus, scheduling_strategy="SPREAD", max_restarts=0
        )
        self._make = ray.put(make)
        self._folder = os.getcwd()
        self._free: list[Any] = []
        self._starting: dict[Any, tuple[Any, int]] = {}
        self._workers = workers

    def _start(self, lost: int = 0) -> None:
        actor = self._worker.remote(self._make, self._folder)
        self._starting[actor.ready.remote()] = actor, lost

    def _drop_dead(self) -> None:
        """Keep the idle workers that answer."""
        answers = [(actor, actor.__ray_ready__.remote()) for actor in self._free]
        self._free = []
        for actor, answer in answers:
            try:
                self._ray.get(answer)
            except self._ray.exceptions.RayError:
                self._ray.kill(actor)  # it may be out of reach only
            else:
                self._free.append(actor)

    def call(self, method: str, *arguments: Any) -> Any:
        return next(self.each(method, [arguments]))[1]

    def idle(self, method: str) -> list[Any]:
        """What this method of each idle object returns; lost workers are left out."""
        return list(self._answers({actor: actor.call.remote(method, ()) for actor in self._free}, None).values())

    def each(self, method: str, items: Sequence[Sequence[Any]], look: Look | None = None) -> Iterator[tuple[int, Any]]:
        """Call `method` on each item; yields (index, result) once per item, as completed.

        `look`: every `LOOK_SECONDS` its method of each busy object is called, and its function gets the results.

        Raises:
            RuntimeError: `DEATHS` workers were lost in a row, or by one item.
            Exception: the method's own.
        """
        ray = self._ray
        waiting = list(range(len(items)))[::-1]
        running: dict[Any, tuple[int, Any]] = {}
        deaths = [0] * len(items)
        timeout: float | None = cluster.LATE_SECONDS
        seen: dict[Any, Any] = {}
        self._drop_dead()
        try:
            while waiting or running:
                wanted = min(self._workers, len(waiting) + len(running))
                for _ in range(wanted - len(self._free) - len(self._starting) - len(running)):
                    self._start()
                while waiting and self._free:
                    index, actor = waiting.pop(), self._free.pop()
                    running[actor.call.remote(method, items[index])] = index, actor
                until = timeout if not running else None if look is None else LOOK_SECONDS
                ready, _ = ray.wait([*running, *self._starting], num_returns=1, timeout=until)
                if not ready and running and look is not None:
                    asked = {
                        call: actor.aside.options(concurrency_group=_ASIDE).remote(look[0])
                        for call, (_, actor) in running.items()
                    }
                    seen = {call: seen[call] for call in asked if call in seen} | self._answers(asked, LOOK_SECONDS)
                    look[1](list(seen.values()))
                    continue
                if not ready:
                    timeout = None
                    cluster.warn_late(ray, "workers for generation", *self._share)
                    continue
                (ended,) = ready
                started = ended in self._starting
                if started:
                    index, (actor, lost) = -1, self._starting.pop(ended)
                else:
                    index, actor = running.pop(ended)
                    lost = deaths[index]
                try:
                    result = ray.get(ended)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from error
                except ray.exceptions.RayError as error:
                    ray.kill(actor)  # it may be out of reach only
                    if lost + 1 == cluster.DEATHS:
                        raise RuntimeError(f"{lost + 1} workers were lost with the same work ({error})") from error
                    if started:
                        self._start(lost + 1)
                    else:
                        deaths[index] += 1
                        waiting.append(index)
                    self._drop_dead()
                    continue
                self._free.append(actor)
                if not started:
                    yield index, result
        finally:  # the caller stopped early: these workers do work that nobody uses
            for _, actor in running.values():
                ray.kill(actor)

    def _answers(self, asked: dict[Any, Any], seconds: float | None) -> dict[Any, Any]:
        """Those that come within some seconds."""
        if not asked:
            return {}
        here, _ = self._ray.wait([*asked.values()], num_returns=len(asked), timeout=seconds)
        found = {}
        for of, answer in asked.items():
            with contextlib.suppress(self._ray.exceptions.RayError):  # a lost worker shows by its work
                if answer in here:
                    found[of] = self._ray.get(answer)
        return found

    def close(self) -> None:
        for actor in (*self._free, *(actor for actor, _ in self._starting.values())):
            self._ray.kill(actor)
        self._free.clear()
        self._starting.clear()


class _Worker:
    def __init__(self, make: Callable[[], Any], folder: str) -> None:
        cluster.work_in(folder)
        self._make = make

    def ready(self) -> None:
        """Make the object where its error comes back unchanged."""
        self._object = self._make()

    def call(self, method: str, arguments: Sequence[Any]) -> Any:
        return getattr(self._object, method)(*arguments)

    def aside(self, method: str) -> Any:
        """In another thread than `call`."""
        return getattr(self._object, method)()
