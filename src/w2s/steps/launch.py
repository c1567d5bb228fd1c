"""Where the heavy part of a step happens: in this process, or on Ray's workers (`runtime.launcher`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from w2s import engines
from w2s.config import Dtype, Runtime
from w2s.engines import isolated
from w2s.engines.base import Engine
from w2s.flow.step import Context


def engine(name: str, model: str | Path, *, dtype: Dtype, trust_remote_code: bool, runtime: Runtime) -> Engine:
    """The engine, or the engine of a pool of them. A server is its own pool, and is asked from here."""
    load = partial(engines.load, name, model, dtype=dtype, trust_remote_code=trust_remote_code, runtime=runtime)
    if runtime.launcher == "local" or name == "openai":
        return load()
    from w2s.engines.sharded import Sharded
    from w2s.flow import ray

    return Sharded(ray.Pool(load, ray.size(runtime), runtime))


def train(function: Callable[..., Any], context: Context, *arguments: Any, **keywords: Any) -> Any:
    """Call a training function here with the step's progress, or on `runtime.train_workers` processes.

    A process that generation left behind (`isolated.kept`) is ended first: it holds the device's memory.
    """
    isolated.release()
    if context.runtime.launcher == "local":
        from w2s.training import loop

        try:
            return function(*arguments, **keywords, on_progress=context.progress)
        finally:
            loop.give_memory_back()
    from w2s.flow import ray

    return ray.train(function, arguments, keywords, context.runtime, context.scratch)
