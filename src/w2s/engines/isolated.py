"""An engine in a process of its own, whose end frees all memory.

Request: a JSON line [engine, method, arguments]; reply: ["value" | "user" | "failure", content], after any number of
["tick", [rows, tokens]]. The child's process group dies after its last engine, an interrupted call, or the parent.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from w2s.config.schema import Runtime
from w2s.engines.base import Completion, Decoding, Engine, Loading, Request, device_memory, ticks
from w2s.errors import UserError

LOG_BYTES = 4000
"""Bytes of the child's output in an error."""

TICK_SECONDS = 0.2
"""Between two words about progress."""
_TICK = b'["tick", '


class Process:
    """A child process with engines."""

    def __init__(self) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this object
        self._lock = threading.Lock()
        path = os.pathsep.join(entry for entry in sys.path if entry)  # what can be imported here can be there
        self._child = subprocess.Popen(
            [sys.executable, "-m", "w2s.engines.isolated"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,
        )
        self.engines: set[int] = set()
        self.alive = True

    @property
    def pid(self) -> int:
        """Also of its process group."""
        return self._child.pid

    @property
    def running(self) -> bool:
        return self.alive and self._child.poll() is None

    def call(self, engine: int, method: str, *arguments: Any) -> Any:
        """What the engine's `method` returns.

        Raises:
            UserError: the engine's, or the process died.
            RuntimeError: any other, with traceback.
        """
        assert self._child.stdin is not None and self._child.stdout is not None
        with self._lock:
            try:
                self._child.stdin.write(json.dumps([engine, method, arguments]).encode() + b"\n")
                self._child.stdin.flush()
                line = self._reply()
            except (BrokenPipeError, ValueError):  # ValueError: closed by `kill`
                line = b""
            except BaseException:  # an interrupted call leaves its reply in the pipe, for the next call to read
                self.kill()
                raise
        if not line.endswith(b"\n"):
            raise self._died()
        kind, content = json.loads(line)
        if kind == "user":
            raise UserError(content)
        if kind == "failure":
            raise RuntimeError(f"the engine failed in its process:\n{content}")
        return content

    def _reply(self) -> bytes:
        assert self._child.stdout is not None
        while (line := self._child.stdout.readline()).startswith(_TICK) and line.endswith(b"\n"):
            ticks.tell(*json.loads(line)[1])
        return line

    def kill(self) -> None:
        if not self.alive:
            return
        self.alive = False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            with contextlib.suppress(OSError):
                assert pipe is not None
                pipe.close()

    def _died(self) -> UserError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(5)  # for the code of its own end, if it came to one, and not that of `kill`
        self.kill()
        code = self._child.returncode
        reason = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - LOG_BYTES))
        output = self._log.read().decode(errors="replace").strip() or "(none)"
        return UserError(
            f"the engine's process ended {reason}; its last output:\n{output}",
            hint="if it ran out of memory, lower runtime.device_memory or use a smaller model",
        )


class IsolatedEngine:
    """An engine in a `Process`."""

    def __init__(self, process: Process, number: int, processes: Processes | None) -> None:
        self.process, self._number, self._processes = process, number, processes

    def plan(self, requests: Sequence[Request], decoding: Decoding) -> list[list[Request]]:
        by_name = {(request.id, request.sample): request for request in requests}
        plan = self._call("plan", *_as_json(requests, decoding))
        return [[by_name[id, sample] for id, sample in batch] for batch in plan]

    def run(self, batch: Sequence[Request], decoding: Decoding) -> list[Completion]:
        return [Completion(*row) for row in self._call("run", *_as_json(batch, decoding))]

    def count_tokens(self, text: str) -> int:
        return int(self._call("count_tokens", text))

    def device_memory(self) -> int | None:
        most: int | None = None
        with contextlib.suppress(UserError):  # it died with its work done
            most = self._call("device_memory")
        return most

    def close(self) -> None:
        if self._processes is None or not self._processes.keep(self):
            self.end()

    def end(self) -> None:
        if self._number not in self.process.engines:
            return
        self.process.engines.remove(self._number)
        try:
            if self.process.running:
                self._call("close")
        except UserError:
            if self.process.alive:
                raise  # else it died, and is closed all the same
        finally:
            if not self.process.engines:
                self.process.kill()

    def _call(self, method: str, *arguments: Any) -> Any:
        return self.process.call(self._number, method, *arguments)


