"""Runs heavy work in this process or on Ray (`runtime.launcher`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from w2s import engines
from w2s.engines.base import Engine, Loading
from w2s.flow.step import Context

STATE = "training"
"""The folder of a training's saved states, in a step's scratch."""


def engine(model: str, loading: Loading) -> Engine:
    """The engine, or a pool of them."""
    if loading.runtime.launcher == "local" or loading.engine == "openai":
        return engines.load(model, loading)
    from w2s.engines import sharded
    from w2s.flow import ray

    load = partial(sharded.load, model, replace(loading, processes=None))  # each worker has its own
    return sharded.Sharded(ray.Pool(load, ray.size(loading.runtime), loading.runtime))


@contextmanager
def training(function: Callable[..., Any], context: Context[Any]) -> Iterator[Callable[..., Any]]:
    """The training function: here, or on `runtime.train_workers` processes.

    Engines end first: they hold device memory.
    """
    if context.processes is not None:
        context.processes.release()
    if context.runtime.launcher == "local":
        from w2s.training import loop
        from w2s.training.history import measures

        try:
            with measures.heard(context.measure):
                yield partial(function, on_progress=context.progress)
        finally:
            loop.give_memory_back()
    else:
        from w2s.flow import ray
        from w2s.training import state

        if reached := state.reached(context.scratch / STATE):
            context.progress(*reached)
        hear: dict[str, Callable[..., None]] = {"progress": context.progress, "measure": context.measure}
        yield lambda *arguments, **keywords: ray.train(
            partial(_told, function),
            arguments,
            keywords,
            context.runtime,
            context.scratch,
            lambda kind, *values: hear[kind](*values),
        )


def _told(function: Callable[..., Any], *arguments: Any, tell: Callable[..., None], **keywords: Any) -> Any:
    """`function` in another process, which tells its progress and measures."""
    from w2s.training.history import measures

    with measures.heard(partial(tell, "measure")):
        return function(*arguments, on_progress=partial(tell, "progress"), **keywords)
