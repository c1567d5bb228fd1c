"""The Ray cluster and its nodes."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

from w2s.config.schema import Runtime
from w2s.errors import UserError
from w2s.flow.capacity import Nodes

_log = logging.getLogger(__name__)

DEATHS = 3
"""Workers that one item loses before it counts as the cause (ours)."""

LATE_SECONDS = 120
"""Seconds without a ready worker until a warning."""


WAIT_SECONDS = 1.0
"""Of one call of `ray.wait`."""


class Closed(Exception):
    """The connection to Ray was closed."""


class Gate:
    """Where threads call Ray: a call after `ray.shutdown`, or during it, ends the process with exit code 1."""

    def __init__(self) -> None:
        self._changed, self._inside, self._closed = threading.Condition(), 0, False

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """For short calls, as closing waits for them. Raises Closed."""
        with self._changed:
            if self._closed:
                raise Closed
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def close(self) -> None:
        """Once nobody is inside; nobody enters any more."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._inside)

    def open(self) -> None:
        with self._changed:
            self._closed = False


gate = Gate()


def begin(runtime: Runtime) -> Any:
    """`connect` for a run, also after one that was stopped."""
    gate.open()
    return connect(runtime)


def shutdown(ray: Any) -> None:
    """Close the connection; pools raise Closed, and a training its own error."""
    gate.close()
    ray.shutdown()


def wait(ray: Any, calls: list[Any], seconds: float | None) -> list[Any]:
    """The first call that ends, or [] after some seconds (None: ever). Raises Closed."""
    while seconds is None or seconds > 0:
        part = WAIT_SECONDS if seconds is None else min(seconds, WAIT_SECONDS)
        with gate.entered():
            ready, _ = ray.wait(calls, num_returns=1, timeout=part)
        if ready:
            return list(ready)
        seconds = None if seconds is None else seconds - part
    return []


def connect(runtime: Runtime) -> Any:
    """Ray, connected to `runtime.address` or a new cluster here.

    Raises:
        UserError: Ray is not installed, or the cluster does not answer.
        Closed: the run was stopped.
    """
    with gate.entered():
        return _connect(runtime)


def _connect(runtime: Runtime) -> Any:
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "runtime.launcher=ray needs Ray", field="runtime.launcher", hint="pip install 'w2s-reasoning[ray]'"
        ) from error
    if not ray.is_initialized():
        try:
            _knock(runtime.address)
            with _own_signals():
                ray.init(address=runtime.address, log_to_driver=False, include_dashboard=False, logging_level="error")
        except (OSError, RuntimeError, ValueError) as error:
            raise UserError(
                f"no Ray cluster answers ({str(error)[:200]})",
                field="runtime.address",
                expected="HOST:PORT of a running head node, 'auto', or nothing for a cluster on this machine",
                hint="start one with: ray start --head",
            ) from error
    return ray


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep the handler of SIGTERM: Ray's exits at once, with another code, and steps would go on in their threads."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def _knock(address: str | None) -> None:
    """Fail within seconds; Ray tries for minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdigit() and "//" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()


def nodes(ray: Any) -> Nodes:
    """Resources of the live nodes."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def has_gpus(ray: Any) -> bool:
    """Whether any node has a GPU."""
    return bool(ray.cluster_resources().get("GPU", 0))


def warn_late(ray: Any, what: str, cpus: int, gpus: int) -> None:
    """Log what is waited for."""
    free = ray.available_resources()
    _log.warning(
        "%s: none is ready after %d seconds. Each takes %d CPUs and %d GPUs on one node; free in the cluster are "
        "%g CPUs and %g GPUs. Still waiting.",
        what, LATE_SECONDS, cpus, gpus, free.get("CPU", 0), free.get("GPU", 0),
    )  # fmt: skip


def work_in(folder: str) -> None:
    """Go to the driver's folder, so that relative paths mean the same."""
    with contextlib.suppress(OSError):
        os.chdir(folder)
