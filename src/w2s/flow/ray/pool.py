"""A pool of equal objects, one per worker process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
        with cluster.gate.entered():
            return list(self._answers({actor: actor.call.remote(method, ()) for actor in self._free}, None).values())

    def each(self, method: str, items: Sequence[Sequence[Any]], look: Look | None = None) -> Iterator[tuple[int, Any]]:
        """Call `method` on each item; yields (index, result) once per item, as completed.

        `look`: every `LOOK_SECONDS` its method of each busy object is called, and its function gets the results.

        Raises:
            RuntimeError: `DEATHS` workers were lost in a row, or by one item.
            Closed: the run was stopped.
            Exception: the method's own.
        """
        waiting = list(range(len(items)))[::-1]
        running: dict[Any, tuple[int, Any]] = {}
        deaths = [0] * len(items)
        timeout: float | None = cluster.LATE_SECONDS
        seen: dict[Any, Any] = {}
        with cluster.gate.entered():
            self._drop_dead()
        try:
            while waiting or running:
                with cluster.gate.entered():
                    wanted = min(self._workers, len(waiting) + len(running))
                    for _ in range(wanted - len(self._free) - len(self._starting) - len(running)):
                        self._start()
                    while waiting and self._free:
                        index, actor = waiting.pop(), self._free.pop()
                        running[actor.call.remote(method, items[index])] = index, actor
                until = timeout if not running else None if look is None else LOOK_SECONDS
                ready = cluster.wait(self._ray, [*running, *self._starting], until)
                if not ready and running and look is not None:
                    seen = self._look(running, look[0], seen)
                    look[1](list(seen.values()))
                elif not ready:
                    timeout = None
                    with cluster.gate.entered():
                        cluster.warn_late(self._ray, "workers for generation", *self._share)
                elif (ended := ready[0]) in self._starting:
                    actor, lost = self._starting.pop(ended)
                    with cluster.gate.entered():
                        if not self._take(ended, actor, lost):
                            self._start(lost + 1)
                else:
                    index, actor = running.pop(ended)
                    with cluster.gate.entered():
                        results = self._take(ended, actor, deaths[index])
                    if not results:
                        deaths[index] += 1
                        waiting.append(index)
                    yield from ((index, result) for result in results)
        finally:  # the caller stopped early: these workers do work that nobody uses
            self._kill(actor for _, actor in running.values())

    def _take(self, ended: Any, actor: Any, lost: int) -> list[Any]:
        """The result of a call that ended, alone in a list; [] if its worker was lost, after `lost` others."""
        exceptions = self._ray.exceptions
        try:
            result = self._ray.get(ended)
        except exceptions.RayTaskError as error:
            raise error.cause from error
        except exceptions.RayError as error:
            self._ray.kill(actor)  # it may be out of reach only
            if lost + 1 == cluster.DEATHS:
                raise RuntimeError(f"{lost + 1} workers were lost with the same work ({error})") from error
            self._drop_dead()
            return []
        self._free.append(actor)
        return [result]

    def _look(self, running: Mapping[Any, tuple[int, Any]], method: str, seen: Mapping[Any, Any]) -> dict[Any, Any]:
        """What each busy object answers now, or did before, per call."""
        with cluster.gate.entered():
            asked = {
                call: actor.aside.options(concurrency_group=_ASIDE).remote(method)
                for call, (_, actor) in running.items()
            }
            answers = self._answers(asked, LOOK_SECONDS)
        return {call: seen[call] for call in asked if call in seen} | answers

    def _kill(self, actors: Iterable[Any]) -> None:
        with contextlib.suppress(cluster.Closed), cluster.gate.entered():  # closed: they ended with the connection
            for actor in actors:
                self._ray.kill(actor)

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
        self._kill([*self._free, *(actor for actor, _ in self._starting.values())])
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