class Processes:
    """The engines' processes of a run, one per `share`.

    Without open engines it ends when another starts, by `release`, and with this context.
    """

    def __init__(self) -> None:
        self._by_share: dict[str, Process] = {}
        self._closed: list[IsolatedEngine] = []  # by their users; still open in their process
        self._over = False

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self.release()

    def start(self, share: str | None) -> Process:
        """The process of `share`; unused others end."""
        process = None if share is None else self._by_share.get(share)
        if process is not None and not process.running:
            process.kill()  # what it started may have outlived it
            process = None
        self.release(but=process)
        process = process or Process()
        if share is not None:
            self._by_share[share] = process
        return process

    def keep(self, engine: IsolatedEngine) -> bool:
        """Whether the closed engine stays."""
        shared = not self._over and engine.process in self._by_share.values()
        if shared:
            self._closed.append(engine)
        return shared

    def release(self, but: Process | None = None) -> None:
        """End unused engines, save in `but`."""
        for engine in self._closed[:]:
            if engine.process is not but:
                self._closed.remove(engine)
                engine.end()


def load(function: str, model: str | Path, loading: Loading, share: str | None = None) -> IsolatedEngine:
    """Call an engine's `load`, "module:name", in a process.

    Raises:
        UserError: it cannot be loaded, or its process died.
    """
    processes = loading.processes
    process = Process() if processes is None else processes.start(share)
    shared, number = bool(process.engines), max(process.engines, default=0) + 1
    settings = {"engine": loading.engine, "dtype": loading.dtype, "trust_remote_code": loading.trust_remote_code}
    try:
        process.call(number, "load", function, str(model), settings, loading.runtime.model_dump(mode="json"))
    except BaseException as error:
        if not process.engines:
            process.kill()
        if isinstance(error, UserError) and shared and not process.alive:  # it was dead or dying before this call
            return load(function, model, loading, share)
        raise
    process.engines.add(number)
    return IsolatedEngine(process, number, processes)


def _as_json(requests: Sequence[Request], decoding: Decoding) -> tuple[list[Any], dict[str, Any]]:
    return [dataclasses.astuple(request) for request in requests], dataclasses.asdict(decoding)


def _reply(engines: dict[int, Engine], number: int, method: str, arguments: list[Any]) -> Any:
    if method == "load":
        place, model, settings, runtime = arguments
        module, name = place.split(":")
        function = getattr(importlib.import_module(module), name)
        engines[number] = function(model, Loading(**settings, runtime=Runtime.model_validate(runtime)))
        return None
    if method == "close":
        return engines.pop(number).close()
    engine = engines[number]
    if method == "device_memory":
        return device_memory(engine)
    if method == "count_tokens":
        return engine.count_tokens(*arguments)
    requests = [Request(*row) for row in arguments[0]]
    decoding = Decoding(**(arguments[1] | {"stop": tuple(arguments[1]["stop"])}))
    if method == "plan":
        return [[(r.id, r.sample) for r in batch] for batch in engine.plan(requests, decoding)]
    return [dataclasses.astuple(completion) for completion in engine.run(requests, decoding)]


class _Pulse:
    """Writes ticks, not too many."""

    def __init__(self, replies: IO[bytes]) -> None:
        self._replies, self._next = replies, 0.0

    def __call__(self, rows: int, tokens: int) -> None:
        if (now := time.monotonic()) >= self._next:
            self._next = now + TICK_SECONDS
            self._replies.write(json.dumps(["tick", [rows, tokens]]).encode() + b"\n")
            self._replies.flush()


def _listen(lines: queue.SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        lines.put(line)
    os.killpg(os.getpgrp(), signal.SIGKILL)  # the parent is gone: free the workers' memory


def main() -> None:
    """The child: replies until killed; libraries print to standard error."""
    assert os.getpgrp() == os.getpid(), "started by Process only: this process kills its group"
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    engines: dict[int, Engine] = {}
    while True:
        number, method, arguments = json.loads(lines.get())
        try:
            with ticks.heard(_Pulse(replies)):
                reply = ("value", _reply(engines, number, method, arguments))
        except UserError as error:
            reply = ("user", str(error))
        except Exception:
            reply = ("failure", traceback.format_exc())
        replies.write(json.dumps(reply).encode() + b"\n")
        replies.flush()


if __name__ == "__main__":
    main()
